// What `.name` and `[key]` find, in the order in which Jinja2's sandbox looks: a method or an item. What is not there is Undefined,
// and so is what would change a list or dict.

import { bind, integerArgument, unnamed } from "./arguments.js";
import { equal } from "./comparisons.js";
import { MarkedString } from "./marked-string.js";
import { likewise } from "./markup.js";
import { formatFields } from "./string-format.js";
import { stringMethod } from "./string-methods.js";
import { toText } from "./strings.js";
import {
  type Arguments,
  Callable,
  Dict,
  DictView,
  fail,
  Group,
  Loop,
  list,
  Namespace,
  NONE,
  None,
  Sequence,
  string,
  tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

/** `value.name` */
export function getAttribute(value: Value, name: string): Value {
  return ownAttribute(value, name) ?? getOwnItem(value, string(name)) ?? missing(value, `has no attribute '${name}'`);
}

/** `value[key]` */
export function getItem(value: Value, key: Value): Value {
  const item = getOwnItem(value, key);
  if (item !== undefined) return item;
  if (!(key instanceof MarkedString))
    return missing(value, `has no element ${typeof key === "number" ? key : typeName(key)}`);
  return ownAttribute(value, key.text) ?? missing(value, `has no attribute '${key.text}'`);
}

/** `value[start:stop:step]` */
export function getSlice(value: Value, bounds: readonly Value[]): Value {
  if (value instanceof Undefined) fail(value.message);
  const [start, stop, step] = bounds.map((bound) => {
    if (bound instanceof None) return undefined;
    if (typeof bound === "number" || typeof bound === "boolean") return Number(bound);
    return fail("slice indices must be integers or None");
  });
  if (step === 0) fail("slice step cannot be zero");
  if (value instanceof MarkedString) {
    const offsets = value.offsets();
    const unit = (index: number) => offsets?.[index] ?? index;
    const length = offsets === undefined ? value.text.length : offsets.length - 1;
    const indexes = sliceIndexes(length, start, stop, step);
    if (indexes.length === 0) return likewise(value, MarkedString.empty);
    if (step === undefined || step === 1) {
      return likewise(value, value.slice(unit(indexes[0]!), unit(indexes[indexes.length - 1]! + 1)));
    }
    return likewise(value, MarkedString.join(indexes.map((index) => value.slice(unit(index), unit(index + 1)))));
  }
  if (value instanceof Sequence) {
    return new Sequence(
      value.kind,
      sliceIndexes(value.items.length, start, stop, step).map((index) => value.items[index]!),
    );
  }
  return fail(`'${typeName(value)}' object cannot be sliced`);
}

/**
 * By `.`-separated names and numbers, as the filters map, sort and selectattr look things up.
 *
 * @param fallback What stands for each step that is not there; None for nothing
 */
export function getPath(value: Value, path: Value, fallback: Value = NONE): Value {
  if (path instanceof None) return value;
  const parts = path instanceof MarkedString ? path.text.split(".") : [path];
  let found = value;
  for (const part of parts) {
    found = getItem(found, typeof part !== "string" ? part : /^\d+$/.test(part) ? Number(part) : string(part));
    if (found instanceof Undefined && !(fallback instanceof None)) found = fallback;
  }
  return found;
}

/** As the filter attr looks up a name: only what an object has, not what a dict holds. */
export function getOwnAttribute(value: Value, name: string): Value {
  return ownAttribute(value, name) ?? missing(value, `has no attribute '${name}'`);
}

function missing(value: Value, what: string): Undefined {
  if (value instanceof Undefined) return fail(value.message);
  return new Undefined(`'${value instanceof None ? "None" : `${typeName(value)} object`}' ${what}`);
}

function getOwnItem(value: Value, key: Value): Value | undefined {
  if (value instanceof Undefined) return fail(value.message);
  if (value instanceof Dict) {
    return isHashable(key) ? value.get(key) : undefined;
  }
  if (typeof key !== "number" && typeof key !== "boolean") return undefined;
  if (value instanceof Sequence) return value.items.at(Number(key));
  if (!(value instanceof MarkedString)) return undefined;
  const { length } = value;
  const index = Number(key) < 0 ? length + Number(key) : Number(key);
  return index < 0 || index >= length ? undefined : getSlice(value, [index, index + 1, NONE]);
}

function isHashable(key: Value): boolean {
  if (key instanceof Sequence) return key.kind !== "list" && key.items.every(isHashable);
  return !(key instanceof Dict || key instanceof DictView);
}

function ownAttribute(value: Value, name: string): Value | undefined {
  if (value instanceof Namespace || value instanceof Callable) return value.attributes?.get(name);
  if (value instanceof Loop) return name === "changed" ? loopChanged(value) : value.get(name);
  if (value instanceof Group && name === "grouper") return value.grouper;
  if (value instanceof Group && name === "list") return value.list;
  if (value instanceof MarkedString) {
    if (name === "format") return new Callable(name, (args) => formatFields(value, args, fieldPart));
    if (name === "format_map") {
      return new Callable(name, (args) => {
        const [mapping = NONE] = bind(name, args, ["mapping"]);
        if (!(mapping instanceof Dict)) return fail(`'${typeName(mapping)}' object is not a mapping`);
        const named = new Map(mapping.entries().map(([key, item]) => [toText(key).text, item] as const));
        return formatFields(value, { positional: [], named }, fieldPart);
      });
    }
    const method = stringMethod(name);
    return method && new Callable(name, (args) => method(value, args));
  }
  if (value instanceof Dict) {
    if (dictChanges.has(name)) return unsafe(name, "dict");
    const method = dictMethods.get(name);
    return method && new Callable(name, (args) => method(value, args));
  }
  if (value instanceof Sequence) {
    if (value.kind === "list" && listChanges.has(name)) return unsafe(name, "list");
    const method = sequenceMethods.get(name);
    return method && new Callable(name, (args) => method(value, args));
  }
  return undefined;
}

/** `loop.changed(...)`: whether it is called with other values than the last time. */
function loopChanged(loop: Loop): Callable {
  return new Callable("changed", ({ positional }) => {
    const values = tuple(...positional);
    const same = loop.lastValues !== undefined && equal(loop.lastValues, values);
    loop.lastValues = values;
    return !same;
  });
}

/** What a field of str.format finds. */
function fieldPart(value: Value, key: Value, isAttribute: boolean): Value {
  if (isAttribute && key instanceof MarkedString) return getAttribute(value, key.text);
  return getOwnItem(value, key) ?? fail(`'${typeName(value)}' object has no such item`);
}

function unsafe(name: string, type: string): Undefined {
  return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe`);
}

const dictChanges = new Set(["clear", "pop", "popitem", "setdefault", "update"]);
const listChanges = new Set(["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"]);

const dictMethods = new Map<string, (self: Dict, args: Arguments) => Value>([
  [
    "get",
    (self, args) => {
      const [key = NONE, fallback = NONE] = bind("get", unnamed("get", args), ["key", "default?"]);
      return self.get(key) ?? fallback;
    },
  ],
  ["items", (self, args) => view(self, args, "dict_items", (key, value) => tuple(key, value))],
  ["keys", (self, args) => view(self, args, "dict_keys", (key) => key)],
  ["values", (self, args) => view(self, args, "dict_values", (_, value) => value)],
  [
    "copy",
    (self, args) => {
      bind("copy", args, []);
      return new Dict(self.entries());
    },
  ],
]);

const sequenceMethods = new Map<string, (self: Sequence, args: Arguments) => Value>([
  [
    "count",
    (self, args) => {
      const [item = NONE] = bind("count", args, ["value"]);
      return self.items.filter((other) => equal(other, item)).length;
    },
  ],
  [
    "index",
    (self, args) => {
      const [item = NONE, from = 0, to = self.items.length] = bind("index", args, ["value", "start?", "stop?"]);
      const [start = 0] = sliceIndexes(self.items.length, integerArgument("index", from), integerArgument("index", to));
      const [stop = 0] = sliceIndexes(
        self.items.length,
        integerArgument("index", from),
        integerArgument("index", to),
      ).slice(-1);
      const index = self.items.findIndex((other, i) => i >= start && i <= stop && equal(other, item));
      return index < 0 ? fail("the value is not in the list") : index;
    },
  ],
  [
    "copy",
    (self, args) => {
      bind("copy", args, []);
      return list(self.items);
    },
  ],
]);

function view(
  self: Dict,
  args: Arguments,
  kind: DictView["kind"],
  item: (key: Value, value: Value) => Value,
): DictView {
  bind(kind, args, []);
  return new DictView(
    kind,
    self.entries().map(([key, value]) => item(key, value)),
  );
}

/** The indexes that Python's slice stands for. */
function sliceIndexes(
  length: number,
  start: number | undefined,
  stop: number | undefined,
  step = 1,
): readonly number[] {
  const [first, last] = step > 0 ? [0, length] : [-1, length - 1];
  const clamp = (bound: number) => Math.min(Math.max(bound < 0 ? bound + length : bound, first), last);
  const from = start === undefined ? (step > 0 ? first : last) : clamp(start);
  const to = stop === undefined ? (step > 0 ? last : first) : clamp(stop);
  const indexes: number[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) indexes.push(i);
  return indexes;
}
