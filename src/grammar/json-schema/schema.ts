// What a JSON schema is made of, how a place in it is named, and what is refused. Keywords are those of draft 2020-12, and what earlier
// drafts and OpenAPI wrote for them. Words that no draft defines are notes of somebody's, and say nothing.

import { GrammarError, UnsupportedError } from "../../errors.js";

/** A JSON Schema: true (anything), false (nothing), or an object of keywords. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

export type SchemaObject = Exclude<JsonSchema, boolean>;

/** All types; an integer is a number. */
export const jsonTypes = ["null", "boolean", "number", "string", "array", "object"] as const;
export type JsonType = (typeof jsonTypes)[number];

/** Keywords that say something about a value of one type only. */
export const keywordsOfType = {
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  string: ["minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType"],
  array: [
    ...["items", "prefixItems", "additionalItems", "unevaluatedItems", "minItems", "maxItems", "uniqueItems"],
    ...["contains", "minContains", "maxContains"],
  ],
  object: [
    ...["properties", "required", "additionalProperties", "patternProperties", "propertyNames"],
    ...["minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies"],
    "unevaluatedProperties",
  ],
} as const;

/** The type that each of those keywords is about. */
export const typeOfKeyword: ReadonlyMap<string, keyof typeof keywordsOfType> = new Map(
  (Object.keys(keywordsOfType) as (keyof typeof keywordsOfType)[]).flatMap((type) =>
    keywordsOfType[type].map((keyword) => [keyword, type] as const),
  ),
);

const known = new Set<string>([
  ...[
    "type",
    "nullable",
    "enum",
    "const",
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
  ],
  ...Object.values(keywordsOfType).flat(),
]);

/** Keywords of some draft that say which values are valid, and that are not supported. */
const refused = new Set(["disallow", "extends", "divisibleBy"]);

/** Keywords of some draft, or of OpenAPI, that say nothing about which values are valid. */
const annotations = new Set([
  ...["title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly"],
  ...["$schema", "$id", "id", "$comment", "$defs", "definitions"],
  ...["$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary", "contentSchema"],
]);

/** Keywords under which a schema has schemas by name. */
export const schemaMaps: ReadonlySet<string> = new Set([
  ...["properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"],
]);

/** Keywords under which a schema has values, not schemas. */
const valueKeywords: ReadonlySet<string> = new Set(["enum", "const", "default", "examples", "example"]);

/** Whether a schema has a schema, or a list of them, under a word. */
export function isKeyword(word: string): boolean {
  return !valueKeywords.has(word) && (known.has(word) || refused.has(word) || annotations.has(word));
}

/** Levels of a schema's own text. */
const DEEPEST = 200;

/** Where the parts of a schema are, as JSON pointers, and which of its words say nothing. */
export class Places {
  /** Words that no draft defines, and where the first of each is. */
  readonly ignored = new Map<string, string>();
  readonly #pointers = new Map<object, string>();
  readonly #assertions = new Map<SchemaObject, SchemaObject>();

  constructor(schema: unknown) {
    this.#note(schema, "#", 0);
  }

  /** Of a part of the schema. */
  of(schema: unknown): string {
    return (typeof schema === "object" && schema !== null && this.#pointers.get(schema)) || "#";
  }

  /**
   * The keywords of a schema that say which values are valid.
   * @throws UnsupportedError UNSUPPORTED_SCHEMA for one that is not supported
   */
  assertionsOf(schema: SchemaObject): SchemaObject {
    const read = this.#assertions.get(schema);
    if (read !== undefined) return read;
    const pointer = this.of(schema);
    const said: Record<string, unknown> = {};
    for (const keyword of Object.keys(schema)) {
      const value = schema[keyword];
      if (value === undefined || annotations.has(keyword)) continue;
      if (known.has(keyword)) said[keyword] = value;
      else if (!refused.has(keyword)) this.ignored.set(keyword, this.ignored.get(keyword) ?? pointer);
      else throw unsupported(pointer, keyword, `supported are ${[...known].join(", ")}`);
    }
    this.#assertions.set(schema, said);
    return said;
  }

  #note(part: unknown, pointer: string, depth: number): void {
    if (typeof part !== "object" || part === null || this.#pointers.has(part)) return;
    if (depth > DEEPEST) throw invalid(pointer, `it is more than ${DEEPEST} levels deep`);
    this.#pointers.set(part, pointer);
    for (const key of Object.keys(part)) {
      const value = (part as Record<string, unknown>)[key];
      if (typeof value !== "object" || value === null) continue;
      const word = /[~/]/.test(key) ? key.replaceAll("~", "~0").replaceAll("/", "~1") : key;
      this.#note(value, `${pointer}/${word}`, depth + 1);
    }
  }
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

/** Schemas by name: `properties` and its like. @throws GrammarError SCHEMA_INVALID */
export function asNamedSchemas(schema: SchemaObject, keyword: string, pointer: string): Map<string, JsonSchema> {
  const value = schema[keyword] ?? {};
  if (typeof value !== "object" || Array.isArray(value)) throw invalid(pointer, `${keyword} must be an object`);
  return new Map(Object.entries(value).map(([name, part]) => [name, asSchema(part, `${pointer}/${keyword}/${name}`)]));
}

/** A list of names: `required` and its like. @throws GrammarError SCHEMA_INVALID */
export function asNames(value: unknown, keyword: string, pointer: string): readonly string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === "string")) return value;
  throw invalid(pointer, `${keyword} must be an array of names`);
}

/** A count such as minLength; the default where it is absent. */
export function countOf(schema: SchemaObject, keyword: string, absent: number, pointer: string): number {
  const value = schema[keyword];
  if (value === undefined) return absent;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw invalid(pointer, `${keyword} must be an integer of at least 0; it is ${JSON.stringify(value)}`);
}

/** The type of a value. */
export function typeOf(value: unknown): JsonType {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : (typeof value as JsonType);
}
