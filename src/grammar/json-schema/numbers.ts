// Numbers between bounds, digit by digit: which texts stand for a number that is not below one and not above another.
//
//   17 .. 305    1[7-9] | [2-9][0-9] | [12][0-9][0-9] | 30[0-5]
//
// Integers have up to 19 digits, as identifiers have. Other numbers have up to 15 before the point, and 20 after it where none of them can be
// rounded to what is out of bounds.

import {
  alternatives,
  both,
  type Expression,
  empty,
  except,
  literal,
  nothing,
  optional,
  repeat,
  rule,
  sequence,
  set,
} from "../syntax.js";
import { multiplesText } from "./multiples.js";
import { invalid, type SchemaObject, unsupported } from "./schema.js";
import { type Bound, type NumberShape, stricter } from "./shape.js";
import { MOST_FRACTION_DIGITS, unsignedNumber } from "./text.js";

const EXACT_DIGITS = 15;
const LARGEST = 10 ** EXACT_DIGITS - 1;
const LARGEST_INTEGER = 10n ** 19n - 1n;

/** The bounds that a schema names. @throws GrammarError SCHEMA_INVALID */
export function boundsOf(schema: SchemaObject, pointer: string): Pick<NumberShape, "low" | "high"> {
  return {
    low: boundOf(schema, "minimum", "exclusiveMinimum", (a, b) => a > b, pointer),
    high: boundOf(schema, "maximum", "exclusiveMaximum", (a, b) => a < b, pointer),
  };
}

/** The stricter of a bound and its exclusive form. In draft 4 the latter is a boolean that makes the former exclusive. */
function boundOf(
  schema: SchemaObject,
  inclusive: string,
  exclusive: string,
  isStricter: (a: number, b: number) => boolean,
  pointer: string,
): Bound | undefined {
  const open = schema[exclusive];
  const closed = schema[inclusive];
  for (const [keyword, value] of [
    [inclusive, closed],
    [exclusive, open],
  ] as const) {
    if (value === undefined || (keyword === exclusive && typeof value === "boolean")) continue;
    if (typeof value !== "number" || !Number.isFinite(value)) throw invalid(pointer, `${keyword} must be a number`);
  }
  return stricter(
    typeof closed === "number" ? { value: closed, exclusive: open === true } : undefined,
    typeof open === "number" ? { value: open, exclusive: true } : undefined,
    isStricter,
  );
}

/** The texts of a shape's numbers, except the values that are excluded. @throws UnsupportedError */
export function numberText(shape: NumberShape, excluded: readonly number[], pointer: string): Expression {
  const { low, high, kind } = shape;
  const multiples = shape.multiples.filter((multiple) => kind !== "integer" || multiple !== 1);
  const isBounded = low !== undefined || high !== undefined || excluded.length > 0 || multiples.length > 0;
  let text: Expression;
  // Multiples are told in floating point, which has no integers of 16 digits and more exactly.
  const most = multiples.length > 0 ? BigInt(LARGEST) : LARGEST_INTEGER;
  if (kind === "integer") text = isBounded ? integers(low, high, most) : rule("integer");
  else if (!isBounded && kind === "any") text = rule("number");
  // A long text could be rounded to a value that must not come.
  else text = numbers(low, high, kind === "any" && excluded.length === 0, pointer);
  if (kind === "fraction") text = both(text, fractions);
  for (const multiple of multiples) text = both(text, multiplesText(multiple, pointer));
  return excluded.length === 0 ? text : except(text, alternatives(...excluded.map(spellings)));
}

/** Numbers that are not integers, of so few digits that none is rounded to one. */
const fractions: Expression = sequence(
  optional(literal("-")),
  alternatives(literal("0"), sequence(digits(1, 9), repeat(digits(0, 9), 0, 6))),
  literal("."),
  repeat(literal("0"), 0, 6),
  digits(1, 9),
  repeat(digits(0, 9), 0, 1),
);

/** All texts without an exponent that stand for a number. */
function spellings(value: number): Expression {
  const text = decimalText(Math.abs(value));
  const sign = value === 0 ? optional(literal("-")) : value < 0 ? literal("-") : empty;
  const zeros = repeat(literal("0"), 0);
  const more = text.includes(".") ? zeros : optional(sequence(literal("."), literal("0"), zeros));
  return sequence(sign, literal(text), more);
}

function decimalText(value: number): string {
  const shortest = String(value);
  return shortest.includes("e") ? value.toFixed(20).replace(/\.?0+$/, "") : shortest;
}

