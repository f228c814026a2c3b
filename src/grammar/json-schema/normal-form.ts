// A schema as its alternatives. `$ref`, `allOf`, `anyOf`, `oneOf`, `not`, `if` and `dependent...` are put together until each alternative is
// one shape (the disjunctive normal form of the schema), and so is what is not valid by a schema (De Morgan's laws). Schemas of parts of
// a value stay as they are until the part is written, so recursion ends.

import { CriaError } from "../../errors.js";
import { isPartial, joined, madeFrom } from "./alternatives.js";
import { DEEPEST_LOOK, isEmpty } from "./emptiness.js";
import { integerFormat, JSON_CONTENT } from "./formats.js";
import { dependenciesOf, listedValues, multiplesOf, namedTypes, patternsOf, refuseMany, textsOf } from "./keywords.js";
import { type Former, negate } from "./negation.js";
import { boundsOf } from "./numbers.js";
import { checkPattern } from "./pattern.js";
import { type ReferenceKeyword, References, referenceKeywords } from "./references.js";
import {
  asNamedSchemas,
  asNames,
  asSchema,
  asSchemas,
  countOf,
  invalid,
  type JsonSchema,
  type JsonType,
  jsonTypes,
  keywordsOfType,
  Places,
  type SchemaObject,
  typeOf,
  typeOfKeyword,
  unsupported,
} from "./schema.js";
import {
  type ArrayShape,
  anything,
  type Layer,
  type Node,
  onlyLists,
  type Shape,
  stricter,
  together,
  valueMap,
} from "./shape.js";

/** Alternatives that are combined with others. */
const MOST_COMBINATIONS = 2048;
/** From so many on, those that have no value are looked for. */
const MANY_COMBINATIONS = 16;
/** How often that is done at most, and at how few levels: a property's value is looked at, not what is in it. */
const MOST_GLANCES = 1000;
const GLANCE = DEEPEST_LOOK - 1;
/** Pairs of alternatives that are compared. */
const MOST_PAIRS = 2 ** 17;
/** The schema that nothing is valid by. */
const never: SchemaObject = { not: {} };

type Part = keyof Pick<Shape, "number" | "string" | "array" | "object">;

const parts = Object.keys(keywordsOfType) as Part[];
/** Those that a shape of arrays has, and those of objects: the others are put together with what is left. */
const arrayKeywords = ["items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains"];
const objectKeywords = [
  ...["properties", "patternProperties", "additionalProperties", "required"],
  ...["minProperties", "maxProperties", "propertyNames"],
];

/** Whether a keyword does more than refer to other schemas. */
const saysByItself = (keyword: string) => keyword !== "$ref" && keyword !== "allOf" && keyword !== "nullable";

export class NormalForm implements Former {
  readonly places: Places;
  readonly #references: References;
  /** The types where none is named; undefined: those that the keywords speak of. */
  readonly #allTypes: ReadonlySet<JsonType> | undefined;
  readonly #nodes = new Map<string, Node>();
  readonly #nodesOfSchemas = new Map<JsonSchema, Node>();
  /** Nodes that are one schema: most. */
  readonly #nodesOfOne = new Map<SchemaObject, Node>();
  #glances = 0;
  readonly #numbers = new Map<SchemaObject, number>();
  readonly #shapes = new Map<SchemaObject, readonly Shape[] | "under way">();
  readonly #opposites = new Map<SchemaObject, readonly Shape[] | "under way">();
  readonly #shapesOfNodes = new Map<Node, readonly Shape[]>();

  /** @param isWide whether a schema without a type means values of all types */
  constructor(root: JsonSchema, isWide: boolean) {
    this.#allTypes = isWide ? new Set(jsonTypes) : undefined;
    this.places = new Places(root);
    this.#references = new References(root);
  }

  lookUp(keyword: ReferenceKeyword, reference: unknown, schema: SchemaObject, pointer: string): JsonSchema {
    return this.#references.lookUp(keyword, reference, schema, pointer);
  }

