// The schemas of JSON Schema itself, drafts 4 to 7, to which schemas refer by their URIs. Nothing else is known by its URI.
// Source: http://json-schema.org/draft-04/schema, .../draft-06/schema, .../draft-07/schema, without titles and defaults.

import type { SchemaObject } from "./schema.js";

const self = { $ref: "#" };
const to = (name: string) => ({ $ref: `#/definitions/${name}` });
const schemas = { type: "array", minItems: 1, items: self };
const byName = { type: "object", additionalProperties: self };
const count = { type: "integer", minimum: 0 };
const simpleTypes = { enum: ["array", "boolean", "integer", "null", "number", "object", "string"] };
const types = {
  anyOf: [to("simpleTypes"), { type: "array", items: to("simpleTypes"), minItems: 1, uniqueItems: true }],
};
const [number, boolean, string] = ["number", "boolean", "string"].map((type) => ({ type }));

/** What all drafts have. */
const common = {
  title: string,
  description: string,
  maximum: number,
  minimum: number,
  pattern: { type: "string", format: "regex" },
  uniqueItems: boolean,
  required: to("stringArray"),
  definitions: byName,
  properties: byName,
  dependencies: { type: "object", additionalProperties: { anyOf: [self, to("stringArray")] } },
  type: types,
  format: string,
  allOf: to("schemaArray"),
  anyOf: to("schemaArray"),
  oneOf: to("schemaArray"),
  not: self,
};
const countsOf = (name: string) =>
  Object.fromEntries(
    ["maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"].map((word) => [
      word,
      to(name),
    ]),
  );

const draft4: SchemaObject = {
  id: "http://json-schema.org/draft-04/schema#",
  definitions: {
    schemaArray: schemas,
    positiveInteger: count,
    positiveIntegerDefault0: { allOf: [to("positiveInteger")] },
    simpleTypes,
    stringArray: { type: "array", items: string, minItems: 1, uniqueItems: true },
  },
  type: "object",
  properties: {
    id: string,
    $schema: string,
    default: {},
    multipleOf: { type: "number", minimum: 0, exclusiveMinimum: true },
    exclusiveMaximum: boolean,
    exclusiveMinimum: boolean,
    additionalItems: { anyOf: [boolean, self] },
    items: { anyOf: [self, to("schemaArray")] },
    additionalProperties: { anyOf: [boolean, self] },
    patternProperties: byName,
    enum: { type: "array", minItems: 1, uniqueItems: true },
    ...countsOf("positiveInteger"),
    ...common,
  },
  dependencies: { exclusiveMaximum: ["maximum"], exclusiveMinimum: ["minimum"] },
};

/** Drafts 6 and 7: the latter has more words, and says less of `enum`. */
function newer(draft: 6 | 7): SchemaObject {
  const more = {
    $comment: string,
    readOnly: boolean,
    contentMediaType: string,
    contentEncoding: string,
    if: self,
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: self,
    else: self,
  };
  return {
    $id: `http://json-schema.org/draft-0${draft}/schema#`,
    definitions: {
      schemaArray: schemas,
      nonNegativeInteger: count,
      nonNegativeIntegerDefault0: { allOf: [to("nonNegativeInteger")] },
      simpleTypes,
      stringArray: { type: "array", items: string, uniqueItems: true },
    },
    type: ["object", "boolean"],
    properties: {
      $id: { type: "string", format: "uri-reference" },
      $schema: { type: "string", format: "uri" },
      $ref: { type: "string", format: "uri-reference" },
      default: {},
      examples: { type: "array", items: {} },
      multipleOf: { type: "number", exclusiveMinimum: 0 },
      exclusiveMaximum: number,
      exclusiveMinimum: number,
      additionalItems: self,
      items: { anyOf: [self, to("schemaArray")] },
      contains: self,
      additionalProperties: self,
      patternProperties: { ...byName, propertyNames: { format: "regex" } },
      propertyNames: self,
      const: {},
      enum: draft === 6 ? { type: "array", minItems: 1, uniqueItems: true } : { type: "array", items: true },
      ...(draft === 7 && more),
      ...countsOf("nonNegativeInteger"),
      ...common,
    },
  };
}

/** By their URIs, without a fragment. No part is in two of them, for a part has one base. */
export const metaSchemas: ReadonlyMap<string, SchemaObject> = new Map(
  [draft4, newer(6), newer(7)]
    .map((schema) => structuredClone(schema))
    .flatMap((schema, i) =>
      ["http", "https"].map((scheme) => [`${scheme}://json-schema.org/draft-0${[4, 6, 7][i]}/schema`, schema] as const),
    ),
);
