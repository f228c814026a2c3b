// A JSON schema as a grammar: every text of it is JSON that the schema finds valid. Not every valid JSON need be a text: white space,
// the order of properties and how numbers are written are the grammar's choice. What is not known to be kept is refused, by its name and
// place.

import { alternatives, type Expression, type Grammar, literal, nothing, rule } from "../syntax.js";
import { arrayText, named, objectText } from "./collections.js";
import { areExclusive } from "./exclusive.js";
import { formats, isFormat, unknownFormats } from "./formats.js";
import { merge } from "./merge.js";
import { boundedNumber } from "./numbers.js";
import { patternText } from "./pattern.js";
import {
  asSchema,
  asSchemas,
  assertionsOf,
  countOf,
  invalid,
  type JsonSchema,
  type JsonType,
  jsonTypes,
  keywordsOfType,
  namedTypes,
  namedValues,
  Places,
  type SchemaObject,
  unsupported,
} from "./schema.js";
import { commonRules, stringOfLength } from "./text.js";

/** Levels of schemas in schemas, merged ones included. */
const DEEPEST = 200;
/** Schemas in one allOf or oneOf. */
const MOST_PARTS = 512;

/**
 * The grammar of a JSON schema.
 *
 * @throws UnsupportedError UNSUPPORTED_SCHEMA with the keyword and the JSON pointer of what is not supported; GrammarError
 *   SCHEMA_INVALID for what is not a schema
 */
export function grammarOfSchema(schema: JsonSchema): Grammar {
  return new SchemaCompiler(asSchema(schema, "#")).grammar();
}

