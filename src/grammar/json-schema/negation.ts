// What is not valid by a schema, by De Morgan's laws: one keyword of it does not hold.

import { UnsupportedError } from "../../errors.js";
import { asPartial, joined } from "./alternatives.js";
import { dependenciesOf, namedTypes, patternsOf, refuseMany } from "./keywords.js";
import { boundsOf } from "./numbers.js";
import type { ReferenceKeyword } from "./references.js";
import {
  asNamedSchemas,
  asNames,
  asSchema,
  asSchemas,
  countOf,
  type JsonSchema,
  type JsonType,
  jsonTypes,
  type Places,
  type SchemaObject,
  unsupported,
} from "./schema.js";
import { anything, type Layer, type Node, type Shape, valueMap, without } from "./shape.js";

type Part = keyof Pick<Shape, "number" | "string" | "array" | "object">;

/** What puts shapes together. */
export interface Former {
  readonly places: Places;
  ofSchema(schema: JsonSchema, pointer: string): readonly Shape[];
  notOfSchema(schema: JsonSchema, pointer: string): readonly Shape[];
  product(a: readonly Shape[], b: readonly Shape[], keyword: string, pointer: string): readonly Shape[];
  lookUp(keyword: ReferenceKeyword, reference: unknown, schema: SchemaObject, pointer: string): JsonSchema;
  nodeOf(schema: JsonSchema): Node;
  /** The node of schemas that must hold, and of schemas that must not. */
  intern(all: readonly SchemaObject[], none: readonly SchemaObject[]): Node;
  baseOf(said: SchemaObject, pointer: string): Shape | undefined;
  objectShape(pointer: string, object: Partial<Shape["object"]>): Shape;
  /** No object, or one without the property. */
  missing(name: string, pointer: string): Shape;
  negativeLayer(name: string, node: Node): Layer;
}

/**
 * The alternatives of what is not valid by a schema: what is not valid by one of its keywords. Those that cannot be written are left out, and
 * the list is partial then; if none can, that is an error.
 */
export function negate(schema: SchemaObject, form: Former): readonly Shape[] {
  const pointer = form.places.of(schema);
  const said = form.places.assertionsOf(schema);
  const found: (readonly Shape[])[] = [];
  let refused: UnsupportedError | undefined;
  for (const [keyword, value] of Object.entries(said)) {
    try {
      found.push(negateKeyword(keyword, value, said, schema, pointer, form));
    } catch (cause) {
      if (!(cause instanceof UnsupportedError)) throw cause;
      refused ??= cause;
    }
  }
  const shapes = joined(found);
  if (refused === undefined) return shapes;
  if (shapes.length === 0) throw refused;
  return asPartial(shapes);
}

