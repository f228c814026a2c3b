// The filters: what comes after `|`.

import { bind, givenName, integerArgument, stringArgument } from "./arguments.js";
import { getOwnAttribute, getPath, getSlice } from "./attributes.js";
import { compare, equal } from "./comparisons.js";
import { fixed, roundTo } from "./decimals.js";
import { MarkedString } from "./marked-string.js";
import { escapeHtml, likewise, Markup } from "./markup.js";
import { add } from "./operators.js";
import { formatPercent } from "./percent-format.js";
import { capitalize, centered, eachMatch, replace, SPACE, splitLines, strip } from "./string-methods.js";
import { toJson, toText } from "./strings.js";
import { testNamed } from "./tests.js";
import {
  type Arguments,
  checkElements,
  Dict,
  DictView,
  Float,
  fail,
  Group,
  isTrue,
  iterate,
  Lazy,
  lengthOf,
  list,
  NONE,
  None,
  numberOf,
  Sequence,
  string,
  tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

type Filter = (value: Value, args: Arguments) => Value;

/** What is wrong with a filter's name; undefined when there is such a filter. */
export function unknownFilter(name: string): string | undefined {
  return filters.has(name) ? undefined : `no filter named '${name}'; supported are ${[...filters.keys()].join(", ")}`;
}

/** The filter with this name. */
export function filterNamed(name: string): Filter {
  return filters.get(name) ?? fail(unknownFilter(name) ?? name);
}

/** A row of the table: parameters by name, "?" at the end of those that may be left out. */
function filter(
  name: string,
  parameters: readonly string[],
  apply: (value: Value, args: readonly (Value | undefined)[]) => Value,
): [string, Filter] {
  return [name, (value, args) => apply(value, bind(name, args, parameters))];
}

const filters: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  filter("abs", [], absolute),
  filter("attr", ["name"], (value, [name = NONE]) => getOwnAttribute(value, toText(name).text)),
  filter("batch", ["linecount", "fill_with?"], (value, args) => new Lazy(batches(value, args))),
  filter("capitalize", [], (value) => likewise(value, capitalize(toText(value)))),
  filter("center", ["width?"], (value, [width = 80]) => likewise(value, centered(toText(value), width))),
  filter("count", [], lengthOf),
  filter("d", ["default_value?", "boolean?"], defaultValue),
  filter("default", ["default_value?", "boolean?"], defaultValue),
  filter("dictsort", ["case_sensitive?", "by?", "reverse?"], dictSort),
  filter("e", [], (value) => escapeHtml(toText(value))),
  filter("escape", [], (value) => escapeHtml(toText(value))),
  filter("filesizeformat", ["binary?"], fileSize),
  filter("first", [], first),
  filter("float", ["default?"], (value, [fallback = new Float(0)]) => toFloat(value) ?? fallback),
  filter("forceescape", [], (value) => escapeHtml(MarkedString.join([toText(value)]))),
  ["format", format],
  filter("groupby", ["attribute", "default?", "case_sensitive?"], groupBy),
  filter("indent", ["width?", "first?", "blank?"], indent),
  filter("int", ["default?", "base?"], (value, [fallback = 0, base = 10]) => toInteger(value, base) ?? fallback),
  filter("items", [], (value) => new Lazy(items(value))),
  filter("join", ["d?", "attribute?"], join),
  filter("last", [], last),
  filter("length", [], lengthOf),
  filter("list", [], (value) => list(iterate(value))),
  filter("lower", [], (value) =>
    likewise(
      value,
      toText(value).map((run) => run.toLowerCase()),
    ),
  ),
  ["map", (value, args) => new Lazy(map(value, args))],
  filter("max", ["case_sensitive?", "attribute?"], (value, [sensitive, by]) => extreme(value, sensitive, by, 1)),
  filter("min", ["case_sensitive?", "attribute?"], (value, [sensitive, by]) => extreme(value, sensitive, by, -1)),
  ["reject", (value, args) => new Lazy(choose(value, () => predicate(args), false))],
  ["rejectattr", (value, args) => new Lazy(choose(value, () => attributePredicate(args), false))],
  filter("replace", ["old", "new", "count?"], (value, [old, replacement, count]) =>
    replace(MarkedString.join([toText(value)]), toText(old ?? NONE), toText(replacement ?? NONE), count),
  ),
  filter("reverse", [], reverse),
  filter("round", ["precision?", "method?"], round),
  filter("safe", [], (value) => new Markup(toText(value))),
  ["select", (value, args) => new Lazy(choose(value, () => predicate(args), true))],
  ["selectattr", (value, args) => new Lazy(choose(value, () => attributePredicate(args), true))],
  filter("slice", ["slices", "fill_with?"], (value, args) => new Lazy(slices(value, args))),
  filter("sort", ["reverse?", "case_sensitive?", "attribute?"], sort),
  filter("string", [], toText),
  filter("sum", ["attribute?", "start?"], sum),
  filter("title", [], (value) => eachMatch(toText(value), TITLE_WORD, capitalize)),
  filter("tojson", ["ensure_ascii?", "indent?", "separators?", "sort_keys?"], tojson),
  filter("trim", ["chars?"], (value, [chars]) => likewise(value, strip(toText(value), chars, true, true))),
  filter("truncate", ["length?", "killwords?", "end?", "leeway?"], truncate),
  filter(
    "unique",
    ["case_sensitive?", "attribute?"],
    (value, [sensitive, by]) => new Lazy(unique(value, sensitive, by)),
  ),
  filter("upper", [], (value) =>
    likewise(
      value,
      toText(value).map((run) => run.toUpperCase()),
    ),
  ),
  filter("urlencode", [], urlEncode),
  filter("wordcount", [], (value) => [...toText(value).text.matchAll(/[\p{L}\p{N}_]+/gu)].length),
]);