  /** The node of a schema. */
  nodeOf(schema: JsonSchema): Node {
    const known = this.#nodesOfSchemas.get(schema);
    if (known !== undefined) return known;
    const node = this.intern(this.#flat(schema), []);
    this.#nodesOfSchemas.set(schema, node);
    return node;
  }

  /** What two nodes say together. */
  readonly meet = (a: Node, b: Node): Node => this.intern([...a.all, ...b.all], [...a.none, ...b.none]);

  /** The alternatives of a node. None: no value fits. */
  readonly shapesOf = (node: Node): readonly Shape[] => {
    const known = this.#shapesOfNodes.get(node);
    if (known !== undefined) return known;
    const pointer = this.places.of(node.all[0] ?? node.none[0]);
    let shapes: readonly Shape[] = [{ ...anything, types: this.#allTypes, pointer }];
    for (const schema of node.all) shapes = this.product(shapes, this.#shapesOfSchema(schema), "allOf", pointer);
    for (const schema of node.none) shapes = this.product(shapes, this.#oppositeOf(schema), "not", pointer);
    this.#shapesOfNodes.set(node, shapes);
    return shapes;
  };

  /** The schemas that all hold where one does that only refers to others. */
  #flat(schema: JsonSchema): SchemaObject[] {
    const found = new Set<SchemaObject>();
    const seen = new Set<SchemaObject>();
    const add = (one: JsonSchema): void => {
      if (one === true) return;
      if (one === false) {
        found.add(never);
        return;
      }
      if (seen.has(one)) throw invalid(this.places.of(one), "its $ref or allOf leads back to itself");
      seen.add(one);
      const pointer = this.places.of(one);
      const said = this.places.assertionsOf(one);
      const { $ref: reference, allOf = [] } = said;
      if (Object.keys(said).some(saysByItself) || !Array.isArray(allOf)) found.add(one);
      else {
        if (reference !== undefined) add(this.lookUp("$ref", reference, one, pointer));
        refuseMany(allOf, "allOf", pointer);
        for (const part of asSchemas(allOf, `${pointer}/allOf`)) add(part);
      }
      seen.delete(one);
    };
    add(schema);
    return [...found];
  }

  intern(all: readonly SchemaObject[], none: readonly SchemaObject[]): Node {
    const [only] = all;
    if (only !== undefined && all.length === 1 && none.length === 0) {
      const known = this.#nodesOfOne.get(only) ?? { all, none };
      this.#nodesOfOne.set(only, known);
      return known;
    }
    const [one, other] = [all.length > 1 ? [...new Set(all)] : all, none.length > 1 ? [...new Set(none)] : none];
    if (one.length < all.length || other.length < none.length) return this.intern(one, other);
    const key = `${this.#keyOf(one)} ${this.#keyOf(other)}`;
    const node = this.#nodes.get(key) ?? { all: one, none: other };
    this.#nodes.set(key, node);
    return node;
  }

  #keyOf(schemas: readonly SchemaObject[]): string {
    if (schemas.length === 1) return String(this.#numberOfSchema(schemas[0]!));
    const numbers = schemas.map((schema) => this.#numberOfSchema(schema));
    return String(numbers.sort((a, b) => a - b));
  }

  #numberOfSchema(schema: SchemaObject): number {
    const known = this.#numbers.get(schema);
    if (known !== undefined) return known;
    this.#numbers.set(schema, this.#numbers.size);
    return this.#numbers.size - 1;
  }

  product(a: readonly Shape[], b: readonly Shape[], keyword: string, pointer: string): readonly Shape[] {
    if (a.length > 1 && b.length > 1 && a.length * b.length > MOST_COMBINATIONS) {
      throw unsupported(pointer, keyword, `${a.length} and ${b.length} alternatives are too many to combine`);
    }
    const made = a.flatMap((one) => b.flatMap((other) => together(one, other, this.meet) ?? []));
    // Of conditions that exclude each other, as of an object's kinds, most combinations have no value. Without a type, values of a type that
    // is not meant yet may be left.
    const left = made.length > MANY_COMBINATIONS ? made.filter((shape) => !this.#isNeverAtAGlance(shape)) : made;
    return madeFrom(left, a, b);
  }

  #isNeverAtAGlance(shape: Shape): boolean {
    return hasType(shape) && ++this.#glances <= MOST_GLANCES && this.#isNever(shape, GLANCE);
  }

  /** Whether a shape certainly has no value. @param depth how many levels are not looked into */
  #isNever(shape: Shape, depth = 0): boolean {
    const unknown = [{ ...anything, pointer: shape.pointer }];
    const shapesOf = (node: Node): readonly Shape[] => {
      try {
        const shapes = this.shapesOf(node);
        return isPartial(shapes) ? unknown : shapes; // a partial list may have any other value
      } catch (cause) {
        // It is under way, or not supported: that is told when it is written.
        if (cause instanceof CriaError) return unknown;
        throw cause;
      }
    };
    try {
      return isEmpty(shape, shapesOf, this.meet, depth);
    } catch (cause) {
      if (cause instanceof CriaError) return false;
      throw cause;
    }
  }

  ofSchema(schema: JsonSchema, pointer: string): readonly Shape[] {
    if (typeof schema !== "boolean") return this.#shapesOfSchema(schema);
    return schema ? [{ ...anything, pointer }] : [];
  }

  notOfSchema(schema: JsonSchema, pointer: string): readonly Shape[] {
    if (typeof schema === "boolean") return this.ofSchema(!schema, pointer);
    const opposite = this.#oppositeOf(schema);
    const negative = opposite.map(({ array, object, ...others }) => ({
      ...others,
      array: { ...array, evaluated: 0 },
      object: { ...object, layers: object.layers.map((layer) => ({ ...layer, negative: true })) },
    }));
    return madeFrom(negative, opposite);
  }

  #shapesOfSchema(schema: SchemaObject): readonly Shape[] {
    return this.#once(this.#shapes, schema, () => this.#expand(schema));
  }

  /** The alternatives of what is not valid by a schema. */
  #oppositeOf(schema: SchemaObject): readonly Shape[] {
    return this.#once(this.#opposites, schema, () => negate(schema, this));
  }

  #once(kept: Map<SchemaObject, readonly Shape[] | "under way">, schema: SchemaObject, make: () => readonly Shape[]) {
    const known = kept.get(schema);
    if (known === "under way") throw invalid(this.places.of(schema), "its $ref or allOf leads back to itself");
    if (known !== undefined) return known;
    kept.set(schema, "under way");
    try {
      const made = make();
      kept.set(schema, made);
      return made;
    } finally {
      if (kept.get(schema) === "under way") kept.delete(schema);
    }
  }

