// What +, -, *, /, //, %, ** and ~ do.

import { compare, contains, equal } from "./comparisons.js";
import { MarkedString } from "./marked-string.js";
import { escapeHtml, Markup } from "./markup.js";
import { formatPercent } from "./percent-format.js";
import { checkElements, Float, fail, numberOf, Sequence, typeName, Undefined, type Value } from "./values.js";

/** Operators of two operands that are both evaluated. */
export const binaryOperators: ReadonlyMap<string, (a: Value, b: Value) => Value> = new Map([
  ["+", add],
  ["-", (a: Value, b: Value) => arithmetic("-", a, b, (x, y) => x - y)],
  ["*", multiply],
  ["/", divide],
  ["//", (a: Value, b: Value) => arithmetic("//", a, b, floorQuotient)],
  ["%", modulo],
  ["**", power],
]);

/** What stands between two expressions in a comparison. */
export const comparisons: ReadonlyMap<string, (a: Value, b: Value) => boolean> = new Map([
  ["==", equal],
  ["!=", (a: Value, b: Value) => !equal(a, b)],
  ["<", (a: Value, b: Value) => compare(a, b, "<") < 0],
  ["<=", (a: Value, b: Value) => compare(a, b, "<=") <= 0],
  [">", (a: Value, b: Value) => compare(a, b, ">") > 0],
  [">=", (a: Value, b: Value) => compare(a, b, ">=") >= 0],
  ["in", (a: Value, b: Value) => contains(b, a)],
  ["not in", (a: Value, b: Value) => !contains(b, a)],
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
  const [many, count] = isWhole(a) ? [b, a] : [a, b];
  if (isWhole(count) && many instanceof MarkedString) {
    const repeated = many.repeat(Number(count));
    return many instanceof Markup ? new Markup(repeated) : repeated;
  }
  if (isWhole(count) && many instanceof Sequence && many.kind !== "range") {
    checkElements(many.items.length * Number(count));
    const items: Value[] = [];
    // Nothing is nothing, however often: that many turns of the loop would be no end of them.
    if (many.items.length > 0) for (let i = 0; i < Number(count); i++) items.push(...many.items);
    return new Sequence(many.kind, items);
  }
  return arithmetic("*", a, b, (x, y) => x * y);
}

function isWhole(value: Value): value is number | boolean {
  return typeof value === "number" || typeof value === "boolean";
}

/** `a % b`: the remainder, which has the sign of `b`; or `%` directives filled in. */
export function modulo(a: Value, b: Value): Value {
  return a instanceof MarkedString ? formatPercent(a, b) : arithmetic("%", a, b, remainder);
}

function divide(a: Value, b: Value): Value {
  const [x, y] = operands("/", a, b);
  return new Float(x / notZero(y));
}

function power(a: Value, b: Value): Value {
  const [x, y] = operands("**", a, b);
  if (x === 0 && y < 0) fail("0.0 cannot be raised to a negative power");
  const result = x ** y;
  if (Number.isNaN(result) && !Number.isNaN(x) && !Number.isNaN(y)) fail("complex numbers are not supported");
  if (!(a instanceof Float || b instanceof Float || y < 0)) return integer(result);
  if (!Number.isFinite(result) && Number.isFinite(x) && Number.isFinite(y)) fail("the result is too large");
  return new Float(result);
}

function remainder(x: number, y: number): number {
  const rest = x % notZero(y);
  if (rest === 0) return y < 0 ? -0 : 0;
  return rest < 0 === y < 0 ? rest : rest + y;
}

function floorQuotient(x: number, y: number): number {
  // Not floor(x / y), whose quotient is rounded before: 1 // 0.1 is 9.
  const rest = x % notZero(y);
  const quotient = (x - rest) / y - (rest !== 0 && rest < 0 !== y < 0 ? 1 : 0);
  if (quotient === 0) return x / y < 0 || Object.is(x / y, -0) ? -0 : 0;
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
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