const TITLE_WORD = new RegExp(`[^-${SPACE}({[<]+`, "gu");

function absolute(value: Value): Value {
  const number = numberOf(value);
  if (number === undefined) return fail(`bad operand type for abs(): '${typeName(value)}'`);
  return value instanceof Float ? new Float(Math.abs(number)) : Math.abs(number);
}

function defaultValue(value: Value, [fallback = MarkedString.empty, boolean = false]: readonly (Value | undefined)[]) {
  return value instanceof Undefined || (isTrue(boolean) && !isTrue(value)) ? fallback : value;
}

function dictSort(value: Value, [sensitive, by = string("key"), reversed]: readonly (Value | undefined)[]): Value {
  const place = ["key", "value"].indexOf(stringArgument("dictsort", by).text);
  if (place < 0) fail('You can only sort by either "key" or "value"');
  if (!(value instanceof Dict)) return fail(`'${typeName(value)}' object has no attribute 'items'`);
  const key = sortKey(sensitive, undefined);
  const pairs = value.entries().map(([name, item]) => tuple(name, item));
  return list(sorted(pairs, (pair) => key(pair instanceof Sequence ? pair.items[place]! : pair), reversed));
}

function first(value: Value): Value {
  for (const item of iterate(value)) return item;
  return new Undefined("No first item, sequence was empty.");
}

function last(value: Value): Value {
  if (value instanceof Lazy) return fail("'generator' object is not reversible");
  return [...iterate(value)].at(-1) ?? new Undefined("No last item, sequence was empty.");
}

function reverse(value: Value): Value {
  const items = [...iterate(value)].reverse();
  if (value instanceof MarkedString) return likewise(value, MarkedString.join(items.map(toText)));
  return value instanceof Lazy ? list(items) : new Lazy(items.values());
}

const FLOAT = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)$/i;

function toFloat(value: Value): Float | undefined {
  const number = numberOf(value);
  if (number !== undefined) return new Float(number);
  if (value instanceof Undefined) return fail(value.message);
  if (!(value instanceof MarkedString)) return undefined;
  const text = strip(value, NONE, true, true).text.replace(/(?<=\d)_(?=\d)/g, "");
  if (!FLOAT.test(text)) return undefined;
  const word = /^([+-]?)(inf|nan)/i.exec(text);
  if (word === null) return new Float(Number(text));
  return new Float(word[2]!.toLowerCase() === "nan" ? Number.NaN : word[1] === "-" ? -Infinity : Infinity);
}

const INTEGER_PREFIXES = new Map([
  ["0b", 2],
  ["0o", 8],
  ["0x", 16],
]);

function toInteger(value: Value, baseArgument: Value): number | undefined {
  if (value instanceof MarkedString) {
    const found = parseInteger(strip(value, NONE, true, true).text, integerArgument("int", baseArgument));
    if (found !== undefined) return wholeNumber(found);
  } else if (value instanceof Float && !Number.isFinite(value.value) && !Number.isNaN(value.value)) {
    return fail("cannot convert float infinity to integer");
  }
  const float = toFloat(value);
  return float === undefined || !Number.isFinite(float.value) ? undefined : wholeNumber(Math.trunc(float.value));
}

