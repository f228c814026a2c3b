// Runs a template as Jinja2 does. The values are Python's (values.ts), and the output knows which of its characters came from outside
// (marked-string.ts), for which no interpreter in JavaScript has a place.

import { givenName, NO_ARGUMENTS } from "./arguments.js";
import { getAttribute, getItem, getSlice } from "./attributes.js";
import { equal } from "./comparisons.js";
import { filterNamed } from "./filters.js";
import { MarkedString } from "./marked-string.js";
import { binaryOperators, signed } from "./operators.js";
import { Scope } from "./scope.js";
import { toText } from "./strings.js";
import type { Argument, Block, CallNode, Expression, IdentifierNode, MacroNode, Statement } from "./syntax.js";
import { testNamed } from "./tests.js";
import {
  type Arguments,
  Callable,
  Dict,
  Float,
  fail,
  isTrue,
  iterate,
  Loop,
  list,
  Namespace,
  NONE,
  type Sequence,
  string,
  tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

/** The output of a template with these variables. @throws TemplateError; RangeError where it recurses too deeply */
export function runTemplate(body: Block, variables: Iterable<readonly [string, Value]>): MarkedString {
  return capture(body, new Scope(undefined, variables));
}

/** How a block ended. */
type Ending = "end" | "break" | "continue";

type Output = MarkedString[];

const CONSTANTS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", NONE],
  ["None", NONE],
]);

function capture(body: Block, scope: Scope): MarkedString {
  const output: Output = [];
  executeBlock(body, scope, output);
  return MarkedString.join(output);
}

function executeBlock(body: Block, scope: Scope, output: Output): Ending {
  for (const statement of body) {
    const ending = execute(statement, scope, output);
    if (ending !== "end") return ending;
  }
  return "end";
}

function execute(statement: Statement, scope: Scope, output: Output): Ending {
  switch (statement.type) {
    case "Comment":
      return "end";
    case "If":
      return executeBlock(
        isTrue(evaluate(statement.test, scope)) ? statement.body : statement.alternate,
        scope,
        output,
      );
    case "For":
      executeFor(statement, scope, output);
      return "end";
    case "Break":
      return "break";
    case "Continue":
      return "continue";
    case "Set":
      executeSet(statement, scope);
      return "end";
    case "Macro":
      scope.set(statement.name.value, macro(statement.name.value, statement, scope));
      return "end";
    case "CallStatement": {
      const caller = macro("caller", { args: statement.callerArgs ?? [], body: statement.body }, scope);
      const args = evaluateArguments(statement.call.args, scope);
      const named = new Map([...args.named, ["caller", caller]]);
      output.push(toText(call(evaluate(statement.call.callee, scope), { ...args, named })));
      return "end";
    }
    case "FilterStatement":
      output.push(toText(applyFilter(capture(statement.body, new Scope(scope)), statement.filter, scope)));
      return "end";
    default:
      output.push(toText(evaluate(statement, scope)));
      return "end";
  }
}

function executeFor(node: Extract<Statement, { type: "For" }>, scope: Scope, output: Output): void {
  const { iterable, loopvar, body, defaultBlock } = node;
  let items: readonly Value[];
  if (iterable.type === "SelectExpression") {
    items = [...iterate(evaluate(iterable.lhs, scope))].filter((item) => {
      const inner = new Scope(scope);
      assign(loopvar, item, inner);
      return isTrue(evaluate(iterable.test, inner));
    });
  } else {
    items = [...iterate(evaluate(iterable, scope))];
  }
  if (items.length === 0) executeBlock(defaultBlock, scope, output);
  const changed = changeDetector();
  for (const [i, item] of items.entries()) {
    const inner = new Scope(scope, [["loop", loopVariable(items, i, changed)]]);
    assign(loopvar, item, inner);
    if (executeBlock(body, inner, output) === "break") break;
  }
}

function loopVariable(items: readonly Value[], i: number, changed: Callable): Loop {
  const { length } = items;
  return new Loop(
    new Map<string, Value>([
      ["index", i + 1],
      ["index0", i],
      ["revindex", length - i],
      ["revindex0", length - i - 1],
      ["first", i === 0],
      ["last", i === length - 1],
      ["length", length],
      ["previtem", items[i - 1] ?? new Undefined("there is no previous item")],
      ["nextitem", items[i + 1] ?? new Undefined("there is no next item")],
      [
        "cycle",
        new Callable(
          "cycle",
          ({ positional }) => positional[i % positional.length] ?? fail("no items for cycling given"),
        ),
      ],
      ["changed", changed],
    ]),
  );
}

