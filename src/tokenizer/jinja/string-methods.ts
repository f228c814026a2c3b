// The methods of str that templates may call. They work on the text, and slice or join, so that marks go along.

import { bind, integerArgument, stringArgument } from "./arguments.js";
import { MarkedString } from "./marked-string.js";
import {
  type Arguments,
  fail,
  iterate,
  list,
  NONE,
  None,
  Sequence,
  string,
  tuple,
  typeName,
  type Value,
} from "./values.js";

// What str.isspace() says, which is not what JavaScript's \s is.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WORD = new RegExp(`[^${SPACE}]+`, "g");
const SPACES_ONLY = new RegExp(`^[${SPACE}]+$`);
// biome-ignore lint/suspicious/noControlCharactersInRegex: str.splitlines() takes file and group separators as ends of lines
const LINE_END = /\r\n|[\n-\r\x1c-\x1e\x85\u2028\u2029]/g;

type Method = (self: MarkedString, args: readonly (Value | undefined)[], name: string) => Value;

/** `"text".name(...args)`; undefined when str has no such method. */
export function stringMethod(name: string): ((self: MarkedString, args: Arguments) => Value) | undefined {
  const found = methods.get(name);
  if (found === undefined) return undefined;
  const [parameters, method] = found;
  return (self, args) => method(self, bind(name, args, parameters), name);
}

const methods: ReadonlyMap<string, readonly [parameters: readonly string[], method: Method]> = new Map<
  string,
  [string[], Method]
>([
  ["capitalize", [[], capitalize]],
  ["count", [["sub"], (self, [sub]) => positions(self.text, stringArgument("count", sub).text).length]],
  ["endswith", [["suffix"], (self, [suffix], name) => affixes(name, suffix).some((end) => self.text.endsWith(end))]],
  ["find", [["sub"], (self, [sub]) => codePointIndex(self, self.text.indexOf(stringArgument("find", sub).text))]],
  ["isalnum", [[], (self) => /^[\p{L}\p{N}]+$/u.test(self.text)]],
  ["isalpha", [[], (self) => /^\p{L}+$/u.test(self.text)]],
  ["isdecimal", [[], (self) => /^\p{Nd}+$/u.test(self.text)]],
  ["isdigit", [[], (self) => /^[\p{Nd}\xb2\xb3\xb9\u2070\u2074-\u2079\u2080-\u2089]+$/u.test(self.text)]],
  ["islower", [[], (self) => isLower(self.text)]],
  ["isnumeric", [[], (self) => /^\p{N}+$/u.test(self.text)]],
  ["isspace", [[], (self) => SPACES_ONLY.test(self.text)]],
  ["isupper", [[], (self) => isUpper(self.text)]],
  ["join", [["iterable"], (self, [items = NONE]) => join(self, items)]],
  ["lower", [[], (self) => self.map((run) => run.toLowerCase())]],
  ["lstrip", [["chars?"], (self, [chars]) => strip(self, chars, true, false)]],
  ["partition", [["sep"], (self, [sep]) => partition(self, separator(sep), self.text.indexOf(separator(sep)), false)]],
  ["removeprefix", [["prefix"], (self, [prefix]) => removeAffix(self, stringArgument("removeprefix", prefix), true)]],
  ["removesuffix", [["suffix"], (self, [suffix]) => removeAffix(self, stringArgument("removesuffix", suffix), false)]],
  ["replace", [["old", "new", "count?"], (self, [from, to, count]) => replace(self, from, to, count)]],
  ["rfind", [["sub"], (self, [sub]) => codePointIndex(self, self.text.lastIndexOf(stringArgument("rfind", sub).text))]],
  [
    "rpartition",
    [["sep"], (self, [sep]) => partition(self, separator(sep), self.text.lastIndexOf(separator(sep)), true)],
  ],
  ["rsplit", [["sep?", "maxsplit?"], (self, [sep, most]) => split(self, sep, most, true)]],
  ["rstrip", [["chars?"], (self, [chars]) => strip(self, chars, false, true)]],
  ["split", [["sep?", "maxsplit?"], (self, [sep, most]) => split(self, sep, most, false)]],
  ["splitlines", [[], (self) => list(splitLines(self))]],
  ["startswith", [["prefix"], (self, [prefix], name) => affixes(name, prefix).some((p) => self.text.startsWith(p))]],
  ["strip", [["chars?"], (self, [chars]) => strip(self, chars, true, true)]],
  ["title", [[], title]],
  ["upper", [[], (self) => self.map((run) => run.toUpperCase())]],
]);

export function isLower(text: string): boolean {
  return text !== text.toUpperCase() && text === text.toLowerCase();
}

export function isUpper(text: string): boolean {
  return text !== text.toLowerCase() && text === text.toUpperCase();
}

export function capitalize(self: MarkedString): MarkedString {
  const [first = ""] = self.text;
  return MarkedString.join([
    self.slice(0, first.length).map((run) => run.toUpperCase()),
    self.slice(first.length).map((run) => run.toLowerCase()),
  ]);
}

function title(self: MarkedString): MarkedString {
  return eachMatch(self, /\p{Cased}+/gu, capitalize);
}