/** int(text, base) */
function parseInteger(text: string, base: number): number | undefined {
  if (base !== 0 && (base < 2 || base > 36)) fail("int() base must be >= 2 and <= 36, or 0");
  const [, sign, prefix, rest = ""] = /^([+-]?)(0[box])?(.*)$/is.exec(text) ?? [];
  const prefixBase = INTEGER_PREFIXES.get(prefix?.toLowerCase() ?? "");
  const hasPrefix = prefixBase !== undefined && (base === 0 || base === prefixBase);
  const used = base === 0 ? (prefixBase ?? 10) : base;
  const digits = hasPrefix ? rest : (prefix ?? "") + rest;
  if (!/^[\da-z]+(?:_[\da-z]+)*$/i.test(hasPrefix ? digits.replace(/^_/, "") : digits)) return undefined;
  const bare = digits.replaceAll("_", "");
  if (base === 0 && !hasPrefix && /^0+[1-9]/.test(bare)) return undefined;
  if ([...bare].some((digit) => !(Number.parseInt(digit, 36) < used))) return undefined;
  const number = Number.parseInt(bare, used);
  return sign === "-" ? -number : number;
}

function wholeNumber(number: number): number {
  return Number.isSafeInteger(number) ? number + 0 : fail(`an integer of more than 53 bits: ${number}`);
}

function round(value: Value, [precision = 0, method = string("common")]: readonly (Value | undefined)[]): Value {
  const how = stringArgument("round", method).text;
  if (!["common", "ceil", "floor"].includes(how)) fail("method must be common, ceil or floor");
  const number = numberOf(value);
  if (number === undefined) {
    return fail(value instanceof Undefined ? value.message : `type ${typeName(value)} doesn't define __round__ method`);
  }
  const toWhole = precision instanceof None;
  const places = toWhole ? 0 : integerArgument("round", precision);
  if (how === "common") {
    const rounded = roundTo(number, places);
    if (toWhole && !Number.isFinite(number)) return fail("cannot convert float to integer");
    return value instanceof Float && !toWhole ? new Float(rounded) : wholeNumber(rounded);
  }
  if (!Number.isFinite(number)) return fail("cannot convert float to integer");
  const scaled = number * 10 ** places;
  if (!Number.isFinite(scaled)) return fail("cannot convert float to integer");
  const whole = (how === "ceil" ? Math.ceil(scaled) : Math.floor(scaled)) + 0;
  // An exact quotient of whole numbers, rounded once.
  return new Float(places >= 0 ? Number(`${BigInt(whole)}e-${places}`) : whole / 10 ** places);
}

function format(value: Value, { positional, named }: Arguments): Value {
  if (positional.length > 0 && named.size > 0) fail("can't handle positional and keyword arguments at the same time");
  const mapping = new Dict([...named].map(([name, item]) => [givenName(name), item]));
  return formatPercent(toText(value), named.size > 0 ? mapping : tuple(...positional));
}

function truncate(
  value: Value,
  [length = 255, killWords = false, ending = string("..."), leeway = NONE]: readonly (Value | undefined)[],
): Value {
  const most = integerArgument("truncate", length);
  const end = stringArgument("truncate", ending);
  const slack = leeway instanceof None ? 5 : integerArgument("truncate", leeway);
  if (most < end.length) fail(`expected length >= ${end.length}, got ${most}`);
  if (slack < 0) fail(`expected leeway >= 0, got ${slack}`);
  if (lengthOf(value) <= most + slack) return value;
  const cut = getSlice(stringArgument("truncate", value), [NONE, most - end.length, NONE]);
  const kept = stringArgument("truncate", cut);
  const space = isTrue(killWords) ? -1 : kept.text.lastIndexOf(" ");
  return add(likewise(value, space < 0 ? kept : kept.slice(0, space)), end);
}

const UNITS = ["k", "M", "G", "T", "P", "E", "Z", "Y"];

