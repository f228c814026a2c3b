// What +, -, *, /, //, %, ** and ~ do.

import { compare, contains, equal } from "./comparisons.js";
import { MarkedString } from "./marked-string.js";
import { escapeHtml, Markup } from "./markup.js";
import { toText } from "./strings.js";
import { checkElements, Float, fail, numberOf, Sequence, typeName, Undefined, type Value } from "./values.js";

/** Operators of two operands that are both evaluated. */
export const binaryOperators: ReadonlyMap<string, (a: Value, b: Value) => Value> = new Map([
  ["==", equal],
  ["!=", (a: Value, b: Value) => !equal(a, b)],
  ["<", (a: Value, b: Value) => compare(a, b, "<") < 0],
  ["<=", (a: Value, b: Value) => compare(a, b, "<=") <= 0],
  [">", (a: Value, b: Value) => compare(a, b, ">") > 0],
  [">=", (a: Value, b: Value) => compare(a, b, ">=") >= 0],
  ["in", (a: Value, b: Value) => contains(b, a)],
  ["not in", (a: Value, b: Value) => !contains(b, a)],
  ["~", (a: Value, b: Value) => MarkedString.join([toText(a), toText(b)])],
  ["+", add],
  ["-", (a: Value, b: Value) => arithmetic("-", a, b, (x, y) => x - y)],
  ["*", multiply],
  ["/", divide],
  ["//", (a: Value, b: Value) => arithmetic("//", a, b, (x, y) => Math.floor(x / notZero(y)))],
  ["%", (a: Value, b: Value) => arithmetic("%", a, b, (x, y) => x - y * Math.floor(x / notZero(y)))],
  ["**", power],
]);

/** `+value` and `-value` */
export function signed(sign: 1 | -1, value: Value): Value {
  const number = numberOf(value);
  if (number === undefined) return refuse(`bad operand type for unary ${sign > 0 ? "+" : "-"}`, value);
  return value instanceof Float ? new Float(sign * number) : integer(sign * number);
}

/** `a + b` */
export function add(a: Value, b: Value): Value {
  if (a instanceof MarkedString && b instanceof MarkedString) {
    if (!(a instanceof Markup || b instanceof Markup)) return MarkedString.join([a, b]);
    return new Markup(MarkedString.join([escapeHtml(a), escapeHtml(b)]));
  }
  if (a instanceof Sequence && b instanceof Sequence && a.kind === b.kind && a.kind !== "range") {
    return new Sequence(a.kind, [...a.items, ...b.items]);
  }
  return arithmetic("+", a, b, (x, y) => x + y);
}

function multiply(a: Value, b: Value): Value {
  const [many, count] = typeof a === "number" ? [b, a] : [a, b];
  if (typeof count === "number" && many instanceof MarkedString) return many.repeat(count);
  if (typeof count === "number" && many instanceof Sequence && many.kind !== "range") {
    checkElements(many.items.length * count);
    const items: Value[] = [];
    // Nothing is nothing, however often: that many turns of the loop would be no end of them.
    if (many.items.length > 0) for (let i = 0; i < count; i++) items.push(...many.items);
    return new Sequence(many.kind, items);
  }
  return arithmetic("*", a, b, (x, y) => x * y);
}

function divide(a: Value, b: Value): Value {
  const [x, y] = operands("/", a, b);
  return new Float(x / notZero(y));
}

function power(a: Value, b: Value): Value {
  const [x, y] = operands("**", a, b);
  if (x === 0 && y < 0) fail("0.0 cannot be raised to a negative power");
  return a instanceof Float || b instanceof Float || y < 0 ? new Float(x ** y) : integer(x ** y);
}

function arithmetic(operator: string, a: Value, b: Value, compute: (x: number, y: number) => number): Value {
  const [x, y] = operands(operator, a, b);
  const result = compute(x, y);
  return a instanceof Float || b instanceof Float ? new Float(result) : integer(result);
}

function operands(operator: string, a: Value, b: Value): readonly [number, number] {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) return [x, y];
  return refuse(`unsupported operand types for ${operator}`, a, b);
}

function refuse(what: string, ...values: readonly Value[]): never {
  for (const value of values) if (value instanceof Undefined) fail(value.message);
  fail(`${what}: ${values.map((value) => `'${typeName(value)}'`).join(" and ")}`);
}

function notZero(divisor: number): number {
  return divisor === 0 ? fail("division by zero") : divisor;
}

function integer(result: number): number {
  if (Number.isSafeInteger(result)) return result + 0; // -0 is 0
  return fail(`an integer of more than 53 bits: ${result}`);
}
