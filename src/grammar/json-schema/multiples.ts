// Multiples of a number (the keyword `multipleOf`): the remainder of what has been read so far is the state.
//
//   of 0.25    all is counted in hundredths: M = 25       3 -> remainder 3, "." 7 -> 37 % 25 = 12, 5 -> 125 % 25 = 0: ends here

import { type Expression, machine } from "../syntax.js";
import { unsupported } from "./schema.js";

/** Digits after the point, and the largest number of units. */
const MOST_FRACTION_DIGITS = 6;
const MOST_UNITS = 1000;

const DIGIT_0 = 0x30;
const MINUS = 0x2d;
const POINT = 0x2e;

/** The texts of all multiples, without an exponent. @throws UnsupportedError UNSUPPORTED_SCHEMA */
export function multiplesText(multiple: number, pointer: string): Expression {
  const text = multiple.toFixed(MOST_FRACTION_DIGITS).replace(/0+$/, "");
  const places = text.length - text.indexOf(".") - 1;
  const units = Math.round(multiple * 10 ** places);
  if (Number(text) !== multiple || units > MOST_UNITS) {
    const why = `${multiple}: numbers of up to ${MOST_UNITS}, in units of their last digit, are supported`;
    throw unsupported(pointer, "multipleOf", why);
  }
  // States: 0 the beginning, 1 after the sign, then for each number of digits after the point (0: before it) every remainder.
  const stateOf = (digits: number, remainder: number) => 2 + digits * units + remainder;
  const states: { edges: { low: number; high: number; target: number }[]; accepts: boolean }[] = [];
  const digitsTo = (remainder: number, digits: number, first = 0) =>
    Array.from({ length: 10 - first }, (_, i) => {
      const target = stateOf(digits, (remainder * 10 + first + i) % units);
      return { low: DIGIT_0 + first + i, high: DIGIT_0 + first + i, target };
    });
  const begin = digitsTo(0, 0);
  states.push({ edges: [{ low: MINUS, high: MINUS, target: 1 }, ...begin], accepts: false });
  states.push({ edges: begin, accepts: false });
  for (let digits = 0; digits <= places; digits++) {
    for (let remainder = 0; remainder < units; remainder++) {
      const edges = digits === 0 ? digitsTo(remainder, 0) : digits < places ? digitsTo(remainder, digits + 1) : [];
      if (digits === 0 && places > 0) {
        edges.push({ low: POINT, high: POINT, target: 2 + (places + 1) * units + remainder });
      }
      states.push({ edges, accepts: (remainder * 10 ** (places - digits)) % units === 0 });
    }
  }
  // After the point a digit must come.
  for (let remainder = 0; remainder < units && places > 0; remainder++) {
    states.push({ edges: digitsTo(remainder, 1), accepts: false });
  }
  return machine(states);
}
