// The tests: what comes after `is`, and what select and its like choose by.

import { bind } from "./arguments.js";
import { contains, equal } from "./comparisons.js";
import { MarkedString } from "./marked-string.js";
import { Markup } from "./markup.js";
import { comparisons, modulo } from "./operators.js";
import { isLower, isUpper } from "./string-methods.js";
import { toText } from "./strings.js";
import {
  type Arguments,
  Callable,
  Dict,
  DictView,
  Float,
  fail,
  Lazy,
  Loop,
  NONE,
  None,
  numberOf,
  Sequence,
  Undefined,
  type Value,
} from "./values.js";

type Test = (value: Value, args: Arguments) => boolean;

const isSequence = (value: Value) =>
  value instanceof Sequence || value instanceof Dict || value instanceof MarkedString;
const isIterable = (value: Value) =>
  isSequence(value) ||
  value instanceof DictView ||
  value instanceof Lazy ||
  value instanceof Loop ||
  value instanceof Undefined;
const isCallable = (value: Value) => value instanceof Callable || value instanceof Loop || value instanceof Undefined;

/** A row of the table of tests that take nothing besides the value. */
function plain(name: string, test: (value: Value) => boolean): [string, Test] {
  return [
    name,
    (value, args) => {
      bind(name, args, []);
      return test(value);
    },
  ];
}

/** A row of the table of tests that take one argument. */
function binary(name: string, parameter: string, test: (value: Value, argument: Value) => boolean): [string, Test] {
  return [
    name,
    (value, args) => {
      const [argument = NONE] = bind(name, args, [parameter]);
      return test(value, argument);
    },
  ];
}

/** Rows of a comparison's names. */
function comparison(operator: string, ...names: readonly string[]): readonly [string, Test][] {
  const compare = comparisons.get(operator)!;
  return [operator, ...names].map((name) => binary(name, "other", compare));
}

const tests: ReadonlyMap<string, Test> = new Map<string, Test>([
  plain("boolean", (value) => typeof value === "boolean"),
  plain("callable", isCallable),
  plain("defined", (value) => !(value instanceof Undefined)),
  binary("divisibleby", "num", (value, divisor) => equal(modulo(value, divisor), 0)),
  ...comparison("==", "eq", "equalto"),
  plain("escaped", (value) => value instanceof Markup),
  plain("even", (value) => equal(modulo(value, 2), 0)),
  plain("false", (value) => value === false),
  plain("float", (value) => value instanceof Float),
  ...comparison(">=", "ge"),
  ...comparison(">", "gt", "greaterthan"),
  binary("in", "seq", (value, container) => contains(container, value)),
  plain("integer", (value) => typeof value === "number"),
  plain("iterable", isIterable),
  ...comparison("<=", "le"),
  ...comparison("<", "lt", "lessthan"),
  plain("lower", (value) => isLower(toText(value).text)),
  plain("mapping", (value) => value instanceof Dict),
  ...comparison("!=", "ne"),
  plain("none", (value) => value instanceof None),
  plain("number", (value) => numberOf(value) !== undefined),
  plain("odd", (value) => equal(modulo(value, 2), 1)),
  binary("sameas", "other", (value, other) => value === other),
  plain("sequence", (value) => isSequence(value) || value instanceof Undefined),
  plain("string", (value) => value instanceof MarkedString),
  plain("test", (value) => value instanceof MarkedString && tests.has(value.text)),
  plain("true", (value) => value === true),
  plain("undefined", (value) => value instanceof Undefined),
  plain("upper", (value) => isUpper(toText(value).text)),
]);

/** What is wrong with a test's name; undefined when there is such a test. */
export function unknownTest(name: string): string | undefined {
  return tests.has(name) ? undefined : `no test named '${name}'; supported are ${[...tests.keys()].join(", ")}`;
}

/** The test with this name. */
export function testNamed(name: string): Test {
  return tests.get(name) ?? fail(unknownTest(name) ?? name);
}
