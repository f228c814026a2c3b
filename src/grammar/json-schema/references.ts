// `$ref`: what it refers to within the schema, by a JSON pointer, by an `$anchor`, or by an `$id` that a part of the schema has. URIs are
// resolved as RFC 3986 says. Nothing is brought from elsewhere, except JSON Schema's own schemas.

import { metaSchemas } from "./meta-schemas.js";
import { asSchema, invalid, isKeyword, type JsonSchema, type SchemaObject, schemaMaps, unsupported } from "./schema.js";

/** The base of a schema that does not name itself. */
const NAMELESS = "schema:/";

export const referenceKeywords = ["$ref", "$dynamicRef", "$recursiveRef"] as const;
export type ReferenceKeyword = (typeof referenceKeywords)[number];

/** A part of a schema: a schema, schemas by name, or what says nothing. */
type Kind = "schema" | "map" | "note";

export class References {
  readonly #root: unknown;
  /** Parts by their absolute URIs, with an anchor as its fragment. */
  readonly #parts = new Map<string, unknown>();
  /** The base URI of every object. */
  readonly #bases = new WeakMap<object, string>();
  /** Up to draft 7, nothing counts beside a `$ref`, not even an `$id`. */
  readonly #isOld: boolean;
  /** Whether a draft from 2019-09 on is meant for sure. */
  readonly isNew: boolean;
  /** Whether it is not said which draft is meant. */
  readonly #isUnknown: boolean;
  /** Of schemas with an `$id` beside a `$ref`: their base in drafts up to 7. */
  readonly #oldBases = new WeakMap<object, string>();
  /** How many parts have each `$dynamicAnchor`, and how many a `$recursiveAnchor`. */
  readonly #dynamic = new Map<string, number>();
  #recursive = 0;

  constructor(root: JsonSchema) {
    this.#root = root;
    this.#isOld = typeof root === "object" && /draft-0[3-7]/.test(String(root["$schema"]));
    this.isNew = typeof root === "object" && /draft\/20/.test(String(root["$schema"]));
    this.#isUnknown = typeof root !== "object" || root["$schema"] === undefined;
    this.#note(root, NAMELESS, "schema");
    this.#parts.set(NAMELESS, root);
  }

  /**
   * What a `$ref`, or a keyword like it, of `schema` refers to.
   *
   * @throws UnsupportedError for another document, GrammarError SCHEMA_INVALID
   */
  lookUp(keyword: ReferenceKeyword, reference: unknown, schema: object, pointer: string): JsonSchema {
    if (typeof reference !== "string") throw invalid(pointer, `${keyword} must be a string`);
    const found = this.#find(reference, this.#bases.get(schema) ?? NAMELESS, pointer);
    const old = this.#oldBases.get(schema);
    const other = old === undefined || !this.#isUnknown ? undefined : this.#lookIn(reference, old);
    if (other !== undefined && other !== found) {
      const why = `what ${JSON.stringify(reference)} refers to beside $id depends on the draft; say which by $schema`;
      throw unsupported(pointer, keyword, why);
    }
    // Where the anchor that is meant depends on how one came here, there is more than one to choose from.
    const anchor = typeof found === "object" ? found["$dynamicAnchor"] : undefined;
    const isDynamic = keyword === "$dynamicRef" && typeof anchor === "string" && reference.endsWith(`#${anchor}`);
    if ((isDynamic && this.#dynamic.get(anchor)! > 1) || (keyword === "$recursiveRef" && this.#recursive > 1)) {
      throw unsupported(pointer, keyword, `${JSON.stringify(reference)}: more than one schema has this anchor`);
    }
    return found;
  }

  #find(reference: string, base: string, pointer: string): JsonSchema {
    const found = this.#lookIn(reference, base);
    if (found !== undefined) return asSchema(found, reference);
    if (this.#parts.has(split(resolved(reference, base) ?? reference)[0])) {
      throw invalid(pointer, `the schema has no ${reference}`);
    }
    const why = `${JSON.stringify(reference)}: only what is in the schema itself can be referred to`;
    throw unsupported(pointer, "$ref", why);
  }

