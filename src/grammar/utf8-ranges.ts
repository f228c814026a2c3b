// Ranges of code points as sequences of byte ranges: the UTF-8 of every character of a range, and of no other.
//
//   U+0080 .. U+FFFF     [C2-DF][80-BF]   [E0][A0-BF][80-BF]   [E1-EC][80-BF][80-BF]   [ED][80-9F][80-BF]   [EE-EF][80-BF][80-BF]

import { type CodePointRange, type Machine, type MachineState, machineOf } from "./syntax.js";

/** Byte ranges one after the other: [low, high] each. */
export type ByteSequence = readonly (readonly [number, number])[];

/** The last code point of one, two, three and four bytes. */
const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff, 0x10ffff] as const;
const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;

/** The UTF-8 of a range of code points. Surrogates are not characters and are left out. */
export function utf8Sequences([first, last]: CodePointRange): ByteSequence[] {
  if (first <= LAST_SURROGATE && last >= FIRST_SURROGATE) {
    return [
      ...(first < FIRST_SURROGATE ? utf8Sequences([first, FIRST_SURROGATE - 1]) : []),
      ...(last > LAST_SURROGATE ? utf8Sequences([LAST_SURROGATE + 1, last]) : []),
    ];
  }
  const sequences: ByteSequence[] = [];
  let from = first;
  for (const [i, limit] of LAST_OF_LENGTH.entries()) {
    if (from > last) break;
    if (from > limit) continue;
    sequences.push(...ofOneLength(from, Math.min(last, limit), i + 1));
    from = limit + 1;
  }
  return sequences;
}

/** Both ends have `length` bytes. Splits where the bytes after the first do not go from 80 to BF. */
function ofOneLength(first: number, last: number, length: number): ByteSequence[] {
  for (let bits = 6; bits < 6 * length; bits += 6) {
    const low = (1 << bits) - 1;
    if (first >> bits === last >> bits) continue;
    if ((first & low) !== 0) {
      return [...ofOneLength(first, first | low, length), ...ofOneLength((first | low) + 1, last, length)];
    }
    if ((last & low) !== low) {
      return [...ofOneLength(first, (last & ~low) - 1, length), ...ofOneLength(last & ~low, last, length)];
    }
  }
  const low = utf8(first, length);
  const high = utf8(last, length);
  return [low.map((byte, i) => [byte, high[i]!] as const)];
}

function utf8(codePoint: number, length: number): number[] {
  if (length === 1) return [codePoint];
  const lead = [0, 0xc0, 0xe0, 0xf0][length - 1]!;
  const bytes = [lead | (codePoint >> (6 * (length - 1)))];
  for (let i = length - 2; i >= 0; i--) bytes.push(0x80 | ((codePoint >> (6 * i)) & 0x3f));
  return bytes;
}

/** The automaton of one character of any of the ranges: a state for each set of what may still come of it. */
export function machineOfRanges(ranges: readonly CodePointRange[]): Machine {
  const states: MachineState[] = [];
  const known = new Map<string, number>();
  const stateOf = (rests: readonly ByteSequence[]): number => {
    const key = rests.map((rest) => rest.join()).join(" ");
    const number = known.get(key);
    if (number !== undefined) return number;
    const edges: { readonly low: number; readonly high: number; readonly target: number }[] = [];
    const state = states.push({ edges, accepts: rests.some(({ length }) => length === 0) }) - 1;
    known.set(key, state);
    const going = rests.filter(({ length }) => length > 0);
    const begins = new Set(going.flatMap(([first]) => [first![0], first![1] + 1]));
    const sorted = [...begins].sort((a, b) => a - b);
    for (const [i, low] of sorted.slice(0, -1).entries()) {
      const through = going.filter(([first]) => first![0] <= low && low <= first![1]);
      if (through.length === 0) continue;
      edges.push({ low, high: sorted[i + 1]! - 1, target: stateOf(through.map((rest) => rest.slice(1))) });
    }
    return state;
  };
  stateOf(ranges.flatMap(utf8Sequences));
  return machineOf(states);
}
