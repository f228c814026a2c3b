// `$ref`: what it refers to within the schema, by a JSON pointer, by an `$anchor`, or by an `$id` that a part of the schema has. URIs are
// resolved as RFC 3986 says. Nothing is brought from elsewhere.

import { asSchema, invalid, isKeyword, type JsonSchema, type SchemaObject, schemaMaps, unsupported } from "./schema.js";

/** The base of a schema that does not name itself. */
const NAMELESS = "schema:/";

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

  constructor(root: JsonSchema) {
    this.#root = root;
    this.#isOld = typeof root === "object" && /draft-0[3-7]/.test(String(root["$schema"]));
    this.#note(root, NAMELESS, "schema");
    this.#parts.set(NAMELESS, root);
  }

  /** What a `$ref` of `schema` refers to. @throws UnsupportedError for another document, GrammarError SCHEMA_INVALID */
  lookUp(reference: unknown, schema: object, pointer: string): JsonSchema {
    if (typeof reference !== "string") throw invalid(pointer, "$ref must be a string");
    const base = this.#bases.get(schema) ?? NAMELESS;
    const [uri, fragment] = split(resolved(reference, base) ?? reference);
    const document = this.#parts.get(uri);
    if (document === undefined) {
      const why = `${JSON.stringify(reference)}: only what is in the schema itself can be referred to`;
      throw unsupported(pointer, "$ref", why);
    }
    if (fragment !== "" && !fragment.startsWith("/")) {
      const anchored = this.#parts.get(`${uri}#${fragment}`);
      if (anchored === undefined) throw invalid(pointer, `the schema has no ${reference}`);
      return asSchema(anchored, reference);
    }
    // Many schemas count from the root although a part between has an `$id`.
    const found = partAt(document, fragment) ?? partAt(this.#root, fragment);
    if (found === undefined) throw invalid(pointer, `the schema has no ${reference}`);
    return asSchema(found, reference);
  }

  #note(part: unknown, base: string, kind: Kind): void {
    if (typeof part !== "object" || part === null || this.#bases.has(part)) return;
    let own = base;
    if (kind === "schema" && !Array.isArray(part)) own = this.#nameOf(part as SchemaObject, base);
    this.#bases.set(part, own);
    for (const [key, value] of Object.entries(part)) {
      const inSchema = schemaMaps.has(key) ? "map" : isKeyword(key) ? "schema" : "note";
      const isList = kind === "schema" && Array.isArray(part);
      this.#note(value, own, kind === "map" || isList ? "schema" : kind === "schema" ? inSchema : "note");
    }
  }

  /** Notes the names of a schema, and returns the base of its parts. */
  #nameOf(schema: SchemaObject, base: string): string {
    const { $id, id, $anchor, $dynamicAnchor, $ref } = schema;
    if (this.#isOld && $ref !== undefined) return base;
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
