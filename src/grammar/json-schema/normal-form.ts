// A schema as its alternatives. `$ref`, `allOf`, `anyOf`, `oneOf`, `not`, `if` and `dependent...` are put together until each alternative is
// one shape (the disjunctive normal form of the schema), and so is what is not valid by a schema (De Morgan's laws). Schemas of parts of
// a value stay as they are until the part is written, so recursion ends.

import { isEmpty } from "./emptiness.js";
import { boundsOf } from "./numbers.js";
import { checkPattern } from "./pattern.js";
import { References } from "./references.js";
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
  unsupported,
} from "./schema.js";
import { anything, type Layer, type Node, onlyLists, type Shape, together, valueMap, without } from "./shape.js";

/** Schemas in one allOf or oneOf: each is put together with all others. */
const MOST_PARTS = 512;
/** Alternatives that are combined with others. */
const MOST_COMBINATIONS = 2048;
/** The schema that nothing is valid by. */
const never: SchemaObject = { not: {} };

type Part = keyof Pick<Shape, "number" | "string" | "array" | "object">;

export class NormalForm {
  readonly places: Places;
  readonly #references: References;
  readonly #nodes = new Map<string, Node>();
  readonly #numbers = new Map<SchemaObject, number>();
  readonly #shapes = new Map<SchemaObject, readonly Shape[] | "under way">();
  readonly #opposites = new Map<SchemaObject, readonly Shape[] | "under way">();
  readonly #shapesOfNodes = new Map<Node, readonly Shape[]>();

  constructor(root: JsonSchema) {
    this.places = new Places(root);
    this.#references = new References(root);
  }

  /** The node of a schema. */
  nodeOf(schema: JsonSchema): Node {
    return this.#intern(...this.#flat(schema), []);
  }

  /** What two nodes say together. */
  readonly meet = (a: Node, b: Node): Node => this.#intern([...a.all, ...b.all], [...a.none, ...b.none]);

  /** The alternatives of a node. None: no value fits. */
  readonly shapesOf = (node: Node): readonly Shape[] => {
    const known = this.#shapesOfNodes.get(node);
    if (known !== undefined) return known;
    const pointer = this.places.of(node.all[0] ?? node.none[0]);
    let shapes: readonly Shape[] = [{ ...anything, pointer }];
    for (const schema of node.all) shapes = this.#product(shapes, this.#shapesOfSchema(schema), "allOf", pointer);
    for (const schema of node.none) shapes = this.#product(shapes, this.#oppositeOf(schema), "not", pointer);
    this.#shapesOfNodes.set(node, shapes);
    return shapes;
  };