/** `loop.changed(...)`: whether it is called with other values than the last time. */
function changeDetector(): Callable {
  let last: Sequence | undefined;
  return new Callable("changed", ({ positional }) => {
    const values = tuple(...positional);
    const same = last !== undefined && equal(last, values);
    last = values;
    return !same;
  });
}

function executeSet({ assignee, value, body }: Extract<Statement, { type: "Set" }>, scope: Scope): void {
  if (value !== null) {
    assign(assignee, evaluate(value, scope), scope);
  } else {
    const { target, text } = filteredBlock(assignee, capture(body, new Scope(scope)), scope);
    assign(target, text, scope);
  }
}

/** `{% set name | filter | filter %}...{% endset %}`: the name, and the text when all filters have had it. */
function filteredBlock(node: Expression, body: Value, scope: Scope): { target: Expression; text: Value } {
  if (node.type !== "FilterExpression") return { target: node, text: body };
  const { target, text } = filteredBlock(node.operand, body, scope);
  return { target, text: applyFilter(text, node.filter, scope) };
}

function assign(target: Expression, value: Value, scope: Scope): void {
  if (target.type === "Identifier") {
    scope.set(target.value, value);
  } else if (target.type === "TupleLiteral") {
    const values = [...iterate(value)];
    const wanted = target.value.length;
    if (values.length !== wanted) fail(`${values.length} values to unpack, expected ${wanted}`);
    target.value.forEach((element, i) => {
      assign(element, values[i]!, scope);
    });
  } else if (target.type === "MemberExpression" && target.property.type === "Identifier" && !target.computed) {
    const object = evaluate(target.object, scope);
    if (!(object instanceof Namespace)) fail("cannot assign attribute on non-namespace object");
    else object.attributes.set(target.property.value, value);
  } else {
    fail("cannot assign to this expression");
  }
}

function macro(name: string, { args, body }: Pick<MacroNode, "args" | "body">, scope: Scope): Callable {
  // Arguments without a parameter are an error, unless the macro uses the variables that take them.
  const [takesCaller, takesMore, takesNamed] = ["caller", "varargs", "kwargs"].map((used) => mentions(body, used));
  return new Callable(name, ({ positional, named }) => {
    const inner = new Scope(scope);
    const rest = new Map(named);
    const caller = rest.get("caller");
    if (takesCaller && caller !== undefined) inner.set("caller", caller);
    if (takesCaller) rest.delete("caller");
    args.forEach((parameter, i) => {
      const [key, fallback] = parameterOf(parameter);
      const given = positional[i] ?? rest.get(key);
      if (i >= positional.length) rest.delete(key);
      inner.set(key, given ?? (fallback === undefined ? missing(key) : evaluate(fallback, inner)));
    });
    const more = positional.slice(args.length);
    const [unknown] = rest.keys();
    if (more.length > 0 && !takesMore) fail(`macro '${name}' takes at most ${args.length} argument(s)`);
    if (unknown !== undefined && !takesNamed) fail(`macro '${name}' takes no keyword argument '${unknown}'`);
    inner.set("varargs", tuple(...more));
    inner.set("kwargs", new Dict([...rest].map(([key, value]) => [givenName(key), value])));
    return capture(body, inner);
  });
}

/** Whether a variable of this name is used somewhere in a syntax tree. */
function mentions(node: unknown, name: string): boolean {
  if (Array.isArray(node) || node instanceof Map) return [...node].some((child) => mentions(child, name));
  if (typeof node !== "object" || node === null) return false;
  const { type, value } = node as Partial<IdentifierNode>;
  if (type === "Identifier") return value === name;
  return Object.values(node).some((child) => mentions(child, name));
}

function parameterOf(parameter: Argument): readonly [name: string, fallback: Expression | undefined] {
  if (parameter.type === "Identifier") return [parameter.value, undefined];
  if (parameter.type === "KeywordArgumentExpression") return [parameter.key.value, parameter.value];
  return fail("a parameter is not a name");
}

function missing(name: string): Undefined {
  return new Undefined(`parameter '${name}' was not provided`);
}

