// Runs a template as Jinja2 does. The values are Python's (values.ts), and the output knows which of its characters came from outside
// (marked-string.ts), for which no interpreter in JavaScript has a place.

import { givenName } from "./arguments.js";
import { getAttribute, getItem, getSlice } from "./attributes.js";
import { filterNamed } from "./filters.js";
import { MarkedString } from "./marked-string.js";
import { binaryOperators, comparisons, signed } from "./operators.js";
import { Scope } from "./scope.js";
import { toText } from "./strings.js";
import type { Argument, Block, Expression, FilterCall, ForNode, MacroNode, Statement, Target } from "./syntax.js";
import { testNamed } from "./tests.js";
import {
  type Arguments,
  Callable,
  Dict,
  Float,
  fail,
  isTrue,
  iterate,
  knownLength,
  Loop,
  list,
  Namespace,
  NONE,
  string,
  tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

/** The output of a template with these variables. @throws TemplateError; RangeError where it recurses too deeply */
export function runTemplate(body: Block, variables: Iterable<readonly [string, Value]>): MarkedString {
  return capture(body, new Scope(undefined, variables)).text;
}

/** How a block ended. */
type Ending = "end" | "break" | "continue";

type Output = MarkedString[];

/** What a block prints, and how it ended. */
function capture(body: Block, scope: Scope): { readonly text: MarkedString; readonly ending: Ending } {
  const output: Output = [];
  const ending = executeBlock(body, scope, output);
  return { text: MarkedString.join(output), ending };
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
    case "Text":
      output.push(string(statement.text));
      return "end";
    case "Print":
      output.push(toText(evaluate(statement.value, scope)));
      return "end";
    case "If":
      return executeBlock(
        isTrue(evaluate(statement.test, scope)) ? statement.body : statement.otherwise,
        scope,
        output,
      );
    case "For":
      return executeFor(statement, scope, output);
    case "Break":
      return "break";
    case "Continue":
      return "continue";
    case "Set":
      assign(statement.target, evaluate(statement.value, scope), scope);
      return "end";
    case "SetBlock":
      return captureFiltered(statement, scope, (text) => {
        assign(statement.target, text, scope);
      });
    case "FilterBlock":
      return captureFiltered(statement, scope, (text) => {
        if (!(text instanceof MarkedString)) fail(`a filter block makes text, not '${typeName(text)}'`);
        else output.push(text);
      });
    case "With": {
      const values = statement.variables.map(([target, value]) => [target, evaluate(value, scope)] as const);
      const inner = new Scope(scope);
      for (const [target, value] of values) assign(target, value, inner);
      return executeBlock(statement.body, inner, output);
    }
    case "Scope":
      return executeBlock(statement.body, new Scope(scope), output);
    case "Macro":
      scope.set(statement.name, macro(statement.name, statement.macro, scope));
      return "end";
    case "CallBlock": {
      const { callee, args } = statement.call;
      const caller = macro("caller", statement.macro, scope);
      const given = evaluateArguments(args, scope);
      if (given.named.has("caller")) fail("got multiple values for keyword argument 'caller'");
      const named = new Map([...given.named, ["caller", caller]]);
      output.push(toText(call(evaluate(callee, scope), { ...given, named })));
      return "end";
    }
  }
}

/** The text of a block, filtered, goes to `use`, unless a loop around it is left or goes on. */
function captureFiltered(
  { body, filters }: { readonly body: Block; readonly filters: readonly FilterCall[] },
  scope: Scope,
  use: (text: Value) => void,
): Ending {
  const inner = new Scope(scope);
  const { text, ending } = capture(body, inner);
  if (ending !== "end") return ending;
  use(filters.reduce<Value>((value, filter) => applyFilter(value, filter, inner), text));
  return "end";
}

function executeFor(node: ForNode, scope: Scope, output: Output): Ending {
  const items = evaluate(node.iterable, scope);
  if (!node.recursive) return executeLoop(node, items, scope, output, undefined, 0);
  const render = (inner: Value, depth: number): Value => {
    const text: Output = [];
    executeLoop(node, inner, scope, text, render, depth);
    return MarkedString.join(text);
  };
  output.push(toText(render(items, 0)));
  return "end";
}