/** The text with each match changed. */
export function eachMatch(
  self: MarkedString,
  pattern: RegExp,
  change: (match: MarkedString) => MarkedString,
): MarkedString {
  const pieces: MarkedString[] = [];
  let end = 0;
  for (const { 0: match, index } of self.text.matchAll(pattern)) {
    pieces.push(self.slice(end, index), change(self.slice(index, index + match.length)));
    end = index + match.length;
  }
  return MarkedString.join([...pieces, self.slice(end)]);
}

/** Strips `chars`, or white space where they are undefined or None. */
export function strip(self: MarkedString, chars: Value | undefined, left: boolean, right: boolean): MarkedString {
  const { text } = self;
  const stripped =
    chars === undefined || chars instanceof None
      ? (at: number) => SPACES_ONLY.test(text[at]!)
      : (at: number) => stringArgument("strip", chars).text.includes(text[at]!);
  let start = 0;
  let end = text.length;
  while (left && start < end && stripped(start)) start++;
  while (right && end > start && stripped(end - 1)) end--;
  return self.slice(start, end);
}

export function replace(self: MarkedString, from: Value | undefined, to: Value | undefined, count?: Value) {
  const old = stringArgument("replace", from).text;
  const replacement = stringArgument("replace", to);
  const most = count === undefined || count instanceof None ? -1 : integerArgument("replace", count);
  const found = old === "" ? emptyPositions(self) : positions(self.text, old);
  const pieces: MarkedString[] = [];
  let end = 0;
  for (const at of most < 0 ? found : found.slice(0, most)) {
    pieces.push(self.slice(end, at), replacement);
    end = at + old.length;
  }
  return MarkedString.join([...pieces, self.slice(end)]);
}

/** The lines, without their ends. */
export function splitLines(self: MarkedString): readonly MarkedString[] {
  const lines: MarkedString[] = [];
  let start = 0;
  for (const { 0: end, index } of self.text.matchAll(LINE_END)) {
    lines.push(self.slice(start, index));
    start = index + end.length;
  }
  return start < self.text.length ? [...lines, self.slice(start)] : lines;
}

function join(self: MarkedString, items: Value): MarkedString {
  const strings = [...iterate(items)].map((item, i) => {
    if (item instanceof MarkedString) return item;
    return fail(`sequence item ${i}: expected str instance, ${typeName(item)} found`);
  });
  return MarkedString.join(strings, self);
}

function split(self: MarkedString, sep: Value | undefined, maxSplit: Value | undefined, fromRight: boolean): Sequence {
  const limit = maxSplit === undefined ? -1 : integerArgument("split", maxSplit);
  const words =
    sep === undefined || sep instanceof None
      ? [...self.text.matchAll(WORD)].map(({ 0: word, index }) => [index, index + word.length] as const)
      : between(self.text, separator(sep));
  const splits = words.length - 1;
  if (limit < 0 || splits <= limit) return list(words.map(([start, end]) => self.slice(start, end)));
  if (fromRight) {
    const rest = words.slice(splits - limit + 1);
    return list([self.slice(0, words[splits - limit]![1]), ...rest.map(([start, end]) => self.slice(start, end))]);
  }
  const whole = words.slice(0, limit).map(([start, end]) => self.slice(start, end));
  return list([...whole, self.slice(words[limit]![0])]);
}

function between(text: string, sep: string): readonly (readonly [start: number, end: number])[] {
  if (sep === "") fail("empty separator");
  const ends = [...positions(text, sep), text.length];
  return ends.map((end, i) => [i === 0 ? 0 : ends[i - 1]! + sep.length, end] as const);
}

function partition(self: MarkedString, sep: string, at: number, fromRight: boolean): Sequence {
  if (sep === "") fail("empty separator");
  const { empty } = MarkedString;
  if (at < 0) return fromRight ? tuple(empty, empty, self) : tuple(self, empty, empty);
  return tuple(self.slice(0, at), self.slice(at, at + sep.length), self.slice(at + sep.length));
}

function removeAffix(self: MarkedString, { text }: MarkedString, prefix: boolean): MarkedString {
  if (prefix) return self.text.startsWith(text) ? self.slice(text.length) : self;
  return self.text.endsWith(text) ? self.slice(0, self.text.length - text.length) : self;
}

function separator(sep: Value | undefined): string {
  return stringArgument("split", sep).text;
}

/** One string, or a tuple of them. */
function affixes(name: string, value: Value | undefined): readonly string[] {
  const values = value instanceof Sequence && value.kind === "tuple" ? value.items : [value];
  return values.map((affix) => stringArgument(name, affix).text);
}

/** Where `part` occurs, without overlaps. */
function positions(text: string, part: string): readonly number[] {
  const found: number[] = [];
  if (part === "") return found;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) found.push(at);
  return found;
}

function emptyPositions(self: MarkedString): readonly number[] {
  return self.offsets() ?? Array.from({ length: self.text.length + 1 }, (_, i) => i);
}

function codePointIndex(self: MarkedString, unit: number): number {
  return unit <= 0 ? unit : string(self.text.slice(0, unit)).length;
}