  #expand(schema: SchemaObject): readonly Shape[] {
    if (schema === never) return [];
    const said = this.places.assertionsOf(schema);
    const pointer = this.places.of(schema);
    const base = this.baseOf(said, pointer);
    let shapes: readonly Shape[] = base === undefined ? [] : [base];
    for (const [keyword, alternatives] of this.#combinations(said, schema, pointer)) {
      shapes = this.product(shapes, alternatives(), keyword, pointer);
    }
    return madeFrom(
      shapes.map((shape) => this.#withUnevaluated(shape, said, pointer)),
      shapes,
    );
  }

  /** What the keywords before have not spoken of, in this alternative. */
  #withUnevaluated(shape: Shape, said: SchemaObject, pointer: string): Shape {
    const nodeOf = (keyword: string) =>
      said[keyword] === undefined ? undefined : this.nodeOf(asSchema(said[keyword], `${pointer}/${keyword}`));
    const [properties, items] = [nodeOf("unevaluatedProperties"), nodeOf("unevaluatedItems")];
    let { array, object } = shape;
    if (properties === undefined && items === undefined && !object.layers.some(({ negative }) => negative))
      return shape;
    if (items !== undefined && array.contains.length > 0) {
      throw unsupported(pointer, "unevaluatedItems", "it cannot stand beside contains");
    }
    if (items !== undefined && array.evaluated < Number.POSITIVE_INFINITY) {
      const prefix = array.prefix.map((node, i) => (i < array.evaluated ? node : this.meet(node, items)));
      const more = Array.from(
        { length: Math.max(0, array.evaluated - prefix.length) },
        () => array.items ?? this.nodeOf(true),
      );
      const rest = array.items === undefined ? items : this.meet(array.items, items);
      array = { ...array, prefix: [...prefix, ...more], items: rest, evaluated: Number.POSITIVE_INFINITY };
    }
    const layers = object.layers.filter(({ negative }) => negative !== true);
    if (properties !== undefined && layers.every(({ more }) => more === undefined)) {
      const any = this.nodeOf(true);
      const said = (kind: "properties" | "patterns") =>
        new Map(layers.flatMap((layer) => [...layer[kind].keys()].map((name) => [name, any] as const)));
      const layer: Layer = { properties: said("properties"), patterns: said("patterns"), more: properties };
      object = { ...object, layers: [...object.layers, layer] };
    }
    return { ...shape, array, object };
  }

  /** What each keyword that puts schemas together says, as alternatives that are made when they are asked for. */
  *#combinations(
    said: SchemaObject,
    schema: SchemaObject,
    pointer: string,
  ): Generator<readonly [keyword: string, shapes: () => readonly Shape[]]> {
    const { allOf, anyOf, oneOf, not } = said;
    for (const keyword of referenceKeywords) {
      if (said[keyword] === undefined) continue;
      yield [keyword, () => this.ofSchema(this.lookUp(keyword, said[keyword], schema, pointer), pointer)];
    }
    if (allOf !== undefined) {
      const parts = asSchemas(allOf, `${pointer}/allOf`);
      refuseMany(parts, "allOf", pointer);
      for (const part of parts) yield ["allOf", () => this.ofSchema(part, pointer)];
    }
    if (anyOf !== undefined) {
      const parts = asSchemas(anyOf, `${pointer}/anyOf`);
      yield ["anyOf", () => joined(parts.map((part) => this.ofSchema(part, pointer)))];
    }
    if (oneOf !== undefined) {
      const parts = asSchemas(oneOf, `${pointer}/oneOf`);
      refuseMany(parts, "oneOf", pointer);
      yield ["oneOf", () => this.#exactlyOne(parts, pointer)];
    }
    if (not !== undefined) yield ["not", () => this.notOfSchema(asSchema(not, `${pointer}/not`), pointer)];
    if (said["if"] !== undefined) yield ["if", () => this.#conditional(said, pointer)];
    for (const [name, rule] of dependenciesOf(said, pointer)) {
      yield ["dependentRequired", () => this.#dependent(name, rule, pointer)];
    }
  }

  /** Alternatives that exclude each other need nothing; of the others, each is without those that may hold too. */
  #exactlyOne(parts: readonly JsonSchema[], pointer: string): readonly Shape[] {
    const shapes = parts.map((part) => this.ofSchema(part, pointer));
    const rivals: number[][] = parts.map(() => []);
    for (let i = 0; i < parts.length; i++) {
      for (let j = 0; j < i; j++) {
        if (!this.#mayMeet(shapes[i]!, shapes[j]!, pointer)) continue;
        rivals[i]!.push(j);
        rivals[j]!.push(i);
      }
    }
    return joined(
      shapes.map((own, i) => {
        let left = own;
        for (const j of rivals[i]!) {
          const why = `alternatives ${Math.min(i, j)} and ${Math.max(i, j)} may both match; use anyOf if that does no harm`;
          let others: readonly Shape[];
          try {
            others = this.notOfSchema(parts[j]!, pointer);
          } catch (cause) {
            if ((cause as { code?: string }).code !== "UNSUPPORTED_SCHEMA") throw cause;
            throw unsupported(pointer, "oneOf", why);
          }
          const before = left;
          left = this.product(left, others, "oneOf", pointer);
          if (left.length === 0 && before.length > 0 && isPartial(others)) throw unsupported(pointer, "oneOf", why);
        }
        return left;
      }),
    );
  }

  /** Whether some value may be in both lists. */
  #mayMeet(a: readonly Shape[], b: readonly Shape[], pointer: string): boolean {
    if (isPartial(a) || isPartial(b)) return true;
    if (a.every(onlyLists) && b.every(onlyLists)) {
      return a.some((one) => b.some(({ values }) => [...values!.keys()].some((value) => one.values!.has(value))));
    }
    if (a.length * b.length > MOST_PAIRS) {
      throw unsupported(pointer, "oneOf", `${a.length} and ${b.length} alternatives are too many to compare`);
    }
    return a.some((one) =>
      b.some((other) => {
        const common = together(one, other, this.meet);
        return common !== undefined && !this.#isNever(common);
      }),
    );
  }

  #conditional(said: SchemaObject, pointer: string): readonly Shape[] {
    const part = (keyword: string) => asSchema(said[keyword] ?? true, `${pointer}/${keyword}`);
    const [condition, then, otherwise] = [part("if"), part("then"), part("else")];
    const holds = () => this.product(this.ofSchema(condition, pointer), this.ofSchema(then, pointer), "if", pointer);
    // Where one side says nothing, it need not be told from the other.
    if (then === true && otherwise === true) return this.ofSchema(true, pointer);
    const fails = this.product(this.notOfSchema(condition, pointer), this.ofSchema(otherwise, pointer), "if", pointer);
    return joined([holds(), fails]);
  }

  /** Either the property is not there, or it is and the rule holds. */
  #dependent(name: string, rule: JsonSchema | readonly string[], pointer: string): readonly Shape[] {
    const there = this.objectShape(pointer, { required: new Set([name]) });
    const needed = Array.isArray(rule)
      ? [this.objectShape(pointer, { required: new Set([name, ...(rule as readonly string[])]) })]
      : this.product([there], this.ofSchema(rule as JsonSchema, pointer), "dependentSchemas", pointer);
    return madeFrom([this.missing(name, pointer), ...needed], needed);
  }

  objectShape(pointer: string, object: Partial<Shape["object"]>): Shape {
    return {
      ...anything,
      ...{ pointer, types: new Set<JsonType>(["object"]), spoken: new Set<JsonType>(["object"]) },
      object: { ...anything.object, ...object },
    };
  }

  /** No object, or one without the property. */
  missing(name: string, pointer: string): Shape {
    const layer = this.negativeLayer(name, this.nodeOf(false));
    return {
      ...anything,
      ...{ pointer, spoken: new Set<JsonType>(["object"]) },
      object: { ...anything.object, layers: [layer] },
    };
  }

  /** What one property must be where something must not hold. */
  negativeLayer(name: string, node: Node): Layer {
    return { properties: new Map([[name, node]]), patterns: new Map(), more: undefined, negative: true };
  }

  /** What the keywords say that do not put schemas together; undefined: no value fits. */
  baseOf(said: SchemaObject, pointer: string): Shape | undefined {
    const named = namedTypes(said, pointer);
    const types = named && new Set(named.map((type) => (type === "integer" ? "number" : type)));
    if (types?.size === 0) return undefined;
    const listed = listedValues(said, pointer);
    const values =
      listed && valueMap(types === undefined ? listed : listed.filter((value) => types.has(typeOf(value))));
    if (values?.size === 0) return undefined;
    const about = new Set(Object.keys(said).map((keyword) => typeOfKeyword.get(keyword)));
    const spoken = parts.filter((part) => about.has(part));
    const says = (keywords: readonly string[]) => keywords.some((keyword) => keyword in said);
    return {
      ...anything,
      pointer,
      types: types ?? (listed === undefined ? this.#allTypes : undefined),
      spoken: spoken.length === 0 ? anything.spoken : new Set(spoken),
      values,
      number:
        about.has("number") || named?.includes("integer") || typeof said["format"] === "string"
          ? this.#numberOf(said, named, pointer)
          : anything.number,
      string: about.has("string")
        ? {
            ...anything.string,
            least: countOf(said, "minLength", 0, pointer),
            most: countOf(said, "maxLength", Number.POSITIVE_INFINITY, pointer),
            patterns: patternsOf(said, pointer),
            formats: [...textsOf(said, "format", pointer), ...this.#contentOf(said, pointer)],
          }
        : anything.string,
      array: about.has("array") && says(arrayKeywords) ? this.#arrayOf(said, pointer) : anything.array,
      object:
        about.has("object") && says(objectKeywords)
          ? {
              ...anything.object,
              layers: this.#layersOf(said, pointer),
              required: new Set(asNames(said["required"] ?? [], "required", pointer)),
              least: countOf(said, "minProperties", 0, pointer),
              most: countOf(said, "maxProperties", Number.POSITIVE_INFINITY, pointer),
              names:
                "propertyNames" in said
                  ? [this.nodeOf(asSchema(said["propertyNames"], `${pointer}/propertyNames`))]
                  : [],
            }
          : anything.object,
    };
  }

  #numberOf(said: SchemaObject, named: readonly string[] | undefined, pointer: string): Shape["number"] {
    const { low, high } = boundsOf(said, pointer);
    const isInteger = named?.includes("integer") === true && !named.includes("number");
    const multiples = multiplesOf(said, pointer);
    const integers = typeof said["format"] === "string" ? integerFormat(said["format"]) : undefined;
    if (integers === undefined) return { low, high, kind: isInteger ? "integer" : "any", multiples };
    const bound = (value: number) => ({ value, exclusive: false });
    return {
      low: stricter(low, bound(integers[0]), (one, other) => one > other),
      high: stricter(high, bound(integers[1]), (one, other) => one < other),
      kind: "integer",
      multiples,
    };
  }

  /** Formats of what a string holds. From draft 2019-09 on, that is only a note; base64 is base64 all the same. */
  #contentOf(said: SchemaObject, pointer: string): readonly string[] {
    const [encoding, type] = [said["contentEncoding"], said["contentMediaType"]];
    const isBase64 = typeof encoding === "string" && encoding.toLowerCase() === "base64";
    const isJson = type === "application/json" && !this.#references.isNew;
    if (isJson && encoding !== undefined) {
      throw unsupported(pointer, "contentMediaType", "JSON that is encoded is not supported");
    }
    return [...(isBase64 ? ["byte"] : []), ...(isJson ? [JSON_CONTENT] : [])];
  }

  #arrayOf(said: SchemaObject, pointer: string): Shape["array"] {
    // Earlier drafts write an array of `items`, and `additionalItems` for the rest.
    const { items, additionalItems, prefixItems } = said;
    if (Array.isArray(items) && prefixItems !== undefined) {
      throw invalid(pointer, "items must not be an array beside prefixItems");
    }
    const [prefix, rest] = Array.isArray(items) ? [items, additionalItems] : [prefixItems ?? [], items];
    return {
      prefix: asSchemas(prefix, `${pointer}/prefixItems`).map((part) => this.nodeOf(part)),
      items: rest === undefined ? undefined : this.nodeOf(asSchema(rest, `${pointer}/items`)),
      least: countOf(said, "minItems", 0, pointer),
      most: countOf(said, "maxItems", Number.POSITIVE_INFINITY, pointer),
      unique: said["uniqueItems"] === true,
      contains: this.#containsOf(said, pointer),
      evaluated: rest === undefined ? (prefix as unknown[]).length : Number.POSITIVE_INFINITY,
    };
  }

  #containsOf(said: SchemaObject, pointer: string): ArrayShape["contains"] {
    if (said["contains"] === undefined) return [];
    const least = countOf(said, "minContains", 1, pointer);
    const most = countOf(said, "maxContains", Number.POSITIVE_INFINITY, pointer);
    return [{ node: this.nodeOf(asSchema(said["contains"], `${pointer}/contains`)), least, most }];
  }

  #layersOf(said: SchemaObject, pointer: string): readonly Layer[] {
    if (!["properties", "patternProperties", "additionalProperties"].some((keyword) => keyword in said)) return [];
    const nodes = (keyword: string) =>
      new Map([...asNamedSchemas(said, keyword, pointer)].map(([name, part]) => [name, this.nodeOf(part)] as const));
    const more = said["additionalProperties"];
    for (const pattern of asNamedSchemas(said, "patternProperties", pointer).keys()) checkPattern(pattern, pointer);
    return [
      {
        properties: nodes("properties"),
        patterns: nodes("patternProperties"),
        more: more === undefined ? undefined : this.nodeOf(asSchema(more, `${pointer}/additionalProperties`)),
      },
    ];
  }
}

/** Whether it is said of which types, or which, its values are. */
function hasType({ types, values }: Shape): boolean {
  return types !== undefined || values !== undefined;
}
