// The alternatives that pre-tokenizers are made of, each a scanner that takes linear time where a regular expression would
// backtrack, over UTF-16 units and their classes. `\s`, `\p{L}` and so on below are Unicode's.

import { classOf, LETTER, NUMBER, SPACE } from "./character-classes.js";

/** A text and the classes of its units. */
export interface ScannedText {
  readonly text: string;
  readonly classes: Uint8Array;
}

/** The end of the match that begins at `at` and stays before `end`, or `at` where there is none. */
export type Scanner = (source: ScannedText, at: number, end: number) => number;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const BLANK = 32;
const APOSTROPHE = 39;
const SLASH = 47;

function isLineBreak(unit: number): boolean {
  return unit === LINE_FEED || unit === CARRIAGE_RETURN;
}

/** The end of the character at `at`: two units if it is a surrogate pair. */
function afterCharacter({ text }: ScannedText, at: number): number {
  return (text.charCodeAt(at) & 0xfc00) === 0xd800 ? at + 2 : at + 1;
}

function runEnd({ classes }: ScannedText, mask: number, at: number, end: number): number {
  let i = at;
  while (i < end && (classes[i]! & mask) !== 0) i++;
  return i;
}

function runEndWithout({ classes }: ScannedText, mask: number, at: number, end: number): number {
  let i = at;
  while (i < end && (classes[i]! & mask) === 0) i++;
  return i;
}

const CONTRACTION = /'(?:[stmd]|re|ve|ll)/y;
const CONTRACTION_ANY_CASE = /'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])/y;

function contractionBy(pattern: RegExp): Scanner {
  return ({ text }, at, end) => {
    if (text.charCodeAt(at) !== APOSTROPHE) return at;
    pattern.lastIndex = at;
    return pattern.test(text) && pattern.lastIndex <= end ? pattern.lastIndex : at;
  };
}

/** `'s|'t|'re|'ve|'m|'ll|'d` */
export const contraction: Scanner = contractionBy(CONTRACTION);

/** `'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]` */
export const contractionAnyCase: Scanner = contractionBy(CONTRACTION_ANY_CASE);

/** ` ?[mask]+` */
export function spacedRun(mask: number): Scanner {
  return (source, at, end) => {
    const start = source.text.charCodeAt(at) === BLANK ? at + 1 : at;
    const stop = runEnd(source, mask, start, end);
    return stop > start ? stop : at;
  };
}

/** ` ?[^\s\p{L}\p{N}]+`, also without the characters of `mask`, then any number of `tail`: none, `[\r\n]*` or `[\r\n/]*`. */
export function spacedSymbols(tail: "" | "\r\n" | "\r\n/", mask = SPACE | LETTER | NUMBER): Scanner {
  return (source, at, end) => {
    const start = source.text.charCodeAt(at) === BLANK ? at + 1 : at;
    let stop = runEndWithout(source, mask, start, end);
    if (stop === start) return at;
    if (tail === "") return stop;
    for (; stop < end; stop++) {
      const unit = source.text.charCodeAt(stop);
      if (!isLineBreak(unit) && !(unit === SLASH && tail === "\r\n/")) break;
    }
    return stop;
  };
}

/** Whether `[^\r\n\p{L}\p{N}]` matches. */
function isWordPrefix({ text, classes }: ScannedText, at: number): boolean {
  return (classes[at]! & (LETTER | NUMBER)) === 0 && !isLineBreak(text.charCodeAt(at));
}

/** `[^\r\n\p{L}\p{N}]?[mask]+` */
export function prefixedRun(mask: number): Scanner {
  return (source, at, end) => {
    if (isWordPrefix(source, at)) {
      const start = afterCharacter(source, at);
      const stop = runEnd(source, mask, start, end);
      if (stop > start) return stop;
    }
    return runEnd(source, mask, at, end);
  };
}

/**
 * `[^\r\n\p{L}\p{N}]?U*L+|[^\r\n\p{L}\p{N}]?U+L*`, each with an optional contraction after it if `contractions`; U are letters
 * other than a-z and L letters other than A-Z, so letters outside of ASCII are both.
 */
