// What a schema says of values, without `$ref`, `allOf`, `anyOf` and the like: one shape for each alternative. All that a shape says holds
// at once. Parts of a value (items, properties) have nodes: the schemas that they must, and must not, be valid by.

import { canonical } from "../canonical-json.js";
import { type JsonType, jsonTypes, type SchemaObject, typeOf } from "./schema.js";

/** What a part of a value must be: valid by all of the first schemas, and by none of the second. */
export interface Node {
  /** Nodes of the same schemas are the same object. */
  readonly all: readonly SchemaObject[];
  readonly none: readonly SchemaObject[];
}

/** What one schema object says of properties: those that it names, those that match a pattern, and all others. */
export interface Layer {
  readonly properties: ReadonlyMap<string, Node>;
  readonly patterns: ReadonlyMap<string, Node>;
  /** undefined: it does not say. */
  readonly more: Node | undefined;
  /** Whether it comes from a schema that must not hold: `unevaluatedProperties` does not count it. */
  readonly negative?: boolean;
}

/** A bound of numbers. */
export interface Bound {
  readonly value: number;
  /** The bound itself is out of bounds. */
  readonly exclusive: boolean;
}

export interface NumberShape {
  readonly low?: Bound | undefined;
  readonly high?: Bound | undefined;
  /** Which numbers: all, integers only, or all but those. */
  readonly kind: "any" | "integer" | "fraction";
  readonly multiples: readonly number[];
}

export interface StringShape {
  readonly least: number;
  readonly most: number;
  readonly patterns: readonly string[];
  /** Patterns that must not match. */
  readonly excluded: readonly string[];
  readonly formats: readonly string[];
}

export interface ArrayShape {
  readonly prefix: readonly Node[];
  /** Of the items after the prefix. undefined: nothing is said of them. */
  readonly items: Node | undefined;
  readonly least: number;
  readonly most: number;
  readonly unique: boolean;
  /** Items that there must be `least` to `most` of. */
  readonly contains: readonly { readonly node: Node; readonly least: number; readonly most: number }[];
  /** How many items, from the first on, schemas speak of that hold: what `unevaluatedItems` leaves. */
  readonly evaluated: number;
}

export interface ObjectShape {
  readonly layers: readonly Layer[];
  readonly required: ReadonlySet<string>;
  readonly least: number;
  readonly most: number;
  /** What the names must be. */
  readonly names: readonly Node[];
  /** Lists of names, of each of which there must be a property that it does not have. */
  readonly outside: readonly ReadonlySet<string>[];
}

export interface Shape {
  /** The place of a schema that it comes from. */
  readonly pointer: string;
  /** undefined: no type is named. */
  readonly types: ReadonlySet<JsonType> | undefined;
  /** The types that its keywords speak of. */
  readonly spoken: ReadonlySet<JsonType>;
  /** The values that are left, by their canonical JSON. undefined: they are not listed. */
  readonly values: ReadonlyMap<string, unknown> | undefined;
  readonly excluded: ReadonlyMap<string, unknown>;
  readonly number: NumberShape;
  readonly string: StringShape;
  readonly array: ArrayShape;
  readonly object: ObjectShape;
}

/** The shape that says nothing. */
export const anything: Omit<Shape, "pointer"> = {
  types: undefined,
  spoken: new Set(),
  values: undefined,
  excluded: new Map(),
  number: { kind: "any", multiples: [] },
  string: { least: 0, most: Number.POSITIVE_INFINITY, patterns: [], excluded: [], formats: [] },
  array: {
    prefix: [],
    items: undefined,
    least: 0,
    most: Number.POSITIVE_INFINITY,
    unique: false,
    contains: [],
    evaluated: 0,
  },
  object: { layers: [], required: new Set(), least: 0, most: Number.POSITIVE_INFINITY, names: [], outside: [] },
};

/**
 * What two shapes say together; undefined: no value is left.
 * @param meet the node of what two nodes say
 */
export function together(a: Shape, b: Shape, meet: (one: Node, other: Node) => Node): Shape | undefined {
  if (saysNothing(a) && isWhole(b))
    return a.pointer === "#" || a.pointer === b.pointer ? b : { ...b, pointer: a.pointer };
  const types = intersection(a.types, b.types);
  const excluded = a.excluded.size === 0 ? b.excluded : new Map([...a.excluded, ...b.excluded]);
  let values = a.values ?? b.values;
  if (a.values !== undefined && b.values !== undefined) {
    const other = b.values;
    values = new Map([...a.values].filter(([text]) => other.has(text)));
  }
  if (values !== undefined) {
    const left = [...values].filter(
      ([text, value]) => !excluded.has(text) && (types === undefined || types.has(typeOf(value))),
    );
    values = new Map(left);
  }
  const number = joined("number", a, b, numbersTogether);
  const left = number === undefined ? without(types, "number") : types;
  if (left?.size === 0 || values?.size === 0) return undefined;
  return {
    pointer: a.pointer === "#" ? b.pointer : a.pointer,
    types: left,
    spoken: a.spoken.size === 0 ? b.spoken : b.spoken.size === 0 ? a.spoken : new Set([...a.spoken, ...b.spoken]),
    values,
    excluded,
    number: number ?? anything.number,
    string: joined("string", a, b, stringsTogether),
    array: joined("array", a, b, (one, other) => arraysTogether(one, other, meet)),
    object: joined("object", a, b, objectsTogether),
  };
}

