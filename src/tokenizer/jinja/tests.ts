// The tests: what comes after `is`, and what select and its like choose by.

import { compare, contains, equal } from "./comparisons.js";
import { MarkedString } from "./marked-string.js";
import { isLower, isUpper } from "./string-methods.js";
import { toText } from "./strings.js";
import {
  Callable,
  Dict,
  DictView,
  Float,
  fail,
  Lazy,
  NONE,
  None,
  numberOf,
  Sequence,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

type Test = (value: Value, argument: Value) => boolean;

const isSequence: Test = (value) => value instanceof Sequence || value instanceof Dict || value instanceof MarkedString;
const isIterable: Test = (value) =>
  isSequence(value, NONE) || value instanceof DictView || value instanceof Lazy || value instanceof Undefined;
const isNumber: Test = (value) => numberOf(value) !== undefined;
const isLess: Test = (value, argument) => compare(value, argument, "<") < 0;
const isAtMost: Test = (value, argument) => compare(value, argument, "<=") <= 0;
const isMore: Test = (value, argument) => compare(value, argument, ">") > 0;
const isAtLeast: Test = (value, argument) => compare(value, argument, ">=") >= 0;
const isUnequal: Test = (value, argument) => !equal(value, argument);

const tests: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["boolean", (value) => typeof value === "boolean"],
  ["callable", (value) => value instanceof Callable],
  ["defined", (value) => !(value instanceof Undefined)],
  ["divisibleby", (value, divisor) => remainder(value, divisor) === 0],
  ["eq", equal],
  ["equalto", equal],
  ["==", equal],
  ["even", (value) => remainder(value, 2) === 0],
  ["false", (value) => value === false],
  ["float", (value) => value instanceof Float],
  ["ge", isAtLeast],
  [">=", isAtLeast],
  ["greaterthan", isMore],
  ["gt", isMore],
  [">", isMore],
  ["in", (value, container) => contains(container, value)],
  ["integer", (value) => typeof value === "number"],
  ["iterable", isIterable],
  ["le", isAtMost],
  ["<=", isAtMost],
  ["lessthan", isLess],
  ["lower", (value) => isLower(toText(value).text)],
  ["lt", isLess],
  ["<", isLess],
  ["mapping", (value) => value instanceof Dict],
  ["ne", isUnequal],
  ["!=", isUnequal],
  ["none", (value) => value instanceof None],
  ["number", isNumber],
  ["odd", (value) => remainder(value, 2) === 1],
  ["sameas", (value, other) => value === other],
  ["sequence", (value) => isSequence(value, NONE) || value instanceof Undefined],
  ["string", (value) => value instanceof MarkedString],
  ["true", (value) => value === true],
  ["undefined", (value) => value instanceof Undefined],
  ["upper", (value) => isUpper(toText(value).text)],
]);

/** The test with this name. */
export function testNamed(name: string): Test {
  return tests.get(name) ?? fail(`No test named '${name}'; supported are ${[...tests.keys()].join(", ")}`);
}

function remainder(value: Value, divisor: Value): number {
  const [a, b] = [numberOf(value), numberOf(divisor)];
  if (a === undefined || b === undefined) {
    return fail(`unsupported operand types for %: '${typeName(value)}' and '${typeName(divisor)}'`);
  }
  return Math.abs(a % b);
}
