// Multiples of a number (the keyword `multipleOf`): the remainder of what has been read so far is the state.
//
//   of 0.25    all is counted in hundredths: M = 25       3 -> remainder 3, "." 7 -> 37 % 25 = 12, 5 -> 125 % 25 = 0: ends here
//
// Validators divide floating-point numbers, and 34.44 / 0.01 is 3443.9999999999995. So of a number that binary fractions do not have exactly,
// the multiples with a fraction are tried one by one, up to a limit, and only those whose quotient comes out as an integer are texts.

import { type Expression, type MachineState, machine } from "../syntax.js";
import { unsupported } from "./schema.js";

/** Digits after the point, and the largest number of units. */
const MOST_FRACTION_DIGITS = 6;
const MOST_UNITS = 1000;
/** Numbers, counted in units of the last digit, that are tried, and the largest of them. */
const MOST_TRIED = 50_000;
const LARGEST_TRIED = 999;

const DIGIT_0 = 0x30;
const MINUS = 0x2d;
const POINT = 0x2e;

/** The texts of multiples, without an exponent. @throws UnsupportedError UNSUPPORTED_SCHEMA */
export function multiplesText(multiple: number, pointer: string): Expression {
  const text = multiple.toFixed(MOST_FRACTION_DIGITS).replace(/0+$/, "");
  const places = text.length - text.indexOf(".") - 1;
  const units = Math.round(multiple * 10 ** places);
  if (Number(text) !== multiple || units > MOST_UNITS) {
    const why = `${multiple}: numbers of up to ${MOST_UNITS}, in units of their last digit, are supported`;
    throw unsupported(pointer, "multipleOf", why);
  }
  const isExact = Number.isInteger(multiple * 2 ** places);
  return machine(isExact ? remainders(units, places) : tried(multiple, units, places));
}

/** A machine whose states are named by texts. */
class Named {
  readonly states: { edges: { low: number; high: number; target: number }[]; accepts: boolean }[] = [];
  readonly #numbers = new Map<string, number>();

  state(name: string): number {
    const known = this.#numbers.get(name) ?? this.states.push({ edges: [], accepts: false }) - 1;
    this.#numbers.set(name, known);
    return known;
  }

  edge(from: number, byte: number, target: number): void {
    this.states[from]!.edges.push({ low: byte, high: byte, target });
  }
}

/** States: the beginning, after the sign, then for each number of digits after the point (0: before it) every remainder. */
function remainders(units: number, places: number): readonly MachineState[] {
  const named = new Named();
  const begin = [named.state("begin"), named.state("sign")];
  named.edge(begin[0]!, MINUS, begin[1]!);
  const at = (digits: number, remainder: number) => named.state(`${digits} ${remainder % units}`);
  for (const state of begin) for (let digit = 0; digit < 10; digit++) named.edge(state, DIGIT_0 + digit, at(0, digit));
  for (let remainder = 0; remainder < units; remainder++) {
    // After the point a digit must come.
    const point = named.state(`point ${remainder}`);
    if (places > 0) named.edge(at(0, remainder), POINT, point);
    for (let digits = 0; digits <= places; digits++) {
      const state = at(digits, remainder);
      named.states[state]!.accepts = (remainder * 10 ** (places - digits)) % units === 0;
      for (let digit = 0; digit < 10; digit++) {
        const target = () => at(digits + 1, remainder * 10 + digit);
        if (digits === 0) named.edge(state, DIGIT_0 + digit, at(0, remainder * 10 + digit));
        else if (digits < places) named.edge(state, DIGIT_0 + digit, target());
        if (digits === 0 && places > 0) named.edge(point, DIGIT_0 + digit, target());
      }
    }
  }
  return named.states;
}

/** Fractions that were tried; integers beyond them where each is as good as tried. */
function tried(multiple: number, units: number, places: number): readonly MachineState[] {
  const named = new Named();
  const scale = 10 ** places;
  const limit = Math.min(LARGEST_TRIED + 1, Math.floor(MOST_TRIED / scale));
  const fits = (count: number) => count % units === 0 && Number.isInteger(count / scale / multiple);
  const hasAllIntegers = isNear(multiple, units, places);
  const begin = [named.state("begin"), named.state("sign")];
  named.edge(begin[0]!, MINUS, begin[1]!);
  const end = named.state("end");
  named.states[end]!.accepts = true;
  /** The digits that may come where so many counts from `from` on are left, and the states after them. */
  const branches = (from: number, width: number): (readonly [digit: number, state: number])[] =>
    Array.from({ length: 10 }, (_, digit) => [digit, after(from + (digit * width) / 10, width / 10)] as const).filter(
      (way): way is readonly [number, number] => way[1] !== undefined,
    );
  const after = (from: number, width: number): number | undefined => {
    if (width === 1) return fits(from) ? end : undefined;
    const more = branches(from, width);
    if (more.length === 0) return undefined;
    const state = named.state(`${from} of ${width}`);
    named.states[state]!.accepts = fits(from);
    for (const [digit, target] of more) named.edge(state, DIGIT_0 + digit, target);
    return state;
  };
  const large = (remainder: number) => named.state(`remainder ${remainder % units}`);
  const whole = (value: number) => (value < limit ? named.state(`whole ${value}`) : undefined);
  const afterWhole = (value: number) => whole(value) ?? (hasAllIntegers ? large(value) : undefined);
  for (const state of begin) {
    for (let digit = 0; digit < 10; digit++) {
      const target = afterWhole(digit);
      if (target !== undefined) named.edge(state, DIGIT_0 + digit, target);
    }
  }
  for (let value = 0; value < limit; value++) {
    const state = whole(value)!;
    named.states[state]!.accepts = fits(value * scale);
    for (let digit = 0; digit < 10; digit++) {
      const target = afterWhole(10 * value + digit);
      if (target !== undefined) named.edge(state, DIGIT_0 + digit, target);
    }
    const digitsAfter = branches(value * scale, scale);
    if (digitsAfter.length > 0) {
      const point = named.state(`${value}.`);
      named.edge(state, POINT, point);
      for (const [digit, target] of digitsAfter) named.edge(point, DIGIT_0 + digit, target);
    }
  }
  for (let remainder = 0; remainder < units && hasAllIntegers; remainder++) {
    const state = large(remainder);
    named.states[state]!.accepts = (remainder * scale) % units === 0;
    for (let digit = 0; digit < 10; digit++) named.edge(state, DIGIT_0 + digit, large(10 * remainder + digit));
  }
  return named.states;
}

/**
 * Whether the quotient of every integer multiple comes out as an integer: the number as it is stored differs from the one that is meant by a
 * 2 ** -54 th at most, so an integer quotient is never moved by more than half the distance to the next number.
 */
function isNear(multiple: number, units: number, places: number): boolean {
  const shift = 52 - Math.floor(Math.log2(multiple));
  const stored = BigInt(multiple * 2 ** shift) * 10n ** BigInt(places);
  const meant = BigInt(units) * 2n ** BigInt(shift);
  const difference = stored > meant ? stored - meant : meant - stored;
  return difference * 2n ** 54n <= meant;
}
