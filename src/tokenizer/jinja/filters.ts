// The filters: what comes after `|`.

import { bind, integerArgument, stringArgument } from "./arguments.js";
import { getPath } from "./attributes.js";
import { compare } from "./comparisons.js";
import { MarkedString } from "./marked-string.js";
import { escapeHtml, Markup } from "./markup.js";
import { add } from "./operators.js";
import { capitalize, eachMatch, replace, splitLines, strip } from "./string-methods.js";
import { toJson, toText } from "./strings.js";
import { testNamed } from "./tests.js";
import {
  type Arguments,
  Dict,
  Float,
  fail,
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

/** The filter with this name. */
export function filterNamed(name: string): Filter {
  return filters.get(name) ?? fail(`No filter named '${name}'; supported are ${[...filters.keys()].join(", ")}`);
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
  filter("capitalize", [], (value) => capitalize(toText(value))),
  filter("count", [], lengthOf),
  filter("d", ["default_value?", "boolean?"], defaultValue),
  filter("default", ["default_value?", "boolean?"], defaultValue),
  filter("dictsort", ["case_sensitive?", "by?", "reverse?"], dictSort),
  filter("e", [], (value) => escapeHtml(toText(value))),
  filter("escape", [], (value) => escapeHtml(toText(value))),
  filter("first", [], first),
  filter("float", ["default?"], (value, [fallback = new Float(0)]) => toFloat(value) ?? fallback),
  filter("indent", ["width?", "first?", "blank?"], indent),
  filter("int", ["default?"], (value, [fallback = 0]) => toInteger(value) ?? fallback),
  filter("items", [], (value) => new Lazy(items(value))),
  filter("join", ["d?", "attribute?"], join),
  filter("last", [], last),
  filter("length", [], lengthOf),
  filter("list", [], (value) => list(iterate(value))),
  filter("lower", [], (value) => toText(value).map((run) => run.toLowerCase())),
  ["map", (value, args) => new Lazy(map(value, args))],
  filter("max", ["case_sensitive?", "attribute?"], (value, [sensitive, by]) => extreme(value, sensitive, by, 1)),
  filter("min", ["case_sensitive?", "attribute?"], (value, [sensitive, by]) => extreme(value, sensitive, by, -1)),
  ["reject", (value, args) => new Lazy(choose(value, () => predicate(args), false))],
  ["rejectattr", (value, args) => new Lazy(choose(value, () => attributePredicate(args), false))],
  filter("replace", ["old", "new", "count?"], (value, [old, replacement, count]) =>
    replace(toText(value), toText(old ?? NONE), toText(replacement ?? NONE), count),
  ),
  filter("reverse", [], reverse),
  filter("safe", [], (value) => new Markup(toText(value))),
  ["select", (value, args) => new Lazy(choose(value, () => predicate(args), true))],
  ["selectattr", (value, args) => new Lazy(choose(value, () => attributePredicate(args), true))],
  filter("sort", ["reverse?", "case_sensitive?", "attribute?"], (value, [reversed, sensitive, by]) =>
    list(sorted([...iterate(value)], sortKey(sensitive, by), reversed)),
  ),
  filter("string", [], toText),
  filter("sum", ["attribute?", "start?"], sum),
  filter("title", [], (value) => eachMatch(toText(value), /[^-\s({[<]+/gu, capitalize)),
  filter("tojson", ["ensure_ascii?", "indent?", "separators?", "sort_keys?"], tojson),
  filter("trim", ["chars?"], (value, [chars]) => strip(toText(value), chars, true, true)),
  filter(
    "unique",
    ["case_sensitive?", "attribute?"],
    (value, [sensitive, by]) => new Lazy(unique(value, sensitive, by)),
  ),
  filter("upper", [], (value) => toText(value).map((run) => run.toUpperCase())),
]);

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
  return value instanceof MarkedString ? MarkedString.join(items.map(toText)) : new Lazy(items.values());
}

function toFloat(value: Value): Float | undefined {
  const number = numberOf(value);
  if (number !== undefined) return new Float(number);
  if (value instanceof Undefined) return fail(value.message);
  if (!(value instanceof MarkedString)) return undefined;
  const text = value.text.trim().replace(/(?<=\d)_(?=\d)/g, "");
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return new Float(Number(text));
  return undefined;
}

function toInteger(value: Value): number | undefined {
  if (value instanceof MarkedString && /^\s*[+-]?\d+(_\d+)*\s*$/.test(value.text)) {
    return Number(value.text.replaceAll("_", ""));
  }
  const float = toFloat(value);
  return float === undefined || !Number.isFinite(float.value) ? undefined : Math.trunc(float.value);
}

function* items(value: Value): Generator<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Dict)) fail("Can only get item pairs from a mapping.");
  else for (const [key, item] of value.entries()) yield tuple(key, item);
}

function indent(value: Value, [width = 4, indentFirst = false, blank = false]: readonly (Value | undefined)[]): Value {
  const text = toText(value);
  const indentation = width instanceof MarkedString ? width : string(" ".repeat(integerArgument("indent", width)));
  const lines = splitLines(MarkedString.join([text, string("\n")]));
  const indented = lines.map((line, i) => {
    const wanted = i === 0 ? isTrue(indentFirst) : isTrue(blank) || line.text !== "";
    return wanted ? MarkedString.join([indentation, line]) : line;
  });
  return MarkedString.join(indented, string("\n"));
}

function join(value: Value, [separator = MarkedString.empty, attribute = NONE]: readonly (Value | undefined)[]): Value {
  const strings = [...iterate(value)].map((item) =>
    toText(attribute instanceof None ? item : getPath(item, attribute)),
  );
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
  for (const item of iterate(value)) {
    const found = getPath(item, attribute);
    yield found instanceof Undefined && fallback !== undefined ? fallback : found;
  }
}

type Predicate = (item: Value) => boolean;

function predicate({ positional: [name, argument = NONE] }: Arguments): Predicate {
  if (name === undefined) return isTrue;
  const test = testNamed(stringArgument("select", name).text);
  return (item) => test(item, argument);
}

function attributePredicate({ positional: [attribute = NONE, ...positional] }: Arguments): Predicate {
  const test = predicate({ positional, named: new Map() });
  return (item) => test(getPath(item, attribute));
}

function* choose(value: Value, makeTest: () => Predicate, wanted: boolean): Generator<Value> {
  if (!isTrue(value)) return; // None too, which cannot be iterated over
  const test = makeTest();
  for (const item of iterate(value)) if (test(item) === wanted) yield item;
}

/** What to sort or compare by: the attribute, if one is given; case is ignored unless told otherwise. */
function sortKey(sensitive: Value = false, attribute: Value = NONE): (item: Value) => Value {
  return (item) => {
    const value = attribute instanceof None ? item : getPath(item, attribute);
    return value instanceof MarkedString && !isTrue(sensitive) ? string(value.text.toLowerCase()) : value;
  };
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
  let total = start;
  for (const item of iterate(value)) total = add(total, attribute instanceof None ? item : getPath(item, attribute));
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