export function prefixedWord(contractions: boolean): Scanner {
  return (source, at, end) => {
    const start = isWordPrefix(source, at) ? afterCharacter(source, at) : at;
    const { text, classes } = source;
    let upperEnd = start;
    let lastBoth = -1;
    while (upperEnd < end && (classes[upperEnd]! & LETTER) !== 0 && !isBetween(text.charCodeAt(upperEnd), 97, 122)) {
      if (!isBetween(text.charCodeAt(upperEnd), 65, 90)) lastBoth = upperEnd;
      upperEnd++;
    }
    let stop = upperEnd;
    while (stop < end && (classes[stop]! & LETTER) !== 0 && !isBetween(text.charCodeAt(stop), 65, 90)) stop++;
    // Without lower case at the end, U* gives back letters until L+ can match one; without any such letter, U+ takes all.
    if (stop === upperEnd && lastBoth >= 0) stop = lastBoth + 1;
    if (stop === start) return at;
    return contractions && stop < end ? contractionAnyCase(source, stop, end) : stop;
  };
}

function isBetween(unit: number, first: number, last: number): boolean {
  return unit >= first && unit <= last;
}

/** `[mask]{1,most}` */
export function group(mask: number, most: number): Scanner {
  return (source, at, end) => {
    let stop = at;
    for (let i = 0; i < most && stop < end && (source.classes[stop]! & mask) !== 0; i++)
      stop = afterCharacter(source, stop);
    return stop;
  };
}

/** `[mask]+`, where also the ASCII characters of `others` match. */
export function run(mask: number, others = ""): Scanner {
  return ({ text, classes }, at, end) => {
    let stop = at;
    while (stop < end && ((classes[stop]! & mask) !== 0 || others.includes(text[stop]!))) stop++;
    return stop;
  };
}

/** `\s?[mask]+` */
export function whiteSpacedRun(mask: number): Scanner {
  return (source, at, end) => {
    const start = (source.classes[at]! & SPACE) !== 0 ? at + 1 : at;
    const stop = runEnd(source, mask, start, end);
    return stop > start ? stop : at;
  };
}

/** `[ranges]+`, after `\s?` if `whiteSpaced`; ranges of code points in ascending order, in which white space never matches. */
export function rangeRun(ranges: readonly (readonly [number, number])[], whiteSpaced: boolean): Scanner {
  return (source, at, end) => {
    const start = whiteSpaced && (source.classes[at]! & SPACE) !== 0 ? at + 1 : at;
    let stop = start;
    while (stop < end) {
      const codePoint = source.text.codePointAt(stop)!;
      if ((classOf(codePoint) & SPACE) !== 0 || !isInRanges(ranges, codePoint)) break;
      stop += codePoint > 0xffff ? 2 : 1;
    }
    return stop > start ? stop : at;
  };
}

function isInRanges(ranges: readonly (readonly [number, number])[], codePoint: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle]![1] < codePoint) low = middle + 1;
    else high = middle;
  }
  return low < ranges.length && ranges[low]![0] <= codePoint;
}

/** `[0-9][0-9][0-9]` */
export const threeDigits: Scanner = ({ text }, at, end) => {
  if (at + 3 > end) return at;
  for (let i = at; i < at + 3; i++) if (!isBetween(text.charCodeAt(i), 48, 57)) return at;
  return at + 3;
};

/** `[\r\n]` */
export const lineBreak: Scanner = ({ text }, at) => (isLineBreak(text.charCodeAt(at)) ? at + 1 : at);

/** `\s*[\r\n]+` */
export const lineBreaks: Scanner = (source, at, end) => {
  let stop = at;
  for (let i = at; i < end && (source.classes[i]! & SPACE) !== 0; i++) {
    if (isLineBreak(source.text.charCodeAt(i))) stop = i + 1;
  }
  return stop;
};

/** `\s+(?!\S)|\s+`: all white space, but of several before a word the last stays for the word. */
export const whiteSpace: Scanner = (source, at, end) => {
  const stop = runEnd(source, SPACE, at, end);
  return stop < end && stop - at > 1 ? stop - 1 : stop;
};

/** `\s+$` */
export const trailingWhiteSpace: Scanner = (source, at, end) => {
  // In the middle of white space the answer is no: its first character was asked before. (Where that was in the piece before
  // this one and all of this piece is white space, no match leaves this piece whole, as a match would.)
  if (at > 0 && (source.classes[at]! & source.classes[at - 1]! & SPACE) !== 0) return at;
  return runEnd(source, SPACE, at, end) === end ? end : at;
};
