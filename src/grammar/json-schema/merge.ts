// Several schemas that must all hold (allOf, anyOf beside other keywords, $ref beside others) as one schema, keyword by keyword.

import {
  asSchema,
  asSchemas,
  invalid,
  isEqual,
  type JsonSchema,
  keywordsOfType,
  namedTypes,
  type Places,
  propertiesOf,
  requiredOf,
  restOf,
  type SchemaObject,
  unsupported,
} from "./schema.js";

/** How deep merged schemas may lead to others that must be merged: recursion never ends. */
const DEEPEST = 64;
/** anyOf in several schemas: the most combinations. */
const MOST_COMBINATIONS = 256;

/** What merging needs to know of the whole schema. */
export interface MergeContext {
  readonly places: Places;
  /** The schema without what says nothing and with its $ref followed. */
  readonly resolved: (schema: JsonSchema) => JsonSchema;
}

/**
 * A schema that holds where both hold.
 *
 * @throws UnsupportedError UNSUPPORTED_SCHEMA for keywords that cannot be put together
 */
export function merge(left: JsonSchema, right: JsonSchema, context: MergeContext, depth = 0): JsonSchema {
  const a = context.resolved(left);
  const b = context.resolved(right);
  if (a === false || b === false) return false;
  if (a === true) return b;
  if (b === true) return a;
  const pointer = context.places.of(b);
  if (depth > DEEPEST) throw unsupported(pointer, "allOf", "schemas that lead back to themselves cannot be merged");
  const both = (one: JsonSchema, other: JsonSchema) => merge(one, other, context, depth + 1);
  const merged: Record<string, unknown> = { ...a };
  for (const [keyword, value] of Object.entries(b)) {
    merged[keyword] = keyword in a ? together(keyword, a[keyword], value, pointer) : value;
  }
  mergeTypes(merged, a, b, pointer);
  mergeObjects(merged, a, b, both, pointer);
  mergeArrays(merged, a, b, both, pointer);
  if ("anyOf" in a && "anyOf" in b) {
    const [one, other] = [asSchemas(a["anyOf"], pointer), asSchemas(b["anyOf"], pointer)];
    if (one.length * other.length > MOST_COMBINATIONS) {
      throw unsupported(pointer, "anyOf", `${one.length} and ${other.length} alternatives are too many to combine`);
    }
    merged["anyOf"] = one.flatMap((first) => other.map((second) => ({ allOf: [first, second] })));
  }
  return context.places.copy(b, merged);
}

const larger = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
const smaller = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/** These are put together by what they are about, after all others. */
const apart = new Set<string>([
  "type",
  "nullable",
  "enum",
  "const",
  "anyOf",
  ...keywordsOfType.array,
  ...keywordsOfType.object,
]);

function together(keyword: string, a: unknown, b: unknown, pointer: string): unknown {
  if (typeof a === "number" && typeof b === "number") {
    if (larger.includes(keyword)) return Math.max(a, b);
    if (smaller.includes(keyword)) return Math.min(a, b);
  }
  if (keyword === "allOf") return [...(a as unknown[]), ...(b as unknown[])];
  if (apart.has(keyword) || isEqual(a, b)) return b;
  throw unsupported(pointer, keyword, "two different ones cannot be merged");
}

function mergeTypes(merged: Record<string, unknown>, a: SchemaObject, b: SchemaObject, pointer: string): void {
  const one = namedTypes(a, pointer);
  const other = namedTypes(b, pointer);
  if (one !== undefined && other !== undefined) {
    const integer = one.includes("integer") || other.includes("integer");
    const has = (list: readonly string[], type: string) =>
      list.includes(type) ||
      (type === "integer" && list.includes("number")) ||
      (integer && type === "number" && list.includes("integer"));
    const common = one
      .filter((type) => has(other, type))
      .map((type) => (type === "number" && integer && !other.includes("number") ? "integer" : type));
    merged["type"] = common;
    delete merged["nullable"];
  }
  for (const values of [a["enum"], b["enum"]]) {
    if (values !== undefined && !Array.isArray(values)) throw invalid(pointer, "enum must be an array");
  }
  if ("enum" in a && "enum" in b) {
    const others = b["enum"] as unknown[];
    merged["enum"] = (a["enum"] as unknown[]).filter((value) => others.some((item) => isEqual(value, item)));
  }
  if ("const" in a && "const" in b && !isEqual(a["const"], b["const"])) merged["enum"] = [];
}

type Both = (one: JsonSchema, other: JsonSchema) => JsonSchema;

/** A property that one side does not name is what that side says of additional ones. */
function mergeObjects(
  merged: Record<string, unknown>,
  a: SchemaObject,
  b: SchemaObject,
  both: Both,
  pointer: string,
): void {
  const [one, other] = [propertiesOf(a, pointer), propertiesOf(b, pointer)];
  const [oneRest, otherRest] = [restOf(a, pointer), restOf(b, pointer)];
  const properties = new Map<string, JsonSchema>();
  for (const name of new Set([...one.keys(), ...other.keys()])) {
    properties.set(name, both(one.get(name) ?? oneRest, other.get(name) ?? otherRest));
  }
  if (properties.size > 0) merged["properties"] = Object.fromEntries(properties);
  const required = new Set([...requiredOf(a, pointer), ...requiredOf(b, pointer)]);
  if (required.size > 0) merged["required"] = [...required];
  if ("additionalProperties" in a && "additionalProperties" in b)
    merged["additionalProperties"] = both(oneRest, otherRest);
}

function mergeArrays(
  merged: Record<string, unknown>,
  a: SchemaObject,
  b: SchemaObject,
  both: Both,
  pointer: string,
): void {
  const prefixes = [a, b].map((side) => asSchemas(side["prefixItems"] ?? [], `${pointer}/prefixItems`));
  const rests = [a, b].map((side) => asSchema(side["items"] ?? true, `${pointer}/items`));
  const length = Math.max(...prefixes.map((prefix) => prefix.length));
  if (length > 0) {
    merged["prefixItems"] = Array.from({ length }, (_, i) =>
      both(prefixes[0]![i] ?? rests[0]!, prefixes[1]![i] ?? rests[1]!),
    );
  }
  if ("items" in a && "items" in b) merged["items"] = both(rests[0]!, rests[1]!);
  if (a["uniqueItems"] === true || b["uniqueItems"] === true) merged["uniqueItems"] = true;
}