function executeLoop(
  { target, test, body, otherwise }: ForNode,
  items: Value,
  scope: Scope,
  output: Output,
  render: ((items: Value, depth: number) => Value) | undefined,
  depth: number,
): Ending {
  const iterator = iterate(items)[Symbol.iterator]();
  const loop =
    test === undefined
      ? new Loop(iterator, knownLength(items), render, depth)
      : new Loop(chosen(iterator, target, test, scope), undefined, render, depth);
  // As in Jinja2, "else" is for a loop of which no turn came to its end.
  let ended = false;
  for (let item = loop.next(); item !== undefined; item = loop.next()) {
    const inner = new Scope(scope, [["loop", loop]]);
    assign(target, item, inner);
    const ending = executeBlock(body, inner, output);
    if (ending === "break") break;
    if (ending === "end") ended = true;
  }
  return ended ? "end" : executeBlock(otherwise, new Scope(scope), output);
}

function* chosen(items: Iterator<Value>, target: Target, test: Expression, scope: Scope): Generator<Value> {
  for (let next = items.next(); next.done !== true; next = items.next()) {
    const inner = new Scope(scope);
    assign(target, next.value, inner);
    if (isTrue(evaluate(test, inner))) yield next.value;
  }
}

function assign(target: Target, value: Value, scope: Scope): void {
  if (target.type === "Name") {
    scope.set(target.name, value);
  } else if (target.type === "Tuple") {
    const values = [...iterate(value)];
    const wanted = target.items.length;
    if (values.length !== wanted) fail(`${values.length} values to unpack, expected ${wanted}`);
    target.items.forEach((element, i) => {
      assign(element, values[i]!, scope);
    });
  } else {
    const object = scope.get(target.namespace);
    if (!(object instanceof Namespace)) fail("cannot assign attribute on non-namespace object");
    else object.attributes.set(target.name, value);
  }
}

function macro(name: string, { parameters, body, uses }: MacroNode, scope: Scope): Callable {
  const attributes = new Map<string, Value>([
    ["name", string(name)],
    ["arguments", tuple(...parameters.map((parameter) => string(parameter.name)))],
    ["catch_kwargs", uses.has("kwargs")],
    ["catch_varargs", uses.has("varargs")],
    ["caller", uses.has("caller")],
  ]);
  const run = ({ positional, named }: Arguments) => {
    const inner = new Scope(scope);
    const rest = new Map(named);
    const given = parameters.map(({ name: key }, i) => {
      if (i < positional.length) return positional[i];
      const value = rest.get(key);
      rest.delete(key);
      return value;
    });
    if (uses.has("caller")) {
      inner.set("caller", rest.get("caller") ?? new Undefined("No caller defined"));
      rest.delete("caller");
    }
    const more = positional.slice(parameters.length);
    const [unknown] = rest.keys();
    // Arguments without a parameter are an error, unless the macro uses the variables that take them.
    if (unknown !== undefined && !uses.has("kwargs")) fail(`macro '${name}' takes no keyword argument '${unknown}'`);
    if (more.length > 0 && !uses.has("varargs")) {
      fail(`macro '${name}' takes not more than ${parameters.length} argument(s)`);
    }
    if (uses.has("kwargs")) {
      inner.set("kwargs", new Dict([...rest].map(([key, value]) => [givenName(key), value])));
    }
    if (uses.has("varargs")) inner.set("varargs", tuple(...more));
    parameters.forEach(({ name: key }, i) => {
      inner.set(key, given[i] ?? new Undefined(`parameter '${key}' was not provided`));
    });
    parameters.forEach(({ name: key, fallback }, i) => {
      if (given[i] === undefined && fallback !== undefined) inner.set(key, evaluate(fallback, inner));
    });
    return capture(body, inner).text;
  };
  return new Callable(name, run, attributes);
}