/** Whether all values fit. Most schemas are put together with nothing else. */
function saysNothing({ types, spoken, values, excluded, number, string, array, object }: Shape): boolean {
  return (
    types === undefined &&
    values === undefined &&
    spoken.size === 0 &&
    excluded.size === 0 &&
    number === anything.number &&
    string === anything.string &&
    array === anything.array &&
    object === anything.object
  );
}

/** Whether there is a type, and no listed value that could be one of others. */
function isWhole({ types, values, excluded }: Shape): boolean {
  if (types?.size === 0) return false;
  return values === undefined || (types === undefined && excluded.size === 0 && values.size > 0);
}

/** One part of two shapes. Most shapes say nothing of most parts. */
function joined<Part extends "number" | "string" | "array" | "object", Result>(
  part: Part,
  a: Shape,
  b: Shape,
  both: (a: Shape[Part], b: Shape[Part]) => Result,
): Result | Shape[Part] {
  if (a[part] === anything[part]) return b[part];
  return b[part] === anything[part] ? a[part] : both(a[part], b[part]);
}

function stringsTogether(a: StringShape, b: StringShape): StringShape {
  return {
    ...counts(a, b),
    patterns: union(a.patterns, b.patterns),
    excluded: union(a.excluded, b.excluded),
    formats: union(a.formats, b.formats),
  };
}

function objectsTogether(a: ObjectShape, b: ObjectShape): ObjectShape {
  return {
    ...counts(a, b),
    layers: union(a.layers, b.layers),
    required: new Set([...a.required, ...b.required]),
    names: union(a.names, b.names),
    outside: [...a.outside, ...b.outside],
  };
}

/** All types but one. */
export function without(types: ReadonlySet<JsonType> | undefined, type: JsonType): ReadonlySet<JsonType> {
  return new Set([...(types ?? jsonTypes)].filter((one) => one !== type));
}

/** The types of the values of a shape. Where none is named, those that its keywords speak of are meant, or all. */
export function typesMeant({ types, spoken, values }: Shape): readonly JsonType[] {
  if (types !== undefined) return [...types];
  return values === undefined && spoken.size > 0 ? [...spoken] : jsonTypes;
}

/** Values by their canonical JSON. */
export function valueMap(values: readonly unknown[]): Map<string, unknown> {
  return new Map(values.map((value) => [canonical(value), value]));
}

/** Whether a shape does no more than list values. */
export function onlyLists({ values, types, spoken, excluded }: Shape): boolean {
  return values !== undefined && types === undefined && spoken.size === 0 && excluded.size === 0;
}

function intersection(a: ReadonlySet<JsonType> | undefined, b: ReadonlySet<JsonType> | undefined) {
  if (a === undefined || b === undefined) return a ?? b;
  return new Set([...a].filter((type) => b.has(type)));
}

function union<Item>(a: readonly Item[], b: readonly Item[]): readonly Item[] {
  return a.length === 0 ? b : b.length === 0 ? a : [...new Set([...a, ...b])];
}

function counts(
  a: { readonly least: number; readonly most: number },
  b: { readonly least: number; readonly most: number },
) {
  return { least: Math.max(a.least, b.least), most: Math.min(a.most, b.most) };
}

/** undefined: no number is left. */
function numbersTogether(a: NumberShape, b: NumberShape): NumberShape | undefined {
  const kind = a.kind === "any" ? b.kind : a.kind;
  if (b.kind !== "any" && b.kind !== kind) return undefined;
  return {
    low: stricter(a.low, b.low, (one, other) => one > other),
    high: stricter(a.high, b.high, (one, other) => one < other),
    kind,
    multiples: union(a.multiples, b.multiples),
  };
}

export function stricter(
  a: Bound | undefined,
  b: Bound | undefined,
  isStricter: (one: number, other: number) => boolean,
): Bound | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.value === b.value) return a.exclusive ? a : b;
  return isStricter(a.value, b.value) ? a : b;
}

function arraysTogether(a: ArrayShape, b: ArrayShape, meet: (one: Node, other: Node) => Node): ArrayShape {
  const both = (one: Node | undefined, other: Node | undefined) =>
    one === undefined || other === undefined ? (one ?? other) : meet(one, other);
  // A place that one side does not name is what that side says of all others.
  const length = Math.max(a.prefix.length, b.prefix.length);
  const prefix = Array.from({ length }, (_, i) => both(a.prefix[i] ?? a.items, b.prefix[i] ?? b.items));
  return {
    ...counts(a, b),
    prefix: prefix.map((node) => node ?? { all: [], none: [] }),
    items: both(a.items, b.items),
    unique: a.unique || b.unique,
    contains: union(a.contains, b.contains),
    evaluated: Math.max(a.evaluated, b.evaluated),
  };
}