  /** The schemas that all hold where one does that only refers to others. */
  #flat(schema: JsonSchema): [SchemaObject[]] {
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
      const { $ref: reference, allOf = [], nullable: _, ...own } = this.places.assertionsOf(one);
      if (Object.keys(own).length > 0 || !Array.isArray(allOf)) found.add(one);
      else {
        if (reference !== undefined) add(this.#references.lookUp(reference, one, pointer));
        refuseMany(allOf, "allOf", pointer);
        for (const part of asSchemas(allOf, `${pointer}/allOf`)) add(part);
      }
      seen.delete(one);
    };
    add(schema);
    return [[...found]];
  }

  #intern(all: readonly SchemaObject[], none: readonly SchemaObject[]): Node {
    const numberOf = (schema: SchemaObject) => {
      const known = this.#numbers.get(schema) ?? this.#numbers.size;
      this.#numbers.set(schema, known);
      return known;
    };
    const [one, other] = [[...new Set(all)], [...new Set(none)]];
    const sorted = (schemas: readonly SchemaObject[]) => schemas.map(numberOf).sort((a, b) => a - b);
    const key = `${sorted(one)} ${sorted(other)}`;
    const node = this.#nodes.get(key) ?? { all: one, none: other };
    this.#nodes.set(key, node);
    return node;
  }

  #product(a: readonly Shape[], b: readonly Shape[], keyword: string, pointer: string): readonly Shape[] {
    if (a.length > 1 && b.length > 1 && a.length * b.length > MOST_COMBINATIONS) {
      throw unsupported(pointer, keyword, `${a.length} and ${b.length} alternatives are too many to combine`);
    }
    return a.flatMap((one) => b.flatMap((other) => together(one, other, this.meet) ?? []));
  }

  #ofSchema(schema: JsonSchema, pointer: string): readonly Shape[] {
    if (typeof schema !== "boolean") return this.#shapesOfSchema(schema);
    return schema ? [{ ...anything, pointer }] : [];
  }

  #notOfSchema(schema: JsonSchema, pointer: string): readonly Shape[] {
    if (typeof schema === "boolean") return this.#ofSchema(!schema, pointer);
    return this.#oppositeOf(schema).map(({ array, object, ...others }) => ({
      ...others,
      array: { ...array, evaluated: 0 },
      object: { ...object, layers: object.layers.map((layer) => ({ ...layer, negative: true })) },
    }));
  }

  #shapesOfSchema(schema: SchemaObject): readonly Shape[] {
    return this.#once(this.#shapes, schema, () => this.#expand(schema));
  }

  /** The alternatives of what is not valid by a schema. */
  #oppositeOf(schema: SchemaObject): readonly Shape[] {
    return this.#once(this.#opposites, schema, () => this.#negate(schema));
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
    const base = this.#baseOf(said, pointer);
    let shapes: readonly Shape[] = base === undefined ? [] : [base];
    for (const [keyword, alternatives] of this.#combinations(said, schema, pointer)) {
      shapes = this.#product(shapes, alternatives(), keyword, pointer);
    }
    return shapes.map((shape) => this.#withUnevaluated(shape, said, pointer));
  }

  /** What the keywords before have not spoken of, in this alternative. */
  #withUnevaluated(shape: Shape, said: SchemaObject, pointer: string): Shape {
    const nodeOf = (keyword: string) =>
      said[keyword] === undefined ? undefined : this.nodeOf(asSchema(said[keyword], `${pointer}/${keyword}`));
    const [properties, items] = [nodeOf("unevaluatedProperties"), nodeOf("unevaluatedItems")];
    let { array, object } = shape;
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
    const { $ref: reference, allOf, anyOf, oneOf, not } = said;
    if (reference !== undefined) {
      yield ["$ref", () => this.#ofSchema(this.#references.lookUp(reference, schema, pointer), pointer)];
    }
    if (allOf !== undefined) {
      const parts = asSchemas(allOf, `${pointer}/allOf`);
      refuseMany(parts, "allOf", pointer);
      for (const part of parts) yield ["allOf", () => this.#ofSchema(part, pointer)];
    }
    if (anyOf !== undefined) {
      const parts = asSchemas(anyOf, `${pointer}/anyOf`);
      yield ["anyOf", () => joined(parts.map((part) => this.#ofSchema(part, pointer)))];
    }
    if (oneOf !== undefined) {
      const parts = asSchemas(oneOf, `${pointer}/oneOf`);
      refuseMany(parts, "oneOf", pointer);
      yield ["oneOf", () => this.#exactlyOne(parts, pointer)];
    }
    if (not !== undefined) yield ["not", () => this.#notOfSchema(asSchema(not, `${pointer}/not`), pointer)];
    if (said["if"] !== undefined) yield ["if", () => this.#conditional(said, pointer)];
    for (const [name, rule] of dependenciesOf(said, pointer)) {
      yield ["dependentRequired", () => this.#dependent(name, rule, pointer)];
    }
  }

  /** Alternatives that exclude each other need nothing; of the others, each is without those that may hold too. */
  #exactlyOne(parts: readonly JsonSchema[], pointer: string): readonly Shape[] {
    const shapes = parts.map((part) => this.#ofSchema(part, pointer));
    const lists = shapes.map((alternatives) => (alternatives.every(onlyLists) ? alternatives : undefined));
    const meets = (i: number, j: number) => {
      if (lists[i] !== undefined && lists[j] !== undefined) {
        return lists[i].some((one) =>
          lists[j]!.some(({ values }) => [...values!.keys()].some((v) => one.values!.has(v))),
        );
      }
      const common = this.#product(shapes[i]!, shapes[j]!, "oneOf", pointer);
      return !common.every((shape) => isEmpty(shape, this.shapesOf, this.meet));
    };
    const rivals = parts.map((_, i) => parts.flatMap((_, j) => (i !== j && meets(i, j) ? [j] : [])));
    return joined(
      shapes.map((own, i) => {
        let left = own;
        for (const j of rivals[i]!) {
          let others: readonly Shape[];
          try {
            others = this.#notOfSchema(parts[j]!, pointer);
          } catch (cause) {
            if ((cause as { code?: string }).code !== "UNSUPPORTED_SCHEMA") throw cause;
            const why = `alternatives ${Math.min(i, j)} and ${Math.max(i, j)} may both match; use anyOf if that does no harm`;
            throw unsupported(pointer, "oneOf", why);
          }
          left = this.#product(left, others, "oneOf", pointer);
        }
        return left;
      }),
    );
  }

  #conditional(said: SchemaObject, pointer: string): readonly Shape[] {
    const part = (keyword: string) => asSchema(said[keyword] ?? true, `${pointer}/${keyword}`);
    const [condition, then, otherwise] = [part("if"), part("then"), part("else")];
    const holds = () => this.#product(this.#ofSchema(condition, pointer), this.#ofSchema(then, pointer), "if", pointer);
    // Where one side says nothing, it need not be told from the other.
    if (then === true && otherwise === true) return this.#ofSchema(true, pointer);
    const fails = this.#product(
      this.#notOfSchema(condition, pointer),
      this.#ofSchema(otherwise, pointer),
      "if",
      pointer,
    );
    return joined([holds(), fails]);
  }

  /** Either the property is not there, or it is and the rule holds. */
  #dependent(name: string, rule: JsonSchema | readonly string[], pointer: string): readonly Shape[] {
    const there = this.#objectShape(pointer, { required: new Set([name]) });
    const needed = Array.isArray(rule)
      ? [this.#objectShape(pointer, { required: new Set([name, ...(rule as readonly string[])]) })]
      : this.#product([there], this.#ofSchema(rule as JsonSchema, pointer), "dependentSchemas", pointer);
    return [this.#missing(name, pointer), ...needed];
  }

  #objectShape(pointer: string, object: Partial<Shape["object"]>): Shape {
    return {
      ...anything,
      ...{ pointer, types: new Set<JsonType>(["object"]), spoken: new Set<JsonType>(["object"]) },
      object: { ...anything.object, ...object },
    };
  }

  /** No object, or one without the property. */
  #missing(name: string, pointer: string): Shape {
    const layer = this.#negativeLayer(name, this.nodeOf(false));
    return {
      ...anything,
      ...{ pointer, spoken: new Set<JsonType>(["object"]) },
      object: { ...anything.object, layers: [layer] },
    };
  }

  /** What one property must be where something must not hold. */
  #negativeLayer(name: string, node: Node): Layer {
    return { properties: new Map([[name, node]]), patterns: new Map(), more: undefined, negative: true };
  }

  /** What the keywords say that do not put schemas together; undefined: no value fits. */
  #baseOf(said: SchemaObject, pointer: string): Shape | undefined {
    const named = namedTypes(said, pointer);
    const spoken = (Object.keys(keywordsOfType) as Part[]).filter((type) =>
      keywordsOfType[type].some((keyword) => keyword in said),
    );
    const listed = listedValues(said, pointer);
    const shape: Shape = {
      ...anything,
      pointer,
      types: named && new Set(named.map((type) => (type === "integer" ? "number" : type))),
      spoken: new Set(spoken),
      values: listed && valueMap(listed),
      number: {
        ...boundsOf(said, pointer),
        kind: named?.includes("integer") === true && !named.includes("number") ? "integer" : "any",
        multiples: multiplesOf(said, pointer),
      },
      string: {
        ...anything.string,
        least: countOf(said, "minLength", 0, pointer),
        most: countOf(said, "maxLength", Number.POSITIVE_INFINITY, pointer),
        patterns: patternsOf(said, pointer),
        formats: textsOf(said, "format", pointer),
      },
      array: this.#arrayOf(said, pointer),
      object: {
        ...anything.object,
        layers: this.#layersOf(said, pointer),
        required: new Set(asNames(said["required"] ?? [], "required", pointer)),
        least: countOf(said, "minProperties", 0, pointer),
        most: countOf(said, "maxProperties", Number.POSITIVE_INFINITY, pointer),
        names:
          "propertyNames" in said ? [this.nodeOf(asSchema(said["propertyNames"], `${pointer}/propertyNames`))] : [],
      },
    };
    return together(shape, { ...anything, pointer }, this.meet);
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
      evaluated: rest === undefined ? (prefix as unknown[]).length : Number.POSITIVE_INFINITY,
    };
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

  /** Not valid by a schema is what is not valid by one of its keywords. */
  #negate(schema: SchemaObject): readonly Shape[] {
    const pointer = this.places.of(schema);
    const said = this.places.assertionsOf(schema);
    const found: (readonly Shape[])[] = [];
    for (const [keyword, value] of Object.entries(said)) {
      const shapes = this.#negateKeyword(keyword, value, said, schema, pointer);
      if (shapes !== undefined) found.push(shapes);
    }
    return joined(found);
  }

  #negateKeyword(
    keyword: string,
    value: unknown,
    said: SchemaObject,
    schema: SchemaObject,
    pointer: string,
  ): readonly Shape[] | undefined {
    const shape = (part: Partial<Shape>): Shape => ({ ...anything, pointer, ...part });
    const of = <Type extends Part>(type: Type, part: Partial<Shape[Type]>): Shape[] => [
      shape({
        types: new Set<JsonType>([type]),
        spoken: new Set<JsonType>([type]),
        [type]: { ...anything[type], ...part },
      }),
    ];
    const refuse = (why: string) => unsupported(pointer, "not", `what is not valid by ${keyword} ${why}`);
    const count = (absent: number) => countOf(said, keyword, absent, pointer);
    const base = () => this.#baseOf({ [keyword]: value }, pointer);
    switch (keyword) {
      case "nullable":
        return undefined;
      case "type": {
        const named = namedTypes(said, pointer)!;
        let left: ReadonlySet<JsonType> = new Set(jsonTypes);
        for (const type of named) left = without(left, type === "integer" ? "number" : type);
        const fractions = named.includes("integer") ? of("number", { kind: "fraction" }) : [];
        return [...(left.size > 0 ? [shape({ types: left })] : []), ...fractions];
      }
      case "enum":
      case "const":
        return [shape({ excluded: valueMap(keyword === "const" ? [value] : (value as unknown[])) })];
      case "$ref":
        return this.#notOfSchema(this.#references.lookUp(value, schema, pointer), pointer);
      case "allOf":
        return joined(asSchemas(value, `${pointer}/allOf`).map((part) => this.#notOfSchema(part, pointer)));
      case "anyOf":
        return this.#noneOf(asSchemas(value, `${pointer}/anyOf`), pointer);
      case "oneOf": {
        const parts = asSchemas(value, `${pointer}/oneOf`);
        const pairs = parts.flatMap((one, i) =>
          parts
            .slice(0, i)
            .map((other) =>
              this.#product(this.#ofSchema(one, pointer), this.#ofSchema(other, pointer), "not", pointer),
            ),
        );
        return joined([this.#noneOf(parts, pointer), ...pairs]);
      }
      case "not":
        return this.#ofSchema(asSchema(value, `${pointer}/not`), pointer);
      case "if": {
        const part = (word: string) => asSchema(said[word] ?? true, `${pointer}/${word}`);
        const then = this.#notOfSchema(part("then"), pointer);
        const otherwise = this.#notOfSchema(part("else"), pointer);
        return joined([
          then.length === 0 ? [] : this.#product(this.#ofSchema(part("if"), pointer), then, "not", pointer),
          otherwise.length === 0
            ? []
            : this.#product(this.#notOfSchema(part("if"), pointer), otherwise, "not", pointer),
        ]);
      }
      case "then":
      case "else":
        return undefined;
      case "minimum":
      case "maximum":
      case "exclusiveMinimum":
      case "exclusiveMaximum": {
        if (typeof value === "boolean") {
          if (value) throw refuse("as draft 4 has it");
          return undefined;
        }
        const { low, high } = boundsOf({ [keyword]: value }, pointer);
        const turned = (bound: typeof low) => bound && { value: bound.value, exclusive: !bound.exclusive };
        return of("number", { low: turned(high), high: turned(low) });
      }
      case "minLength":
        return count(0) === 0 ? [] : of("string", { most: count(0) - 1 });
      case "maxLength":
        return of("string", { least: count(0) + 1 });
      case "pattern":
        return of("string", { excluded: patternsOf(said, pointer) });
      case "minItems":
        return count(0) === 0 ? [] : of("array", { most: count(0) - 1 });
      case "maxItems":
        return of("array", { least: count(0) + 1 });
      case "minProperties":
        return count(0) === 0 ? [] : of("object", { most: count(0) - 1 });
      case "maxProperties":
        return of("object", { least: count(0) + 1 });
      case "uniqueItems":
        if (value !== true) return [];
        throw refuse("cannot be written");
      case "required":
        return asNames(value, keyword, pointer).flatMap((name) => ({
          ...this.#missing(name, pointer),
          types: new Set<JsonType>(["object"]),
        }));
      case "properties":
        return [...base()!.object.layers[0]!.properties].flatMap(([name, node]) =>
          this.#wrongProperty(name, node, pointer),
        );
      case "additionalProperties": {
        if (isAnything(value)) return [];
        if (value !== false || "patternProperties" in said) throw refuse("beside other properties cannot be written");
        const names = new Set(asNamedSchemas(said, "properties", pointer).keys());
        return [this.#objectShape(pointer, { outside: [names] })];
      }
      case "dependentRequired":
      case "dependentSchemas":
      case "dependencies":
        return joined(
          dependenciesOf({ [keyword]: value }, pointer).map(([name, rule]) => {
            const there = [this.#objectShape(pointer, { required: new Set([name]) })];
            const broken = Array.isArray(rule)
              ? (rule as readonly string[]).map((other) => this.#missing(other, pointer))
              : this.#notOfSchema(rule as JsonSchema, pointer);
            return this.#product(there, broken, "not", pointer);
          }),
        );
      default:
        if (isAnything(value)) return [];
        throw refuse("cannot be written");
    }
  }

  #noneOf(parts: readonly JsonSchema[], pointer: string): readonly Shape[] {
    refuseMany(parts, "not", pointer);
    return parts
      .map((part) => this.#notOfSchema(part, pointer))
      .reduce<readonly Shape[]>(
        (left, right) => this.#product(left, right, "not", pointer),
        [{ ...anything, pointer }],
      );
  }

  /** Objects whose property is not valid by a node. */
  #wrongProperty(name: string, { all, none }: Node, pointer: string): Shape[] {
    return [...all.map((schema) => [[], [schema]]), ...none.map((schema) => [[schema], []])].map(([fits, fails]) => {
      const node = this.#intern(fits!, fails!);
      const layer = this.#negativeLayer(name, node);
      return this.#objectShape(pointer, { required: new Set([name]), layers: [layer] });
    });
  }
}

/** All alternatives; those that only list values are one. */
function joined(alternatives: readonly (readonly Shape[])[]): readonly Shape[] {
  const shapes = alternatives.flat();
  const lists = shapes.filter(onlyLists);
  if (lists.length < 2) return shapes;
  const values = new Map(lists.flatMap((shape) => [...shape.values!]));
  return [{ ...lists[0]!, values }, ...shapes.filter((shape) => !onlyLists(shape))];
}

function refuseMany(parts: readonly unknown[], keyword: string, pointer: string): void {
  if (parts.length > MOST_PARTS) throw unsupported(pointer, keyword, `at most ${MOST_PARTS} schemas are supported`);
}

/** Whether a schema, or another keyword's value, lets everything pass. */
function isAnything(value: unknown): boolean {
  return value === true || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}

/** The types that a schema names; undefined: it names none. */
function namedTypes(schema: SchemaObject, pointer: string): (JsonType | "integer")[] | undefined {
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
function listedValues(schema: SchemaObject, pointer: string): unknown[] | undefined {
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

function textsOf(schema: SchemaObject, keyword: string, pointer: string): readonly string[] {
  const value = schema[keyword];
  if (value === undefined) return [];
  if (typeof value !== "string") throw invalid(pointer, `${keyword} must be a string`);
  return [value];
}

function patternsOf(schema: SchemaObject, pointer: string): readonly string[] {
  const patterns = textsOf(schema, "pattern", pointer);
  for (const pattern of patterns) checkPattern(pattern, pointer);
  return patterns;
}

function multiplesOf({ multipleOf }: SchemaObject, pointer: string): readonly number[] {
  if (multipleOf === undefined) return [];
  if (typeof multipleOf === "number" && multipleOf > 0 && Number.isFinite(multipleOf)) return [multipleOf];
  throw invalid(pointer, `multipleOf must be a number above 0; it is ${JSON.stringify(multipleOf)}`);
}

/** What the presence of a property asks for: other properties, or a schema. */
function dependenciesOf(
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
