// Random JSON schemas that some value fits, of every keyword that is supported.

import type { JsonSchema } from "cria";
import type { Random } from "../../bench/synthetic/random.js";

const names = ["name", "age", "id", "a b", 'q"uote', "back\\slash", "naïve", "x", "kind", "list", "🦙", ""];
const formats = [
  ...["date", "time", "date-time", "duration", "uuid", "email", "hostname", "ipv4", "ipv6", "uri"],
  ...["uri-reference", "uri-template", "url", "regex", "json-pointer", "byte"],
];
const patterns = [
  "^[a-z]{2,5}$",
  "^\\d{3}-\\d{4}$",
  '^(red|green|"blue")$',
  "llama",
  "^a.c",
  "[A-F0-9]+$",
  "^$|^\\w+@\\w+$",
  "^[^a-z\\s]{1,4}$",
  "^(?:é|[☃-★])*?\\u{1F999}$",
  "^\\\\\\t?$",
];

/** A schema of the words of the draft 2020-12. The same numbers give the same schema. */
export function randomSchema(random: Random): JsonSchema {
  const definitions: Record<string, JsonSchema> = {
    tree: {
      type: "object",
      properties: { value: { type: "integer" }, children: { type: "array", items: { $ref: "#/$defs/tree" } } },
      required: ["value"],
      additionalProperties: false,
    },
    leaf: schemaOf(random, 0),
  };
  const schema = schemaOf(random, 3);
  return typeof schema === "boolean" ? schema : { ...schema, $defs: definitions, title: "random" };
}

function schemaOf(random: Random, depth: number): JsonSchema {
  const scalar = [
    stringSchema,
    numberSchema,
    integerSchema,
    enumSchema,
    () => ({ type: "boolean" }),
    () => ({ type: "null" }),
  ];
  const nested = [
    objectSchema,
    objectSchema,
    arraySchema,
    tupleSchema,
    anyOfSchema,
    oneOfSchema,
    allOfSchema,
    referenceSchema,
    typesSchema,
    notSchema,
    overlappingSchema,
    conditionalSchema,
    countedSchema,
    patternPropertiesSchema,
    uniqueSchema,
    dependentSchema,
  ];
  const kinds = depth > 0 && random.below(4) > 0 ? nested : [...scalar, stringSchema];
  return pick(random, kinds)(random, depth - 1);
}

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.below(items.length)]!;
}

const some = (random: Random) => random.below(2) === 0;

function stringSchema(random: Random): JsonSchema {
  const kind = random.below(5);
  if (kind === 0) return { type: "string" };
  if (kind === 1) return { type: "string", format: pick(random, formats) };
  if (kind === 2) return { type: "string", pattern: pick(random, patterns) };
  const minLength = random.below(6);
  return {
    type: "string",
    ...(some(random) && { minLength }),
    ...(some(random) && { maxLength: minLength + random.below(12) }),
  };
}

function numberSchema(random: Random): JsonSchema {
  const low = (random.below(4000) - 2000) / pick(random, [1, 2, 8, 100]);
  const high = low + 0.5 + random.below(3000) / pick(random, [1, 10, 1000]);
  return {
    type: "number",
    ...(some(random) && { [pick(random, ["minimum", "exclusiveMinimum"])]: low }),
    ...(some(random) && { [pick(random, ["maximum", "exclusiveMaximum"])]: Number(high.toFixed(4)) }),
  };
}

function integerSchema(random: Random): JsonSchema {
  const low = random.below(2000) - 1000;
  const high = low + 2 + random.below(pick(random, [3, 50, 100_000]));
  return {
    type: "integer",
    ...(some(random) && { [pick(random, ["minimum", "exclusiveMinimum"])]: low }),
    ...(some(random) && { [pick(random, ["maximum", "exclusiveMaximum"])]: high }),
  };
}

function enumSchema(random: Random): JsonSchema {
  const values = ["red", 'gr"een', 1, -2.5, null, true, { a: [1, "x"] }, [], "🦙\n"].filter(() => some(random));
  return values.length > 0 && some(random) ? { enum: values } : { const: pick(random, ["only", 7, { k: "v" }]) };
}

function objectSchema(random: Random, depth: number): JsonSchema {
  const keys = names.filter(() => random.below(4) === 0);
  const properties = Object.fromEntries(keys.map((key) => [key, schemaOf(random, depth)]));
  return {
    type: "object",
    properties,
    ...(some(random) && { required: keys.filter(() => some(random)) }),
    ...(some(random) && { additionalProperties: pick(random, [false, true, { type: "integer" }]) }),
  };
}

function arraySchema(random: Random, depth: number): JsonSchema {
  const minItems = random.below(4);
  return {
    type: "array",
    items: schemaOf(random, depth),
    ...(some(random) && { minItems }),
    ...(some(random) && { maxItems: minItems + random.below(4) }),
  };
}

