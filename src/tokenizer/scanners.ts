// The alternatives that pre-tokenizers are made of, each a scanner that takes linear time where a regular expression would
// backtrack, over UTF-16 units and their classes. `\s`, `\p{L}` and so on below are Unicode's.

import { classOf, LETTER, MARK, NUMBER, PUNCTUATION, SPACE, SYMBOL } from "./character-classes.js";
import { HAN } from "./character-ranges.js";

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

/** What a scanner matches, then an optional contraction. */
export function contracted(scanner: Scanner): Scanner {
  return (source, at, end) => {
    const stop = scanner(source, at, end);
    return stop > at && stop < end ? contractionAnyCase(source, stop, end) : stop;
  };
}

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

/** ` ?[\p{P}\p{S}]+[\r\n]*` */
export const spacedPunctuation: Scanner = (source, at, end) => {
  const { text, classes } = source;
  const start = text.charCodeAt(at) === BLANK ? at + 1 : at;
  let stop = start;
  while (stop < end && (classes[stop]! & (PUNCTUATION | SYMBOL)) !== 0) stop++;
  if (stop === start) return at;
  while (stop < end && isLineBreak(text.charCodeAt(stop))) stop++;
  return stop;
};

/** ` ?[^\s]+`, also without the characters of `others`. */
export function spacedRunWithout(others: string): Scanner {
  return ({ text, classes }, at, end) => {
    const start = text.charCodeAt(at) === BLANK ? at + 1 : at;
    let stop = start;
    while (stop < end && (classes[stop]! & SPACE) === 0 && !others.includes(text[stop]!)) stop++;
    return stop > start ? stop : at;
  };
}

/** A character of ASCII punctuation or an ASCII symbol, then `[A-Za-z]+`. */
export const markedWord: Scanner = ({ text, classes }, at, end) => {
  if (text.charCodeAt(at) > 127 || (classes[at]! & (PUNCTUATION | SYMBOL)) === 0) return at;
  let stop = at + 1;
  while (stop < end && isBetween(text.charCodeAt(stop) | 32, 97, 122)) stop++;
  return stop > at + 1 ? stop : at;
};

/** Whether `[^\r\n\p{L}\p{N}]` matches. */
function isWordPrefix({ text, classes }: ScannedText, at: number): boolean {
  return (classes[at]! & (LETTER | NUMBER)) === 0 && !isLineBreak(text.charCodeAt(at));
}

/** Whether `[^\r\n\p{L}\p{P}\p{S}]` matches. */
function isMarkPrefix({ text, classes }: ScannedText, at: number): boolean {
  return (classes[at]! & (LETTER | PUNCTUATION | SYMBOL)) === 0 && !isLineBreak(text.charCodeAt(at));
}

/** `[^\r\n\p{L}\p{N}]?[mask]+` */
export function prefixedRun(mask: number): Scanner {
  return prefixed(isWordPrefix, mask);
}

/** `[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+` */
export const prefixedLetters: Scanner = prefixed(isMarkPrefix, LETTER | MARK);

function prefixed(isPrefix: (source: ScannedText, at: number) => boolean, mask: number): Scanner {
  return (source, at, end) => {
    if (isPrefix(source, at)) {
      const start = afterCharacter(source, at);
      const stop = runEnd(source, mask, start, end);
      if (stop > start) return stop;
    }
    return runEnd(source, mask, at, end);
  };
}

/**
 * `[^\r\n\p{L}\p{N}]?U*L+|[^\r\n\p{L}\p{N}]?U+L*`; U are letters other than a-z and L letters other than A-Z, so letters outside of
 * ASCII are both. `mask` says what a letter is: marks may be, too.
 */
export function prefixedWord(mask: number): Scanner {
  return (source, at, end) => {
    let start = isWordPrefix(source, at) ? afterCharacter(source, at) : at;
    let stop = wordEnd(source, mask, start, end);
    if (stop < 0 && start > at && (source.classes[at]! & mask) !== 0) {
      // A mark before upper case is a word by itself: U*L+ comes first, and takes it without a prefix.
      start = at;
      stop = wordEnd(source, mask, at, end);
    }
    stop = Math.abs(stop);
    return stop > start ? stop : at;
  };
}

/** The end of U*L+ from `start`, else minus the end of U*. */
function wordEnd({ text, classes }: ScannedText, mask: number, start: number, end: number): number {
  let upperEnd = start;
  let lastBoth = -1;
  while (upperEnd < end && (classes[upperEnd]! & mask) !== 0 && !isBetween(text.charCodeAt(upperEnd), 97, 122)) {
    if (!isBetween(text.charCodeAt(upperEnd), 65, 90)) lastBoth = upperEnd;
    upperEnd++;
  }
  let stop = upperEnd;
  while (stop < end && (classes[stop]! & mask) !== 0 && !isBetween(text.charCodeAt(stop), 65, 90)) stop++;
  // Without lower case at the end, U* gives back letters until L+ can match one; without any such letter, U+ takes all.
  if (stop > upperEnd) return stop;
  return lastBoth >= 0 ? lastBoth + 1 : -upperEnd;
}

/** Letters other than Han after `[^\r\n\p{L}\p{N}]?`. */
export const prefixedNonHan: Scanner = (source, at, end) => {
  const start = isWordPrefix(source, at) ? afterCharacter(source, at) : at;
  const { text, classes } = source;
  let stop = start;
  while (stop < end && (classes[stop]! & LETTER) !== 0) {
    const codePoint = text.codePointAt(stop)!;
    if (isInRanges(HAN, codePoint)) break;
    stop += codePoint > 0xffff ? 2 : 1;
  }
  return stop > start ? stop : at;
};

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

/**
 * A text up to the end of its next group of numbers: groups of three from the end of a run of numbers, with what is left over first. The
 * original is `\d{1,3}(?=(?:\d{3})*\b)`; llama.cpp cuts only behind what that matches.
 */
export const throughGroup: Scanner = (source, at, end) => {
  const isNumber = (i: number) => i < end && (source.classes[i]! & NUMBER) !== 0;
  // After a first group, the others are whole.
  if (at > 0 && isNumber(at - 1) && isNumber(at)) return threeNumbers(source, at, end);
  let first = at;
  while (first < end && !isNumber(first)) first++;
  let count = 0;
  for (let i = first; isNumber(i); i = afterCharacter(source, i)) count++;
  return group(NUMBER, count % 3 || 3)(source, first, end);
};

const threeNumbers = group(NUMBER, 3);

/**
 * What lies between the matches of `(?=(\d{3})+(?!\d))`, in a text of numbers only or without any: a run of ASCII digits is cut before
 * each group of three that leaves whole groups behind it.
 */
export const thousands: Scanner = ({ text }, at, end) => {
  const isDigit = (i: number) => i < end && isBetween(text.charCodeAt(i), 48, 57);
  let i = at;
  // After a cut in a run, as many digits are left as make whole groups.
  if (at > 0 && isDigit(at - 1) && isDigit(at)) i = at + 3;
  if (i > at && isDigit(i)) return i;
  while (i < end) {
    let stop = i;
    while (isDigit(stop)) stop++;
    const digits = stop - i;
    const cut = i + (digits % 3);
    if (digits >= 3 && cut > at) return cut;
    if (digits > 3) return at + 3;
    i = Math.max(stop, i + 1);
  }
  return end;
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
