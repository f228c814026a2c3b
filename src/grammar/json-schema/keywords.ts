// What the keywords of a schema say, checked: types, values, texts, counts.

import { checkPattern } from "./pattern.js";
import {
  asNames,
  asSchema,
  invalid,
  type JsonSchema,
  type JsonType,
  jsonTypes,
  type SchemaObject,
  unsupported,
} from "./schema.js";
import { valueMap } from "./shape.js";

/** Schemas in one allOf or oneOf: each is put together with all others. */
const MOST_PARTS = 512;

/** The types that a schema names; undefined: it names none. */
export function namedTypes(schema: SchemaObject, pointer: string): (JsonType | "integer")[] | undefined {
  const { type, nullable } = schema;
  if (type === undefined) return undefined;
  const list: unknown[] = Array.isArray(type) ? type : [type];
  for (const name of list) {
    if (name !== "integer" && !jsonTypes.includes(name as JsonType)) {
      throw invalid(pointer, `${JSON.stringify(name)} is not a type; types are ${jsonTypes.join(", ")}, integer`);
    }
  }
  const types = new Set(list as (JsonType | "integer")[]);
  if (nullable === true) types.add("null");
  return [...types];
}

/** The values that `enum` and `const` leave; undefined: there is neither. */
export function listedValues(schema: SchemaObject, pointer: string): unknown[] | undefined {
  const lists: unknown[][] = [];
  if (schema["enum"] !== undefined) {
    if (!Array.isArray(schema["enum"])) throw invalid(pointer, "enum must be an array");
    lists.push(schema["enum"]);
  }
  if ("const" in schema) lists.push([schema["const"]]);
  if (lists.length < 2) return lists[0];
  const second = valueMap(lists[1]!);
  return [...valueMap(lists[0]!)].filter(([text]) => second.has(text)).map(([, value]) => value);
}

export function textsOf(schema: SchemaObject, keyword: string, pointer: string): readonly string[] {
  const value = schema[keyword];
  if (value === undefined) return [];
  if (typeof value !== "string") throw invalid(pointer, `${keyword} must be a string`);
  return [value];
}

export function patternsOf(schema: SchemaObject, pointer: string): readonly string[] {
  const patterns = textsOf(schema, "pattern", pointer);
  for (const pattern of patterns) checkPattern(pattern, pointer);
  return patterns;
}

export function multiplesOf({ multipleOf }: SchemaObject, pointer: string): readonly number[] {
  if (multipleOf === undefined) return [];
  if (typeof multipleOf === "number" && multipleOf > 0 && Number.isFinite(multipleOf)) return [multipleOf];
  throw invalid(pointer, `multipleOf must be a number above 0; it is ${JSON.stringify(multipleOf)}`);
}

/** What the presence of a property asks for: other properties, or a schema. */
export function dependenciesOf(
  said: SchemaObject,
  pointer: string,
): readonly (readonly [name: string, rule: JsonSchema | readonly string[]])[] {
  return ["dependentRequired", "dependentSchemas", "dependencies"].flatMap((keyword) => {
    const rules = said[keyword] ?? {};
    if (typeof rules !== "object" || Array.isArray(rules)) throw invalid(pointer, `${keyword} must be an object`);
    return Object.entries(rules).map(([name, rule]) => {
      const place = `${pointer}/${keyword}/${name}`;
      if (keyword === "dependentRequired" || Array.isArray(rule)) return [name, asNames(rule, keyword, place)] as const;
      return [name, asSchema(rule, place)] as const;
    });
  });
}

export function refuseMany(parts: readonly unknown[], keyword: string, pointer: string): void {
  if (parts.length > MOST_PARTS) throw unsupported(pointer, keyword, `at most ${MOST_PARTS} schemas are supported`);
}
