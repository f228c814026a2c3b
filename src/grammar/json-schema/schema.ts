// What a JSON schema is made of, how a place in it is named, and what is refused. Keywords are those of draft 2020-12, and what earlier
// drafts and OpenAPI wrote for them.

import { GrammarError, UnsupportedError } from "../../errors.js";

/** A JSON Schema: true (anything), false (nothing), or an object of keywords. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

export type SchemaObject = Exclude<JsonSchema, boolean>;

export type JsonType = "null" | "boolean" | "integer" | "number" | "string" | "array" | "object";

/** All types; an integer is a number. */
export const jsonTypes: readonly JsonType[] = ["null", "boolean", "number", "string", "array", "object"];

/** Keywords that say something about a value of one type only. */
export const keywordsOfType = {
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  string: ["minLength", "maxLength", "pattern", "format"],
  array: ["items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"],
  object: ["properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"],
} as const;

/** Keywords that say nothing about which values are valid. */
const annotations = [
  ...["title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly"],
  ...["$schema", "$id", "id", "$comment", "$defs", "definitions", "contentMediaType", "contentEncoding"],
];

const known = new Set<string>([
  ...["type", "nullable", "enum", "const", "$ref", "allOf", "anyOf", "oneOf"],
  ...Object.values(keywordsOfType).flat(),
]);

/** A place in a schema, as a JSON pointer: where what is refused can be found. */
export class Places {
  readonly #pointers = new WeakMap<object, string>();

  constructor(schema: unknown) {
    this.#note(schema, "#", 0);
  }

  of(schema: unknown): string {
    return (typeof schema === "object" && schema !== null && this.#pointers.get(schema)) || "#";
  }

  /** `made` was made of `source` and is found at its place. */
  copy(source: unknown, made: SchemaObject): SchemaObject {
    this.#pointers.set(made, this.of(source));
    return made;
  }

  #note(part: unknown, pointer: string, depth: number): void {
    if (typeof part !== "object" || part === null || this.#pointers.has(part)) return;
    if (depth > DEEPEST) throw invalid(pointer, `it is more than ${DEEPEST} levels deep`);
    this.#pointers.set(part, pointer);
    for (const [key, value] of Object.entries(part)) {
      this.#note(value, `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`, depth + 1);
    }
  }
}

/** Levels of a schema's own text. */
const DEEPEST = 200;

/** The keywords of a schema that say which values are valid. @throws UnsupportedError UNSUPPORTED_SCHEMA for one that is not known */
export function assertionsOf(schema: SchemaObject, pointer: string): SchemaObject {
  const entries = Object.entries(schema).filter(
    ([keyword, value]) => value !== undefined && !annotations.includes(keyword) && !keyword.startsWith("x-"),
  );
  for (const [keyword] of entries) {
    if (!known.has(keyword)) throw unsupported(pointer, keyword, `supported are ${[...known].join(", ")}`);
  }
  return Object.fromEntries(entries);
}

export function unsupported(pointer: string, keyword: string, why: string): UnsupportedError {
  return new UnsupportedError("UNSUPPORTED_SCHEMA", `"${keyword}" at ${pointer} is not supported: ${why}`);
}

export function invalid(pointer: string, problem: string): GrammarError {
  return new GrammarError("SCHEMA_INVALID", `the JSON schema is not valid at ${pointer}: ${problem}`);
}

/** A schema among a schema's values. @throws GrammarError SCHEMA_INVALID */
export function asSchema(value: unknown, pointer: string): JsonSchema {
  if (typeof value === "boolean") return value;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as SchemaObject;
  throw invalid(pointer, `expected a schema, found ${JSON.stringify(value)}`);
}

export function asSchemas(value: unknown, pointer: string): JsonSchema[] {
  if (!Array.isArray(value)) throw invalid(pointer, "expected an array of schemas");
  return value.map((item, i) => asSchema(item, `${pointer}/${i}`));
}

/** The properties that an object schema names. @throws GrammarError SCHEMA_INVALID */
export function propertiesOf(schema: SchemaObject, pointer: string): ReadonlyMap<string, JsonSchema> {
  const properties = schema["properties"] ?? {};
  if (typeof properties !== "object" || Array.isArray(properties)) {
    throw invalid(pointer, "properties must be an object");
  }
  return new Map(
    Object.entries(properties).map(([name, value]) => [name, asSchema(value, `${pointer}/properties/${name}`)]),
  );
}

/** What an object schema says of the properties that it does not name. @throws GrammarError SCHEMA_INVALID */
export function restOf(schema: SchemaObject, pointer: string): JsonSchema {
  return asSchema(schema["additionalProperties"] ?? true, `${pointer}/additionalProperties`);
}

/** The names that an object must have. @throws GrammarError SCHEMA_INVALID */
export function requiredOf(schema: SchemaObject, pointer: string): readonly string[] {
  const required: unknown = schema["required"] ?? [];
  if (Array.isArray(required) && required.every((name) => typeof name === "string")) return required;
  throw invalid(pointer, "required must be an array of names");
}

/** A count such as minLength; the default where it is absent. */
export function countOf(schema: SchemaObject, keyword: string, absent: number, pointer: string): number {
  const value = schema[keyword];
  if (value === undefined) return absent;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw invalid(pointer, `${keyword} must be an integer of at least 0; it is ${JSON.stringify(value)}`);
}

/** The types that a schema names; undefined: it names none. */
export function namedTypes(schema: SchemaObject, pointer: string): JsonType[] | undefined {
  const { type, nullable } = schema;
  if (type === undefined) return undefined;
  const list: unknown[] = Array.isArray(type) ? type : [type];
  for (const name of list) {
    if (name !== "integer" && !jsonTypes.includes(name as JsonType)) {
      throw invalid(pointer, `${JSON.stringify(name)} is not a type; types are ${jsonTypes.join(", ")}, integer`);
    }
  }
  const types = new Set(list as JsonType[]);
  if (nullable === true) types.add("null");
  if (types.has("number")) types.delete("integer");
  return [...types];
}

/** The type of a value; integers are told from other numbers. */
export function typeOf(value: unknown): JsonType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value as JsonType;
}

export function isOfTypes(value: unknown, types: readonly JsonType[]): boolean {
  const type = typeOf(value);
  return types.includes(type) || (type === "integer" && types.includes("number"));
}

/** The values that `enum` and `const` leave; undefined: there is neither. */
export function namedValues(schema: SchemaObject, pointer: string): unknown[] | undefined {
  if (schema["enum"] === undefined && !("const" in schema)) return undefined;
  let values: unknown[];
  if (schema["enum"] === undefined) values = [schema["const"]];
  else if (Array.isArray(schema["enum"])) values = schema["enum"];
  else throw invalid(pointer, "enum must be an array");
  if ("const" in schema) values = values.filter((value) => isEqual(value, schema["const"]));
  const types = namedTypes(schema, pointer);
  return types === undefined ? values : values.filter((value) => isOfTypes(value, types));
}

/** Whether two JSON values are the same; the order of an object's keys does not matter. */
export function isEqual(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