function negateKeyword(
  keyword: string,
  value: unknown,
  said: SchemaObject,
  schema: SchemaObject,
  pointer: string,
  form: Former,
): readonly Shape[] {
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
  const base = () => form.baseOf({ [keyword]: value }, pointer);
  switch (keyword) {
    case "nullable":
      return [];
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
    case "$dynamicRef":
    case "$recursiveRef":
      return form.notOfSchema(form.lookUp(keyword, value, schema, pointer), pointer);
    case "allOf":
      return joined(asSchemas(value, `${pointer}/allOf`).map((part) => form.notOfSchema(part, pointer)));
    case "anyOf":
      return noneOf(asSchemas(value, `${pointer}/anyOf`), pointer, form);
    case "oneOf": {
      const parts = asSchemas(value, `${pointer}/oneOf`);
      const pairs = parts.flatMap((one, i) =>
        parts
          .slice(0, i)
          .map((other) => form.product(form.ofSchema(one, pointer), form.ofSchema(other, pointer), "not", pointer)),
      );
      return joined([noneOf(parts, pointer, form), ...pairs]);
    }
    case "not":
      return form.ofSchema(asSchema(value, `${pointer}/not`), pointer);
    case "if": {
      const part = (word: string) => asSchema(said[word] ?? true, `${pointer}/${word}`);
      const then = form.notOfSchema(part("then"), pointer);
      const otherwise = form.notOfSchema(part("else"), pointer);
      return joined([
        then.length === 0 ? [] : form.product(form.ofSchema(part("if"), pointer), then, "not", pointer),
        otherwise.length === 0 ? [] : form.product(form.notOfSchema(part("if"), pointer), otherwise, "not", pointer),
      ]);
    }
    case "then":
    case "else":
      return [];
    case "minimum":
    case "maximum":
    case "exclusiveMinimum":
    case "exclusiveMaximum": {
      if (typeof value === "boolean") {
        if (value) throw refuse("as draft 4 has it");
        return [];
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
    case "items": {
      if (Array.isArray(value)) return wrongPlaces(value, pointer, form, of);
      if (isAnything(value)) return [];
      if (said["prefixItems"] !== undefined) throw refuse("beside prefixItems cannot be written");
      const wrong = opposite(asSchema(value, `${pointer}/items`), form);
      return of("array", { contains: [{ node: wrong, least: 1, most: Number.POSITIVE_INFINITY }] });
    }
    case "prefixItems":
      return wrongPlaces(value, pointer, form, of);
    case "additionalItems": {
      if (!Array.isArray(said["items"]) || isAnything(value)) return [];
      if (value !== false) throw refuse("beside items cannot be written");
      return of("array", { least: said["items"].length + 1 });
    }
    case "contains": {
      const node = form.nodeOf(asSchema(value, `${pointer}/contains`));
      const [least, most] = [
        countOf(said, "minContains", 1, pointer),
        countOf(said, "maxContains", Number.POSITIVE_INFINITY, pointer),
      ];
      return [
        ...(least > 0 ? of("array", { contains: [{ node, least: 0, most: least - 1 }] }) : []),
        ...(most < Number.POSITIVE_INFINITY
          ? of("array", { contains: [{ node, least: most + 1, most: Number.POSITIVE_INFINITY }] })
          : []),
      ];
    }
    case "minContains":
    case "maxContains":
      return [];
    case "uniqueItems":
      if (value !== true) return [];
      throw refuse("cannot be written");
    case "required":
      return asNames(value, keyword, pointer).flatMap((name) => ({
        ...form.missing(name, pointer),
        types: new Set<JsonType>(["object"]),
      }));
    case "properties":
      return [...base()!.object.layers[0]!.properties].flatMap(([name, node]) =>
        wrongProperty(name, node, pointer, form),
      );
    case "additionalProperties": {
      if (isAnything(value)) return [];
      if (value !== false || "patternProperties" in said) throw refuse("beside other properties cannot be written");
      const names = new Set(asNamedSchemas(said, "properties", pointer).keys());
      return [form.objectShape(pointer, { outside: [names] })];
    }
    case "dependentRequired":
    case "dependentSchemas":
    case "dependencies":
      return joined(
        dependenciesOf({ [keyword]: value }, pointer).map(([name, rule]) => {
          const there = [form.objectShape(pointer, { required: new Set([name]) })];
          const broken = Array.isArray(rule)
            ? (rule as readonly string[]).map((other) => form.missing(other, pointer))
            : form.notOfSchema(rule as JsonSchema, pointer);
          return form.product(there, broken, "not", pointer);
        }),
      );
    default:
      if (isAnything(value)) return [];
      throw refuse("cannot be written");
  }
}

function noneOf(parts: readonly JsonSchema[], pointer: string, form: Former): readonly Shape[] {
  refuseMany(parts, "not", pointer);
  return parts
    .map((part) => form.notOfSchema(part, pointer))
    .reduce<readonly Shape[]>((left, right) => form.product(left, right, "not", pointer), [{ ...anything, pointer }]);
}

/** Objects whose property is not valid by a node. */
function wrongProperty(name: string, { all, none }: Node, pointer: string, form: Former): Shape[] {
  return [...all.map((schema) => [[], [schema]]), ...none.map((schema) => [[schema], []])].map(([fits, fails]) => {
    const node = form.intern(fits!, fails!);
    const layer = form.negativeLayer(name, node);
    return form.objectShape(pointer, { required: new Set([name]), layers: [layer] });
  });
}

/** Whether a schema, or another keyword's value, lets everything pass. */
function isAnything(value: unknown): boolean {
  return value === true || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}

/** The node of what is not valid by a schema. */
function opposite(schema: JsonSchema, form: Former): Node {
  return typeof schema === "boolean" ? form.nodeOf(!schema) : form.intern([], [schema]);
}

/** Arrays in which an item that has a place of its own is not valid. */
function wrongPlaces(
  value: unknown,
  pointer: string,
  form: Former,
  of: (type: "array", part: Partial<Shape["array"]>) => Shape[],
): Shape[] {
  const any = form.nodeOf(true);
  return asSchemas(value, `${pointer}/prefixItems`).flatMap((schema, i) => {
    const prefix = [...Array.from({ length: i }, () => any), opposite(schema, form)];
    return isAnything(schema) ? [] : of("array", { prefix, least: i + 1 });
  });
}