function fileSize(value: Value, [binary = false]: readonly (Value | undefined)[]): Value {
  const bytes = toFloat(value)?.value ?? fail("filesizeformat() needs a number");
  const base = isTrue(binary) ? 1024 : 1000;
  if (bytes === 1) return string("1 Byte");
  if (bytes < base) return string(`${BigInt(Math.trunc(bytes))} Bytes`);
  const power = UNITS.findIndex((_, i) => bytes < base ** (i + 2));
  const i = power < 0 ? UNITS.length - 1 : power;
  const unit = isTrue(binary) ? `${UNITS[i]!.toUpperCase()}iB` : `${UNITS[i]}B`;
  return string(`${fixed((base * bytes) / base ** (i + 2), 1)} ${unit}`);
}

function urlEncode(value: Value): Value {
  if (value instanceof MarkedString || (!(value instanceof Dict) && !isIterable(value)))
    return quoteUrl(toText(value), "/");
  const pairs = value instanceof Dict ? value.entries() : [...iterate(value)].map((pair) => [...iterate(pair)]);
  const parts = pairs.map(([key, item, ...more]) => {
    if (key === undefined || item === undefined || more.length > 0) return fail("urlencode() needs pairs");
    return MarkedString.join([quoteUrl(toText(key), ""), quoteUrl(toText(item), "")], string("="));
  });
  return MarkedString.join(parts, string("&"));
}

function isIterable(value: Value): boolean {
  return value instanceof Sequence || value instanceof DictView || value instanceof Lazy || value instanceof Undefined;
}

function percentEncoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return fail("surrogates not allowed");
  }
}

function quoteUrl(text: MarkedString, safe: "/" | ""): MarkedString {
  return text.map((run) => {
    const quoted = percentEncoded(run).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
    return safe === "/" ? quoted.replaceAll("%2F", "/") : quoted.replaceAll("%20", "+");
  });
}

function* batches(value: Value, [lineCount, fill = NONE]: readonly (Value | undefined)[]): Generator<Value> {
  const count = numberOf(lineCount ?? NONE);
  let batch: Value[] = [];
  for (const item of iterate(value)) {
    if (batch.length === count) {
      yield list(batch);
      batch = [];
    }
    batch.push(item);
  }
  if (batch.length === 0) return;
  if (!(fill instanceof None)) {
    const wanted = integerArgument("batch", lineCount);
    checkElements(wanted);
    while (batch.length < wanted) batch.push(fill);
  }
  yield list(batch);
}

function* slices(value: Value, [sliceCount, fill = NONE]: readonly (Value | undefined)[]): Generator<Value> {
  const items = [...iterate(value)];
  const count = integerArgument("slice", sliceCount);
  if (count === 0) fail("division by zero");
  checkElements(count);
  const each = Math.floor(items.length / count);
  const longer = items.length - each * count;
  for (let i = 0, start = 0; i < count; i++) {
    const end = start + each + (i < longer ? 1 : 0);
    const slice = items.slice(start, end);
    yield list(i >= longer && !(fill instanceof None) ? [...slice, fill] : slice);
    start = end;
  }
}

function groupBy(value: Value, [attribute = NONE, fallback, sensitive = false]: readonly (Value | undefined)[]): Value {
  const key = (item: Value) => getPath(item, attribute, fallback);
  const folded = (item: Value) => (isTrue(sensitive) ? key(item) : foldCase(key(item)));
  const groups: { folded: Value; items: Value[] }[] = [];
  for (const item of sorted([...iterate(value)], folded)) {
    const group = groups.at(-1);
    if (group !== undefined && equal(group.folded, folded(item))) group.items.push(item);
    else groups.push({ folded: folded(item), items: [item] });
  }
  return list(groups.map(({ items }) => new Group(key(items[0]!), list(items))));
}

function* items(value: Value): Generator<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Dict)) fail("Can only get item pairs from a mapping.");
  else for (const [key, item] of value.entries()) yield tuple(key, item);
}

function indent(value: Value, [width = 4, indentFirst = false, blank = false]: readonly (Value | undefined)[]): Value {
  const text = stringArgument("indent", value);
  const indentation = width instanceof MarkedString ? width : string(" ".repeat(integerArgument("indent", width)));
  const lines = splitLines(MarkedString.join([text, string("\n")]));
  const indented = lines.map((line, i) => {
    const wanted = i === 0 ? isTrue(indentFirst) : isTrue(blank) || line.text !== "";
    return wanted ? MarkedString.join([indentation, line]) : line;
  });
  return likewise(value, MarkedString.join(indented, string("\n")));
}