  #lookIn(reference: string, base: string): unknown {
    const [uri, fragment] = split(resolved(reference, base) ?? reference);
    const document = this.#parts.get(uri) ?? this.#metaSchema(uri);
    if (document === undefined) return undefined;
    if (fragment !== "" && !fragment.startsWith("/")) return this.#parts.get(`${uri}#${fragment}`);
    // Many schemas count from the root although a part between has an `$id`.
    return partAt(document, fragment) ?? partAt(this.#root, fragment);
  }

  /** JSON Schema's own schema, if the URI is of one. */
  #metaSchema(uri: string): unknown {
    const schema = metaSchemas.get(uri);
    if (schema !== undefined) this.#note(schema, uri, "schema");
    return schema;
  }

  #note(part: unknown, base: string, kind: Kind): void {
    if (typeof part !== "object" || part === null || this.#bases.has(part)) return;
    let own = base;
    if (kind === "schema" && !Array.isArray(part)) own = this.#nameOf(part as SchemaObject, base);
    this.#bases.set(part, own);
    const isList = kind === "schema" && Array.isArray(part);
    for (const key of Object.keys(part)) {
      const value = (part as Record<string, unknown>)[key];
      if (typeof value !== "object" || value === null) continue;
      const inSchema = schemaMaps.has(key) ? "map" : isKeyword(key) ? "schema" : "note";
      this.#note(value, own, kind === "map" || isList ? "schema" : kind === "schema" ? inSchema : "note");
    }
  }

  /** Notes the names of a schema, and returns the base of its parts. */
  #nameOf(schema: SchemaObject, base: string): string {
    const { $id, id, $anchor, $dynamicAnchor, $recursiveAnchor, $ref } = schema;
    if (this.#isOld && $ref !== undefined) return base;
    if ($ref !== undefined && $id !== undefined) this.#oldBases.set(schema, base);
    if (typeof $dynamicAnchor === "string") {
      this.#dynamic.set($dynamicAnchor, (this.#dynamic.get($dynamicAnchor) ?? 0) + 1);
    }
    if ($recursiveAnchor === true) this.#recursive++;
    let own = base;
    const name = typeof $id === "string" ? $id : typeof id === "string" && /[#/:]/.test(id) ? id : undefined;
    const whole = name === undefined ? undefined : resolved(name, base);
    if (whole !== undefined) {
      const [uri, fragment] = split(whole);
      // Up to draft 7, an `$id` that is a fragment is an anchor.
      if (fragment === "") own = uri;
      this.#add(fragment === "" ? uri : whole, schema);
    }
    for (const anchor of [$anchor, $dynamicAnchor]) {
      if (typeof anchor === "string") this.#add(`${own}#${anchor}`, schema);
    }
    return own;
  }

  #add(uri: string, part: unknown): void {
    if (!this.#parts.has(uri)) this.#parts.set(uri, part);
  }
}

/** undefined: it is not a URI. */
function resolved(reference: string, base: string): string | undefined {
  try {
    return new URL(reference, base).href;
  } catch {
    return undefined;
  }
}

function split(uri: string): readonly [uri: string, fragment: string] {
  const at = uri.indexOf("#");
  if (at < 0) return [uri, ""];
  const fragment = uri.slice(at + 1);
  try {
    return [uri.slice(0, at), decodeURIComponent(fragment)];
  } catch {
    return [uri.slice(0, at), fragment];
  }
}

function partAt(document: unknown, pointer: string): unknown {
  let part = document;
  for (const step of pointer.split("/").slice(1)) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof part !== "object" || part === null || !Object.hasOwn(part, key)) return undefined;
    part = (part as Record<string, unknown>)[key];
  }
  return part;
}