function integers(low: Bound | undefined, high: Bound | undefined, most: bigint): Expression {
  const whole = (bound: Bound, up: boolean): bigint => {
    const inside = BigInt(up ? Math.ceil(bound.value) : Math.floor(bound.value));
    if (!bound.exclusive || !Number.isInteger(bound.value)) return inside;
    return up ? inside + 1n : inside - 1n;
  };
  // Bounds such as those of 64 bits may be beyond every text.
  const from = low === undefined ? -most : largest(whole(low, true), -most);
  const to = high === undefined ? most : -largest(-whole(high, false), -most);
  return alternatives(
    // A bound of zero leaves no "-0" here: what is negative ends at -1.
    from < 0n ? sequence(literal("-"), naturals(largest(1n, -to), -from)) : nothing,
    to >= 0n ? naturals(largest(0n, from), to) : nothing,
  );
}

function largest(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function checkSize(bound: number, pointer: string): void {
  if (Math.abs(bound) <= LARGEST) return;
  throw unsupported(pointer, bound < 0 ? "minimum" : "maximum", `bounds must have at most ${EXACT_DIGITS} digits`);
}

/** The integers from .. to, both at least 0, without leading zeros. */
function naturals(from: bigint, to: bigint): Expression {
  if (from > to) return nothing;
  const texts: Expression[] = [];
  for (let length = String(from).length; length <= String(to).length; length++) {
    const power = 10n ** BigInt(length - 1);
    const first = largest(from, length === 1 ? 0n : power);
    const last = -largest(-to, 1n - 10n * power);
    texts.push(digitsBetween(String(first), String(last)));
  }
  return alternatives(...texts);
}

/** Texts of as many digits as both bounds have, and between them. */
function digitsBetween(from: string, to: string): Expression {
  if (from === "") return empty;
  const [a, b] = [Number(from[0]), Number(to[0])];
  const rest = from.length - 1;
  const [fromRest, toRest] = [from.slice(1), to.slice(1)];
  if (a === b) return sequence(digits(a, a), digitsBetween(fromRest, toRest));
  const [zeros, nines] = ["0".repeat(rest), "9".repeat(rest)];
  const low = fromRest === zeros ? a : a + 1;
  const high = toRest === nines ? b : b - 1;
  return alternatives(
    low > a ? sequence(digits(a, a), digitsBetween(fromRest, nines)) : nothing,
    low <= high ? sequence(digits(low, high), repeat(digits(0, 9), rest, rest)) : nothing,
    high < b ? sequence(digits(b, b), digitsBetween(zeros, toRest)) : nothing,
  );
}

function digits(from: number, to: number): Expression {
  return from > to ? nothing : set([[0x30 + from, 0x30 + to]]);
}

/** @param isLong whether texts may have more digits than JavaScript has exactly, where none is rounded out of bounds */
function numbers(lowest: Bound | undefined, highest: Bound | undefined, isLong: boolean, pointer: string): Expression {
  // No text is rounded to more than 10 ** 15.
  const isBeyond = ({ value, exclusive }: Bound) => (exclusive ? value > LARGEST + 1 : value >= LARGEST + 1);
  const low = lowest !== undefined && isBeyond({ ...lowest, value: -lowest.value }) ? undefined : lowest;
  const high = highest !== undefined && isBeyond(highest) ? undefined : highest;
  const negated = (bound: Bound | undefined) => bound && { value: -bound.value, exclusive: bound.exclusive };
  const zero = { value: 0, exclusive: false };
  // What is below zero is what is above it, with a sign; -0 is zero.
  const startOf = (bound: Bound | undefined) => {
    return bound === undefined || bound.value < 0 || (bound.value === 0 && !bound.exclusive) ? zero : bound;
  };
  const [lowOfPositives, lowOfNegatives] = [startOf(low), startOf(negated(high))];
  // Any number of a sign may have an exponent.
  const isAny = (one: Bound, other: Bound | undefined) => isLong && other === undefined && one === zero;
  const positives = isAny(lowOfPositives, highest) ? unsignedNumber : magnitudes(lowOfPositives, high, isLong, pointer);
  const negatives = isAny(lowOfNegatives, lowest)
    ? unsignedNumber
    : magnitudes(lowOfNegatives, negated(low), isLong, pointer);
  return alternatives(
    high !== undefined && high.value < 0 ? nothing : positives,
    low !== undefined && low.value >= 0 ? nothing : sequence(literal("-"), negatives),
  );
}

/** Numbers from `low`, which is at least 0, to `high`, without exponents. */
function magnitudes(low: Bound, high: Bound | undefined, isLong: boolean, pointer: string): Expression {
  checkSize(low.value, pointer);
  if (high !== undefined) checkSize(high.value, pointer);
  const from = decimal(low, pointer);
  const to = high && decimal(high, pointer);
  const fromWhole = Number(from.whole);
  const toWhole = to === undefined ? LARGEST : Number(to.whole);
  if (fromWhole > toWhole) return nothing;
  // So few digits that no text is rounded onto a bound, or over it.
  const most = Math.max(0, EXACT_DIGITS - Math.max(from.whole.length, to?.whole.length ?? 0));
  if (to !== undefined && fromWhole === toWhole) {
    return sequence(literal(from.whole), fraction(from.fraction, !low.exclusive, to.fraction, !high!.exclusive, most));
  }
  // A text is never rounded below an integer that it is not below, nor down to zero, nor over the next integer.
  const long = isLong ? MOST_FRACTION_DIGITS : most;
  const last = to === undefined ? toWhole : toWhole - 1;
  const mayReach = to === undefined || to.fraction !== "" || !high!.exclusive;
  const isSafe = from.fraction === "" && (!low.exclusive || low.value === 0) && (mayReach || fromWhole < last);
  return alternatives(
    sequence(literal(from.whole), fraction(from.fraction, !low.exclusive, undefined, true, isSafe ? long : most)),
    sequence(naturals(BigInt(fromWhole + 1), BigInt(last - 1)), anyFraction(long)),
    last > fromWhole ? sequence(naturals(BigInt(last), BigInt(last)), anyFraction(mayReach ? long : most)) : nothing,
    to === undefined ? nothing : sequence(literal(to.whole), fraction("", true, to.fraction, !high!.exclusive, most)),
  );
}

/** The digits of a bound before and after its point. */
function decimal({ value }: Bound, pointer: string): { readonly whole: string; readonly fraction: string } {
  const text = decimalText(value);
  const [whole = "", fraction = ""] = text.split(".");
  if (Number(text) !== value || whole.length + fraction.length > EXACT_DIGITS) {
    throw unsupported(pointer, "minimum", `bounds must have at most ${EXACT_DIGITS} digits; it is ${value}`);
  }
  return { whole, fraction };
}

function anyFraction(most: number): Expression {
  return most === 0 ? empty : optional(sequence(literal("."), repeat(digits(0, 9), 1, most)));
}

/** A fraction, with its point if there is one, between two fractions of the same whole number; `to` undefined: 1. */
function fraction(
  from: string,
  fromIncluded: boolean,
  to: string | undefined,
  toIncluded: boolean,
  most: number,
): Expression {
  const none = from === "" && fromIncluded && (to !== "" || toIncluded);
  const some =
    most === 0 ? nothing : sequence(literal("."), fractionDigits(from, fromIncluded, to, toIncluded, most, true));
  return alternatives(none ? empty : nothing, some);
}

/** The digits of a fraction. `from`, `to`: what is left of the bounds; `first`: a digit must come. */
function fractionDigits(
  from: string | undefined,
  fromIncluded: boolean,
  to: string | undefined,
  toIncluded: boolean,
  most: number,
  first: boolean,
): Expression {
  if (from === undefined && to === undefined) return repeat(digits(0, 9), first ? 1 : 0, most);
  // So far the digits are those of each bound that is not undefined. Ended here, the rest is zeros.
  const isZero = (bound: string) => /^0*$/.test(bound);
  const reachesFrom = from === undefined || (isZero(from) && fromIncluded);
  const staysBelowTo = to === undefined || !isZero(to) || toIncluded;
  const end = !first && reachesFrom && staysBelowTo ? empty : nothing;
  if (most === 0) return end;
  const low = from === undefined ? 0 : Number(from[0] ?? 0);
  const high = to === undefined ? 9 : Number(to[0] ?? 0);
  const more: Expression[] = [end];
  const rest = (bound: string | undefined) => bound?.slice(1);
  const next = (a: string | undefined, b: string | undefined) =>
    fractionDigits(a, fromIncluded, b, toIncluded, most - 1, false);
  if (from !== undefined && to !== undefined && low === high) {
    more.push(sequence(digits(low, low), next(rest(from), rest(to))));
  } else if (low <= high) {
    const inner = [from === undefined ? low : low + 1, to === undefined ? high : high - 1] as const;
    if (from !== undefined) more.push(sequence(digits(low, low), next(rest(from), undefined)));
    if (inner[0] <= inner[1]) more.push(sequence(digits(...inner), next(undefined, undefined)));
    if (to !== undefined) more.push(sequence(digits(high, high), next(undefined, rest(to))));
  }
  return alternatives(...more);
}
