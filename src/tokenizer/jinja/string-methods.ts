// The methods of str that templates may call. They work on the text, and slice or join, so that marks go along.

import { bind, integerArgument, stringArgument, unnamed } from "./arguments.js";
import { MarkedString } from "./marked-string.js";
import { escapeHtml, Markup } from "./markup.js";
import {
  type Arguments,
  fail,
  isTrue,
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
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
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
  return (self, args) => {
    const result = method(self, bind(name, NAMED.has(name) ? args : unnamed(name, args), parameters), name);
    return self instanceof Markup ? marked(result) : result;
  };
}

/** What a method of HTML gives: HTML. */
function marked(value: Value): Value {
  if (value instanceof MarkedString) return new Markup(value);
  return value instanceof Sequence ? new Sequence(value.kind, value.items.map(marked)) : value;
}

/** The methods whose arguments may be given by name. */
const NAMED = new Set(["expandtabs", "rsplit", "split", "splitlines"]);

const methods: ReadonlyMap<string, readonly [parameters: readonly string[], method: Method]> = new Map<
  string,
  [string[], Method]
>([
  ["capitalize", [[], capitalize]],
  ["casefold", [[], (self) => self.map((run) => run.toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ"))]],
  ["center", [["width", "fillchar?"], (self, [width, fill], name) => justify(name, self, width, fill)]],
  [
    "count",
    [
      ["sub", "start?", "end?"],
      (self, [sub, start, end], name) => {
        const part = window(name, self, start, end)?.text;
        const wanted = stringArgument(name, sub).text;
        if (part === undefined) return 0;
        return wanted === "" ? string(part.text).length + 1 : positions(part.text, wanted).length;
      },
    ],
  ],
  ["endswith", [["suffix", "start?", "end?"], (self, args, name) => hasAffix(name, self, args, "endsWith")]],
  ["expandtabs", [["tabsize?"], expandTabs]],
  ["find", [["sub", "start?", "end?"], (self, args, name) => find(name, self, args, "indexOf") ?? -1]],
  ["index", [["sub", "start?", "end?"], (self, args, name) => find(name, self, args, "indexOf") ?? notFound()]],
  ["isalnum", [[], (self) => /^[\p{L}\p{N}]+$/u.test(self.text)]],
  ["isalpha", [[], (self) => /^\p{L}+$/u.test(self.text)]],
  ["isascii", [[], (self) => /^[\0-\x7f]*$/.test(self.text)]],
  ["isdecimal", [[], (self) => /^\p{Nd}+$/u.test(self.text)]],
  ["isdigit", [[], (self) => /^[\p{Nd}\xb2\xb3\xb9\u2070\u2074-\u2079\u2080-\u2089]+$/u.test(self.text)]],
  ["isidentifier", [[], (self) => /^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(self.text)]],
  ["islower", [[], (self) => isLower(self.text)]],
  ["isnumeric", [[], (self) => /^\p{N}+$/u.test(self.text)]],
  ["isprintable", [[], (self) => /^(?:[^\p{C}\p{Z}]| )*$/u.test(self.text)]],
  ["isspace", [[], (self) => SPACES_ONLY.test(self.text)]],
  ["istitle", [[], (self) => /\p{Cased}/u.test(self.text) && title(self).text === self.text]],
  ["isupper", [[], (self) => isUpper(self.text)]],
  ["join", [["iterable"], (self, [items = NONE]) => join(self, items)]],
  ["ljust", [["width", "fillchar?"], (self, [width, fill], name) => justify(name, self, width, fill)]],
  ["lower", [[], (self) => self.map((run) => run.toLowerCase())]],
  ["lstrip", [["chars?"], (self, [chars]) => strip(self, chars, true, false)]],
  ["partition", [["sep"], (self, [sep]) => partition(self, separator(sep), self.text.indexOf(separator(sep)), false)]],
  ["removeprefix", [["prefix"], (self, [prefix]) => removeAffix(self, stringArgument("removeprefix", prefix), true)]],
  ["removesuffix", [["suffix"], (self, [suffix]) => removeAffix(self, stringArgument("removesuffix", suffix), false)]],
  ["replace", [["old", "new", "count?"], (self, [from, to, count]) => replace(self, from, to, count)]],
  ["rfind", [["sub", "start?", "end?"], (self, args, name) => find(name, self, args, "lastIndexOf") ?? -1]],
  ["rindex", [["sub", "start?", "end?"], (self, args, name) => find(name, self, args, "lastIndexOf") ?? notFound()]],
  ["rjust", [["width", "fillchar?"], (self, [width, fill], name) => justify(name, self, width, fill)]],
  [
    "rpartition",
    [["sep"], (self, [sep]) => partition(self, separator(sep), self.text.lastIndexOf(separator(sep)), true)],
  ],
  ["rsplit", [["sep?", "maxsplit?"], (self, [sep, most]) => split(self, sep, most, true)]],
  ["rstrip", [["chars?"], (self, [chars]) => strip(self, chars, false, true)]],
  ["split", [["sep?", "maxsplit?"], (self, [sep, most]) => split(self, sep, most, false)]],
  ["splitlines", [["keepends?"], (self, [keep = false]) => list(splitLines(self, isTrue(keep)))]],
  ["startswith", [["prefix", "start?", "end?"], (self, args, name) => hasAffix(name, self, args, "startsWith")]],
  ["strip", [["chars?"], (self, [chars]) => strip(self, chars, true, true)]],
  ["swapcase", [[], (self) => self.map((run) => run.replace(/\p{Cased}/gu, swapCase))]],
  ["title", [[], title]],
  ["upper", [[], (self) => self.map((run) => run.toUpperCase())]],
  ["zfill", [["width"], zeroFill]],
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
  const given = stringArgument("replace", to);
  const replacement = self instanceof Markup ? escapeHtml(given) : given;
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

/** The lines, without their ends or with them. */
export function splitLines(self: MarkedString, keepEnds = false): readonly MarkedString[] {
  const lines: MarkedString[] = [];
  let start = 0;
  for (const { 0: end, index } of self.text.matchAll(LINE_END)) {
    lines.push(self.slice(start, keepEnds ? index + end.length : index));
    start = index + end.length;
  }
  return start < self.text.length ? [...lines, self.slice(start)] : lines;
}

function join(self: MarkedString, items: Value): MarkedString {
  const strings = [...iterate(items)].map((item, i) => {
    if (item instanceof MarkedString) return self instanceof Markup ? escapeHtml(item) : item;
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
  if (limit < 0 || words.length <= limit) return list(words.map(([start, end]) => self.slice(start, end)));
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

function hasAffix(
  name: string,
  self: MarkedString,
  [affix, start, end]: readonly (Value | undefined)[],
  has: "startsWith" | "endsWith",
): boolean {
  const wanted = affixes(name, affix);
  const part = window(name, self, start, end)?.text.text;
  return part !== undefined && wanted.some((one) => part[has](one));
}

function find(
  name: string,
  self: MarkedString,
  [sub, start, end]: readonly (Value | undefined)[],
  search: "indexOf" | "lastIndexOf",
): number | undefined {
  const wanted = stringArgument(name, sub).text;
  const part = window(name, self, start, end);
  if (part === undefined) return undefined;
  const unit = part.text.text[search](wanted);
  return unit < 0 ? undefined : part.start + string(part.text.text.slice(0, unit)).length;
}

function notFound(): never {
  return fail("substring not found");
}

/** The part of a string that a method looks at, by code points; undefined where it begins behind the end. */
function window(name: string, self: MarkedString, from: Value = NONE, to: Value = NONE) {
  const { length } = self;
  const bound = (value: Value, otherwise: number) => {
    if (value instanceof None) return otherwise;
    const index = integerArgument(name, value);
    return index < 0 ? Math.max(0, index + length) : index;
  };
  const start = bound(from, 0);
  const end = Math.min(bound(to, length), length);
  if (start > length || start > end) return undefined;
  const offsets = self.offsets();
  return { start, text: self.slice(offsets?.[start] ?? start, offsets?.[end] ?? end) };
}

/** center, ljust and rjust */
function justify(name: string, self: MarkedString, width: Value | undefined, fill?: Value): MarkedString {
  const wanted = integerArgument(name, width);
  const filling = fill === undefined ? string(" ") : stringArgument(name, fill);
  if (filling.length !== 1) fail("The fill character must be exactly one character long");
  const missing = wanted - self.length;
  if (missing <= 0) return self;
  const left = name === "ljust" ? 0 : name === "rjust" ? missing : (missing >> 1) + (missing & wanted & 1);
  return MarkedString.join([filling.repeat(left), self, filling.repeat(missing - left)]);
}

export function centered(self: MarkedString, width: Value): MarkedString {
  return justify("center", self, width);
}

function zeroFill(self: MarkedString, [width]: readonly (Value | undefined)[]): MarkedString {
  const missing = integerArgument("zfill", width) - self.length;
  const sign = /^[+-]/.test(self.text) ? 1 : 0;
  if (missing <= 0) return self;
  return MarkedString.join([self.slice(0, sign), string("0").repeat(missing), self.slice(sign)]);
}

function expandTabs(self: MarkedString, [tabSize = 8]: readonly (Value | undefined)[]): MarkedString {
  const size = integerArgument("expandtabs", tabSize);
  let column = 0;
  const pieces = [...self.characters()].map((character) => {
    if (character.text === "\t") {
      const spaces = size > 0 ? size - (column % size) : 0;
      column += spaces;
      return string(" ").repeat(spaces);
    }
    column = /[\n\r]/.test(character.text) ? 0 : column + 1;
    return character;
  });
  return MarkedString.join(pieces);
}

function swapCase(character: string): string {
  return character === character.toLowerCase() ? character.toUpperCase() : character.toLowerCase();
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