function evaluate(node: Expression, scope: Scope): Value {
  switch (node.type) {
    case "Name":
      return scope.get(node.name) ?? new Undefined(`'${node.name}' is undefined`);
    case "Constant":
      return node.value ?? NONE;
    case "Integer":
      if (!Number.isSafeInteger(node.value)) return fail(`an integer of more than 53 bits: ${node.value}`);
      return node.value;
    case "Float":
      return new Float(node.value);
    case "String":
      return string(node.value);
    case "List":
      return list(node.items.map((item) => evaluate(item, scope)));
    case "Tuple":
      return tuple(...node.items.map((item) => evaluate(item, scope)));
    case "Dict":
      return new Dict(node.entries.map(([key, value]) => [evaluate(key, scope), evaluate(value, scope)]));
    case "Unary": {
      const value = evaluate(node.operand, scope);
      return node.operator === "not" ? !isTrue(value) : signed(node.operator === "-" ? -1 : 1, value);
    }
    case "Binary":
      return evaluateBinary(node, scope);
    case "Compare":
      return evaluateComparison(node, scope);
    case "Concat":
      return MarkedString.join(node.parts.map((part) => toText(evaluate(part, scope))));
    case "Attribute":
      return getAttribute(evaluate(node.object, scope), node.name);
    case "Item":
      return getItem(evaluate(node.object, scope), evaluate(node.key, scope));
    case "Slice": {
      const object = evaluate(node.object, scope);
      return getSlice(
        object,
        node.bounds.map((bound) => (bound === undefined ? NONE : evaluate(bound, scope))),
      );
    }
    case "Call":
      return call(evaluate(node.callee, scope), evaluateArguments(node.args, scope));
    case "Filter":
      return applyFilter(evaluate(node.operand, scope), node.filter, scope);
    case "Test":
      return testNamed(node.name)(evaluate(node.operand, scope), evaluateArguments(node.args, scope));
    case "Conditional":
      if (isTrue(evaluate(node.test, scope))) return evaluate(node.value, scope);
      if (node.otherwise !== undefined) return evaluate(node.otherwise, scope);
      return new Undefined("the inline if-expression evaluated to false and no else section was defined");
    default:
      return fail(`cannot evaluate a ${(node satisfies never as Expression).type}`);
  }
}

function evaluateBinary({ operator, left, right }: Extract<Expression, { type: "Binary" }>, scope: Scope): Value {
  const value = evaluate(left, scope);
  if (operator === "and") return isTrue(value) ? evaluate(right, scope) : value;
  if (operator === "or") return isTrue(value) ? value : evaluate(right, scope);
  const apply = binaryOperators.get(operator) ?? fail(`no operator '${operator}'`);
  return apply(value, evaluate(right, scope));
}

function evaluateComparison({ first, rest }: Extract<Expression, { type: "Compare" }>, scope: Scope): boolean {
  let left = evaluate(first, scope);
  return rest.every(({ operator, operand }) => {
    const right = evaluate(operand, scope);
    const compare = comparisons.get(operator) ?? fail(`no operator '${operator}'`);
    const holds = compare(left, right);
    left = right;
    return holds;
  });
}

function evaluateArguments(args: readonly Argument[], scope: Scope): Arguments {
  const positional: Value[] = [];
  const named = new Map<string, Value>();
  for (const argument of args) {
    const value = evaluate(argument.value, scope);
    if (argument.kind === "positional") positional.push(value);
    else if (argument.kind === "spread") positional.push(...iterate(value));
    else if (argument.kind === "named") named.set(argument.name, value);
    else if (!(value instanceof Dict)) return fail(`argument after ** must be a mapping, not ${typeName(value)}`);
    else {
      for (const [key, item] of value.entries()) {
        if (!(key instanceof MarkedString)) return fail("keywords must be strings");
        if (named.has(key.text)) fail(`got multiple values for keyword argument '${key.text}'`);
        named.set(key.text, item);
      }
    }
  }
  return { positional, named };
}

function call(callee: Value, args: Arguments): Value {
  if (callee instanceof Callable) return callee.call(args);
  if (callee instanceof Loop) {
    if (callee.render === undefined) return fail("the loop must be 'recursive' to be called");
    if (args.positional.length !== 1 || args.named.size > 0) return fail("loop() takes 1 argument");
    return callee.render(args.positional[0]!, callee.depth0 + 1);
  }
  return fail(callee instanceof Undefined ? callee.message : `'${typeName(callee)}' object is not callable`);
}

function applyFilter(value: Value, { name, args }: FilterCall, scope: Scope): Value {
  return filterNamed(name)(value, evaluateArguments(args, scope));
}