function evaluate(node: Expression, scope: Scope): Value {
  switch (node.type) {
    case "Identifier":
      return CONSTANTS.get(node.value) ?? scope.get(node.value) ?? new Undefined(`'${node.value}' is undefined`);
    case "IntegerLiteral":
      return node.value;
    case "FloatLiteral":
      return new Float(node.value);
    case "StringLiteral":
      return string(node.value);
    case "ArrayLiteral":
      return list(node.value.map((element) => evaluate(element, scope)));
    case "TupleLiteral":
      return tuple(...node.value.map((element) => evaluate(element, scope)));
    case "ObjectLiteral":
      return new Dict([...node.value].map(([key, value]) => [evaluate(key, scope), evaluate(value, scope)]));
    case "UnaryExpression":
      return evaluateUnary(node, scope);
    case "BinaryExpression":
      return evaluateBinary(node, scope);
    case "MemberExpression":
      return evaluateMember(node, scope);
    case "CallExpression":
      return call(evaluate(node.callee, scope), evaluateArguments(node.args, scope));
    case "FilterExpression":
      return applyFilter(evaluate(node.operand, scope), node.filter, scope);
    case "TestExpression":
      return testNamed(node.test.value)(evaluate(node.operand, scope), NONE) !== node.negate;
    case "SelectExpression":
      if (isTrue(evaluate(node.test, scope))) return evaluate(node.lhs, scope);
      return new Undefined("the inline if-expression evaluated to false and no else section was defined");
    case "Ternary":
      return evaluate(isTrue(evaluate(node.condition, scope)) ? node.trueExpr : node.falseExpr, scope);
    default:
      return fail(`cannot evaluate a ${(node satisfies never as Expression).type}`);
  }
}

function evaluateUnary(node: Extract<Expression, { type: "UnaryExpression" }>, scope: Scope): Value {
  const value = evaluate(node.argument, scope);
  if (node.operator.value === "not") return !isTrue(value);
  return signed(node.operator.value === "-" ? -1 : 1, value);
}

function evaluateBinary({ operator, left, right }: Extract<Expression, { type: "BinaryExpression" }>, scope: Scope) {
  const value = evaluate(left, scope);
  if (operator.value === "and") return isTrue(value) ? evaluate(right, scope) : value;
  if (operator.value === "or") return isTrue(value) ? value : evaluate(right, scope);
  const apply = binaryOperators.get(operator.value) ?? fail(`No operator '${operator.value}'`);
  return apply(value, evaluate(right, scope));
}

function evaluateMember(
  { object, property, computed }: Extract<Expression, { type: "MemberExpression" }>,
  scope: Scope,
) {
  const value = evaluate(object, scope);
  if (property.type === "SliceExpression") {
    const bound = (node: Expression | undefined) => (node === undefined ? NONE : evaluate(node, scope));
    return getSlice(value, [bound(property.start), bound(property.stop), bound(property.step)]);
  }
  if (computed || property.type !== "Identifier") return getItem(value, evaluate(property, scope));
  return getAttribute(value, property.value);
}

function evaluateArguments(args: readonly Argument[], scope: Scope): Arguments {
  const positional: Value[] = [];
  const named = new Map<string, Value>();
  const name = (key: string, value: Value) => {
    if (named.has(key)) fail(`got multiple values for keyword argument '${key}'`);
    named.set(key, value);
  };
  for (const argument of args) {
    if (argument.type === "SpreadExpression") {
      positional.push(...iterate(evaluate(argument.argument, scope)));
    } else if (argument.type === "KeywordArgumentExpression") {
      name(argument.key.value, evaluate(argument.value, scope));
    } else if (argument.type === "KeywordSpreadExpression") {
      const mapping = evaluate(argument.argument, scope);
      if (!(mapping instanceof Dict)) return fail(`argument after ** must be a mapping, not ${typeName(mapping)}`);
      for (const [key, value] of mapping.entries()) name(toText(key).text, value);
    } else {
      positional.push(evaluate(argument, scope));
    }
  }
  return { positional, named };
}

function call(callee: Value, args: Arguments): Value {
  if (callee instanceof Callable) return callee.call(args);
  return fail(callee instanceof Undefined ? callee.message : `'${typeName(callee)}' object is not callable`);
}

function applyFilter(value: Value, filter: IdentifierNode | CallNode, scope: Scope): Value {
  if (filter.type === "Identifier") return filterNamed(filter.value)(value, NO_ARGUMENTS);
  // The parser also lets a filter be followed by an index, as in `x | f[0]`.
  const { callee } = filter as Partial<typeof filter>;
  if (callee?.type !== "Identifier") return fail("a filter is a name");
  return filterNamed(callee.value)(value, evaluateArguments(filter.args, scope));
}