function join(value: Value, [separator = MarkedString.empty, attribute = NONE]: readonly (Value | undefined)[]): Value {
  const strings = [...iterate(value)].map((item) => toText(getPath(item, attribute)));
  return MarkedString.join(strings, toText(separator));
}

function* map(value: Value, args: Arguments): Generator<Value> {
  if (!isTrue(value)) return;
  const [name, ...positional] = args.positional;
  if (name !== undefined) {
    const apply = filterNamed(stringArgument("map", name).text);
    for (const item of iterate(value)) yield apply(item, { positional, named: args.named });
    return;
  }
  const [attribute = NONE, fallback] = bind("map", args, ["attribute", "default?"]);
  for (const item of iterate(value)) yield getPath(item, attribute, fallback);
}

type Predicate = (item: Value) => boolean;

function predicate({ positional: [name, ...positional], named }: Arguments): Predicate {
  if (name === undefined) return isTrue;
  const test = testNamed(stringArgument("select", name).text);
  return (item) => test(item, { positional, named });
}

function attributePredicate({ positional: [attribute, ...positional], named }: Arguments): Predicate {
  if (attribute === undefined) return fail("Missing parameter for attribute name");
  const test = predicate({ positional, named });
  return (item) => test(getPath(item, attribute));
}

function* choose(value: Value, makeTest: () => Predicate, wanted: boolean): Generator<Value> {
  if (!isTrue(value)) return; // None too, which cannot be iterated over
  const test = makeTest();
  for (const item of iterate(value)) if (test(item) === wanted) yield item;
}

/** Strings without their case. */
function foldCase(value: Value): Value {
  return value instanceof MarkedString ? string(value.text.toLowerCase()) : value;
}

/** What to sort or compare by: the attribute, if one is given; case is ignored unless told otherwise. */
function sortKey(sensitive: Value = false, attribute: Value = NONE): (item: Value) => Value {
  return (item) => {
    const value = getPath(item, attribute);
    return isTrue(sensitive) ? value : foldCase(value);
  };
}

/** By one attribute or, with commas, by several. */
function sort(value: Value, [reversed, sensitive, by = NONE]: readonly (Value | undefined)[]): Value {
  const paths = by instanceof MarkedString ? by.text.split(",").map(string) : [by];
  const keys = paths.map((path) => sortKey(sensitive, path));
  return list(sorted([...iterate(value)], (item) => list(keys.map((key) => key(item))), reversed));
}

function sorted(values: readonly Value[], key: (item: Value) => Value, reversed: Value = false): readonly Value[] {
  const sign = isTrue(reversed) ? -1 : 1;
  const keyed = values.map((value) => ({ value, key: key(value) }));
  return keyed.sort((a, b) => sign * compare(a.key, b.key)).map(({ value }) => value);
}

function extreme(value: Value, sensitive: Value | undefined, attribute: Value | undefined, sign: number): Value {
  const key = sortKey(sensitive, attribute);
  let best: Value | undefined;
  for (const item of iterate(value)) if (best === undefined || sign * compare(key(item), key(best)) > 0) best = item;
  return best ?? new Undefined("No aggregated item, sequence was empty.");
}

function sum(value: Value, [attribute = NONE, start = 0]: readonly (Value | undefined)[]): Value {
  if (start instanceof MarkedString) return fail("sum() can't sum strings");
  let total: Value = start;
  for (const item of iterate(value)) total = add(total, getPath(item, attribute));
  return total;
}

function* unique(value: Value, sensitive: Value | undefined, attribute: Value | undefined): Generator<Value> {
  const key = sortKey(sensitive, attribute);
  const seen = new Dict();
  for (const item of iterate(value)) {
    if (seen.has(key(item))) continue;
    seen.set(key(item), true);
    yield item;
  }
}

function tojson(value: Value, [ascii, indentation = NONE, separators = NONE, sort]: readonly (Value | undefined)[]) {
  const indent =
    indentation instanceof None
      ? undefined
      : indentation instanceof MarkedString
        ? indentation
        : string(" ").repeat(Math.max(0, integerArgument("tojson", indentation)));
  const [item, key] =
    separators instanceof None
      ? [string(indent === undefined ? ", " : ","), string(": ")]
      : [...iterate(separators)].map((separator) => stringArgument("tojson", separator));
  return toJson(value, {
    ensureAscii: isTrue(ascii ?? false),
    indent,
    itemSeparator: item!,
    keySeparator: key!,
    sortKeys: isTrue(sort ?? false),
  });
}