function tupleSchema(random: Random, depth: number): JsonSchema {
  const prefixItems = Array.from({ length: 1 + random.below(3) }, () => schemaOf(random, depth));
  return {
    type: "array",
    prefixItems,
    ...(some(random) && { items: pick(random, [false, true, { type: "null" }]) }),
    ...(some(random) && { minItems: random.below(prefixItems.length + 1) }),
  };
}

function anyOfSchema(random: Random, depth: number): JsonSchema {
  return { anyOf: Array.from({ length: 1 + random.below(3) }, () => schemaOf(random, depth)) };
}

/** Alternatives that their `kind`, or their type, tells apart. */
function oneOfSchema(random: Random, depth: number): JsonSchema {
  const kinds = ["cat", "dog", "fish"].slice(0, 1 + random.below(3));
  const objects = kinds.map((kind) => ({
    type: "object",
    properties: { kind: { const: kind }, [kind]: schemaOf(random, depth) },
    required: ["kind"],
  }));
  return { oneOf: some(random) ? objects : [objects[0]!, { type: "string" }, { type: "integer" }] };
}

function allOfSchema(random: Random, depth: number): JsonSchema {
  return {
    allOf: [
      { type: "object", properties: { name: { type: "string", minLength: 1 } }, required: ["name"] },
      { properties: { name: { type: "string", maxLength: 5 }, more: schemaOf(random, depth) } },
    ],
  };
}

function referenceSchema(random: Random): JsonSchema {
  return { $ref: pick(random, ["#/$defs/tree", "#/$defs/leaf"]) };
}

function typesSchema(random: Random): JsonSchema {
  return { type: ["string", "null", "integer"], minimum: random.below(10), maxLength: 3 + random.below(5) };
}

function notSchema(random: Random): JsonSchema {
  const not = pick<JsonSchema>(random, [
    ...[{ enum: ["", "red", 0, 7] }, { type: "integer" }, { pattern: "^[a-z]" }, { maxLength: 2 }, { minimum: 3 }],
    ...[{ anyOf: [{ type: "null" }, { pattern: "e" }] }, { not: { type: ["string", "number"] } }],
  ]);
  return { type: ["string", "number", "null", "boolean"], not };
}

/** Alternatives of which several may hold, for all but a few values. */
function overlappingSchema(random: Random): JsonSchema {
  const low = random.below(50);
  return pick<JsonSchema>(random, [
    {
      oneOf: [
        { type: "integer", minimum: low },
        { type: "integer", maximum: low + 5 },
      ],
    },
    {
      oneOf: [
        { type: "string", minLength: 2 },
        { type: "string", pattern: "a" },
      ],
    },
    {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" } },
      oneOf: [{ required: ["a"] }, { required: ["b"] }],
    },
  ]);
}

function conditionalSchema(random: Random, depth: number): JsonSchema {
  const words = "if then else".split(" ");
  const parts = [
    { properties: { kind: { const: "a" } }, required: ["kind"] },
    { required: ["id"] },
    { properties: { name: { type: "string", minLength: random.below(3) } } },
  ];
  return {
    type: "object",
    properties: { kind: { enum: ["a", "b"] }, id: schemaOf(random, depth), name: { type: "string", maxLength: 9 } },
    ...Object.fromEntries(words.map((word, i) => [word, parts[i]])),
  };
}

function countedSchema(random: Random, depth: number): JsonSchema {
  const minProperties = random.below(3);
  return {
    type: "object",
    properties: { a: schemaOf(random, depth), b: { type: "integer", multipleOf: 1 + random.below(40) } },
    additionalProperties: { type: "integer", multipleOf: 3, minimum: -50 },
    minProperties,
    maxProperties: minProperties + 1 + random.below(3),
    ...(some(random) && { propertyNames: { pattern: "^[a-f]{1,3}$" } }),
  };
}

function patternPropertiesSchema(random: Random, depth: number): JsonSchema {
  return {
    type: "object",
    properties: { x_name: { type: "string" } },
    patternProperties: { "^x_": { type: "string", maxLength: 4 }, _y$: { minLength: 1 } },
    additionalProperties: pick(random, [false, { type: "integer" }, schemaOf(random, depth)]),
  };
}

function uniqueSchema(random: Random): JsonSchema {
  const items = pick<JsonSchema>(random, [{ enum: ["a", "b", 3, null] }, { type: "boolean" }]);
  return { type: "array", items, uniqueItems: true, minItems: random.below(3) };
}

function dependentSchema(random: Random, depth: number): JsonSchema {
  return {
    type: "object",
    properties: { a: { type: "integer" }, b: schemaOf(random, depth) },
    dependentRequired: { a: ["b"] },
    ...(some(random) && { unevaluatedProperties: false }),
  };
}