class SchemaCompiler {
  readonly #root: JsonSchema;
  readonly #places: Places;
  readonly #rules = new Map<string, Expression>(commonRules);
  /** The rule of each schema that has one. */
  readonly #names = new Map<SchemaObject, string>();
  /** How often each name was asked for. */
  readonly #usedNames = new Map<string, number>(Array.from(commonRules.keys(), (name) => [name, 1]));
  readonly #resolved = new Map<SchemaObject, JsonSchema | "under way">();
  readonly #context = {
    resolved: (schema: JsonSchema) => this.#resolve(schema),
    places: undefined as unknown as Places,
  };
  #depth = 0;

  constructor(root: JsonSchema) {
    this.#root = root;
    this.#places = new Places(root);
    this.#context.places = this.#places;
  }

  grammar(): Grammar {
    const root = "the schema";
    this.#rules.set(root, this.#textOf(this.#root));
    return { root, rules: this.#rules };
  }

  /** A schema's text, by a call of its rule where it is an object or an array, or may be part of itself. */
  readonly #textOf = (schema: JsonSchema): Expression => {
    if (typeof schema === "boolean") return schema ? rule("value") : nothing;
    const target = this.#aliased(schema);
    if (typeof target === "boolean") return this.#textOf(target);
    const known = this.#names.get(target);
    if (known !== undefined) return rule(known);
    const name = this.#newName(this.#places.of(target));
    this.#names.set(target, name);
    if (++this.#depth > DEEPEST)
      throw unsupported(this.#places.of(target), "$ref", `schemas are more than ${DEEPEST} levels deep`);
    const text = this.#write(target);
    this.#depth--;
    this.#rules.set(name, text);
    return text === nothing ? nothing : rule(name);
  };

  #newName(pointer: string): string {
    const count = (this.#usedNames.get(pointer) ?? 0) + 1;
    this.#usedNames.set(pointer, count);
    return count === 1 ? pointer : this.#newName(`${pointer} (${count})`);
  }

  #write(schema: SchemaObject): Expression {
    const pointer = this.#places.of(schema);
    const resolved = this.#resolve(schema);
    if (typeof resolved === "boolean") return this.#textOf(resolved);
    if ("anyOf" in resolved) return alternatives(...this.#alternativesOf(resolved, "anyOf", pointer).map(this.#textOf));
    if ("oneOf" in resolved) return this.#writeOneOf(resolved, pointer);
    const values = namedValues(resolved, pointer);
    if (values !== undefined) {
      const beside = Object.keys(resolved).find((keyword) => !["enum", "const", "type", "nullable"].includes(keyword));
      if (beside !== undefined) throw unsupported(pointer, beside, "it cannot stand beside enum or const");
      return alternatives(...values.map((value) => literal(JSON.stringify(value))));
    }
    const types = namedTypes(resolved, pointer) ?? typesMeant(resolved);
    return alternatives(...types.map((type) => this.#writeType(type, resolved, pointer)));
  }

  #writeOneOf(schema: SchemaObject, pointer: string): Expression {
    const parts = this.#alternativesOf(schema, "oneOf", pointer);
    refuseMany(parts, "oneOf", pointer);
    for (const [i, part] of parts.entries()) {
      for (let j = 0; j < i; j++) {
        if (areExclusive(parts[j]!, part, this.#context.resolved)) continue;
        throw unsupported(
          pointer,
          "oneOf",
          `alternatives ${j} and ${i} may both match; use anyOf if that does no harm`,
        );
      }
    }
    return alternatives(...parts.map(this.#textOf));
  }

  /** The alternatives, each with what stands beside them. */
  #alternativesOf(schema: SchemaObject, keyword: "anyOf" | "oneOf", pointer: string): JsonSchema[] {
    const { [keyword]: parts, ...beside } = schema;
    const list = asSchemas(parts, `${pointer}/${keyword}`);
    if (Object.keys(beside).length === 0) return list;
    return list.map((part) => merge(beside, part, this.#context));
  }

  #writeType(type: JsonType, schema: SchemaObject, pointer: string): Expression {
    switch (type) {
      case "integer":
      case "number":
        return boundedNumber(schema, type === "integer", pointer) ?? rule(type);
      case "string":
        return this.#writeString(schema, pointer);
      case "array": {
        const counted = keywordsOfType.array.some((keyword) => keyword in schema);
        const items = (part: JsonSchema) => named(this.#textOf(part), this.#newName(`${pointer} item`), this.#rules);
        return counted ? arrayText(schema, items, pointer) : rule("array");
      }
      case "object":
        return keywordsOfType.object.some((keyword) => keyword in schema)
          ? objectText(schema, this.#textOf, pointer)
          : rule("object");
      default:
        return rule(type);
    }
  }

  #writeString(schema: SchemaObject, pointer: string): Expression {
    const least = countOf(schema, "minLength", 0, pointer);
    const most = countOf(schema, "maxLength", Number.POSITIVE_INFINITY, pointer);
    const { pattern, format } = schema;
    for (const [keyword, value] of [
      ["pattern", pattern],
      ["format", format],
    ] as const) {
      if (value !== undefined && typeof value !== "string") throw invalid(pointer, `${keyword} must be a string`);
    }
    if (least > most) return nothing;
    const counts = least > 0 || most < Number.POSITIVE_INFINITY;
    const texts: Expression[] = [];
    if (typeof pattern === "string") texts.push(quoted(patternText(pattern, pointer)));
    if (typeof format === "string" && (pattern === undefined || unknownFormats.has(format) || isFormat(format))) {
      texts.push(this.#formatText(format, least, most, pointer)); // of a length between the two
    } else if (counts) {
      texts.push(stringOfLength(least, most));
    }
    return texts.length === 0 ? rule("string") : texts.reduce((left, right) => ({ kind: "both", left, right }));
  }

  #formatText(format: string, least: number, most: number, pointer: string): Expression {
    const known = isFormat(format) ? formats[format] : undefined;
    if (known === undefined) {
      throw unsupported(
        pointer,
        "format",
        `${JSON.stringify(format)}; supported are ${Object.keys(formats).join(", ")}`,
      );
    }
    if (least > known.least || most < known.most) {
      throw unsupported(
        pointer,
        "format",
        `a ${format} has ${known.least} to ${known.most} characters, not ${least} to ${most}`,
      );
    }
    return quoted(patternText(`^${known.pattern}$`, pointer));
  }

  /** What a schema that only says `$ref` refers to, in the end. */
  #aliased(schema: SchemaObject): JsonSchema {
    const seen = new Set<SchemaObject>();
    let target: JsonSchema = schema;
    while (typeof target !== "boolean") {
      if (seen.has(target)) throw invalid(this.#places.of(schema), "its $ref leads back to itself");
      seen.add(target);
      const pointer = this.#places.of(target);
      const said = assertionsOf(target, pointer);
      if (!("$ref" in said) || Object.keys(said).length > 1) break;
      target = this.#lookUp(said["$ref"], pointer);
    }
    return target;
  }

  #lookUp(reference: unknown, pointer: string): JsonSchema {
    if (typeof reference !== "string") throw invalid(pointer, "$ref must be a string");
    if (reference !== "#" && !reference.startsWith("#/")) {
      throw unsupported(
        pointer,
        "$ref",
        `${JSON.stringify(reference)}: only pointers into the schema itself (#/...) are supported`,
      );
    }
    let part: unknown = this.#root;
    for (const step of reference.split("/").slice(1)) {
      const key = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
      const found: unknown = typeof part === "object" && part !== null && Object.hasOwn(part, key);
      if (found !== true) throw invalid(pointer, `the schema has no ${reference}`);
      part = (part as Record<string, unknown>)[key];
    }
    return asSchema(part, reference);
  }

  /** The schema's own keywords with those of its $ref and allOf put together. */
  #resolve(schema: JsonSchema): JsonSchema {
    if (typeof schema === "boolean") return schema;
    const known = this.#resolved.get(schema);
    if (known === "under way") throw invalid(this.#places.of(schema), "its $ref or allOf leads back to itself");
    if (known !== undefined) return known;
    this.#resolved.set(schema, "under way");
    const pointer = this.#places.of(schema);
    const {
      $ref: reference,
      allOf,
      ...own
    } = withoutPropertyNames(withPrefixItems(assertionsOf(schema, pointer), pointer), pointer);
    let resolved: JsonSchema = this.#places.copy(schema, own);
    if (reference !== undefined) resolved = merge(resolved, this.#lookUp(reference, pointer), this.#context);
    const parts = asSchemas(allOf ?? [], `${pointer}/allOf`);
    refuseMany(parts, "allOf", pointer);
    for (const part of parts) resolved = merge(resolved, part, this.#context);
    // What was merged may have brought an allOf along.
    if (typeof resolved === "object" && "allOf" in resolved) resolved = this.#resolve(resolved);
    this.#resolved.set(schema, resolved);
    return resolved;
  }
}

/** Each is compared, or merged, with all others: the time goes with the square of their number. */
function refuseMany(parts: readonly JsonSchema[], keyword: string, pointer: string): void {
  if (parts.length > MOST_PARTS) throw unsupported(pointer, keyword, `at most ${MOST_PARTS} schemas are supported`);
}

/** Earlier drafts write an array of `items`, and `additionalItems` for the rest. */
function withPrefixItems(schema: SchemaObject, pointer: string): SchemaObject {
  const { items, additionalItems, ...others } = schema;
  if (!Array.isArray(items)) {
    if (additionalItems === undefined) return schema;
    return items === undefined ? others : { ...others, items }; // without an array of items it says nothing
  }
  if ("prefixItems" in schema) throw invalid(pointer, "items must not be an array beside prefixItems");
  return { ...others, prefixItems: items, ...(additionalItems !== undefined && { items: additionalItems }) };
}

/** Names that may be any need no keyword. Names of a list are properties, and there are no others beside them. */
function withoutPropertyNames(schema: SchemaObject, pointer: string): SchemaObject {
  const { propertyNames, ...others } = schema;
  if (propertyNames === undefined) return schema;
  const names = asSchema(propertyNames, `${pointer}/propertyNames`);
  const said = typeof names === "boolean" ? { enum: names ? undefined : [] } : assertionsOf(names, pointer);
  const { type = "string", enum: list, ...more } = said as SchemaObject;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined || type !== "string" || !(list === undefined || Array.isArray(list))) {
    throw unsupported(pointer, "propertyNames", 'only type "string" and enum are supported');
  }
  if (list === undefined) return others;
  const { properties = {}, additionalProperties = true } = others;
  const given = new Map<string, unknown>(Object.entries(properties as object));
  const allowed = list.filter((name): name is string => typeof name === "string");
  const entries = allowed.map((name) => [name, given.get(name) ?? additionalProperties] as const);
  return { ...others, properties: Object.fromEntries(entries), additionalProperties: false };
}

/** Where no type is named: those that the keywords speak of, or all. */
function typesMeant(schema: SchemaObject): readonly JsonType[] {
  const meant = (Object.keys(keywordsOfType) as (keyof typeof keywordsOfType)[]).filter((type) =>
    keywordsOfType[type].some((keyword) => keyword in schema),
  );
  return meant.length > 0 ? meant : jsonTypes;
}

function quoted(text: Expression): Expression {
  return { kind: "sequence", items: [literal('"'), text, literal('"')] };
}
