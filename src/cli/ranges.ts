// llama-bench's lists of numbers: "512", "1,2,4", "1-8" (steps of 1), "0-1024+256", "1-32*2", and any of them with commas between.

import { invalidOption } from "../options.js";
import { UsageError } from "./failure.js";

const MOST_NUMBERS = 1000;

/**
 * @throws CriaError INVALID_OPTION for text that is not a list; UsageError for a range that stands still, and for more than a thousand
 *   numbers
 */
export function parseRanges(flag: string, texts: readonly string[]): readonly number[] {
  return texts.flatMap((text) => text.split(",").flatMap((range) => parseRange(flag, range)));
}

function parseRange(flag: string, text: string): number[] {
  const match = /^(\d{1,9})(?:-(\d{1,9})(?:([+*])(\d{1,9}))?)?$/.exec(text);
  if (match === null) {
    throw invalidOption(flag, "numbers and ranges such as 512, 1,2,4, 1-8, 0-1024+256, 1-32*2", text);
  }
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  const step = match[4] === undefined ? 1 : Number(match[4]);
  const next = match[3] === "*" ? (n: number) => n * step : (n: number) => n + step;
  if (last < first) throw new UsageError(`${flag} ${text}: the range ends before it begins`);
  const numbers: number[] = [];
  for (let n = first; n <= last; n = next(n)) {
    if (numbers.at(-1) === n) throw new UsageError(`${flag} ${text}: the range stands still at ${n}`);
    if (numbers.push(n) > MOST_NUMBERS) throw new UsageError(`${flag} ${text}: more than ${MOST_NUMBERS} numbers`);
  }
  return numbers;
}
