// `jsonForm: "any"`: all that is valid by a schema, in whatever order its keys come. What is written is valid by ajv, within any budget; what
// comes from elsewhere is accepted if and only if it is valid.

import { Ajv2020 } from "ajv/dist/2020.js";
import formatsPlugin from "ajv-formats";
import type { JsonSchema } from "cria";
import { describe, expect, it } from "vitest";
import type { Random } from "../../bench/synthetic/random.js";
import { randomSchema } from "../support/random-schema.js";
import { grammarOf, matches, randomText } from "../support/schema-texts.js";
import { randomStream } from "../support/seed.js";

const ajv = new Ajv2020({ strict: false });
formatsPlugin.default(ajv);

const integer = { type: "integer" };
const names = ["a", "b", "c", "d"];

/** An object of some of the names, in some order, whose values are small integers or a string. */
function randomObject(random: Random): Record<string, unknown> {
  const left = [...names, "e"].filter(() => random.below(2) === 0);
  const object: Record<string, unknown> = {};
  while (left.length > 0) {
    const [name] = left.splice(random.below(left.length), 1);
    object[name!] = random.below(8) === 0 ? "x" : random.below(3);
  }
  return object;
}

describe("any form", () => {
  it.each<[string, JsonSchema]>([
    ["properties", { properties: { a: integer, b: integer, c: integer, d: integer } }],
    ["required ones", { type: "object", properties: { a: integer, b: integer }, required: ["b", "c", "a"] }],
    ["no others", { properties: { a: integer, b: integer, c: integer }, additionalProperties: false }],
    ["others of another type", { properties: { a: integer, b: integer }, additionalProperties: { type: "string" } }],
    ["at least so many", { properties: { a: integer, b: true }, additionalProperties: false, minProperties: 2 }],
    ["at most so many", { properties: { a: integer, b: true, c: true }, required: ["c"], maxProperties: 2 }],
    ["names of a pattern", { patternProperties: { "^[ab]$": integer }, required: ["a"] }],
    ["one of two", { oneOf: [{ required: ["a"], properties: { a: integer } }, { required: ["b"] }] }],
    ["no type", { minimum: 1 }],
  ])("%s", (_, schema) => {
    const grammar = grammarOf(schema, "any");
    const isValid = ajv.compile(schema);
    const random = randomStream(2);
    for (let i = 0; i < 150; i++) {
      const value = randomObject(random);
      // How many more properties there may be is counted from the least on.
      const text = JSON.stringify(value);
      expect([text, matches(grammar, text)]).toEqual([text, isValid(value)]);
    }
    for (const value of [null, 0, 1, "x", []]) {
      const text = JSON.stringify(value);
      expect([text, matches(grammar, text)]).toEqual([text, isValid(value)]);
    }
    for (const more of [0, 1, 3, 10, 40]) {
      const text = randomText(grammar, grammar.shortest + more, random);
      expect([text, isValid(JSON.parse(text))]).toEqual([text, true]);
    }
  });

  it("has each key once", () => {
    const grammar = grammarOf({ type: "object", properties: { a: integer, b: integer } }, "any");
    expect(['{"a":1,"b":2}', '{"b":2,"a":1}', '{"a":1,"a":2}'].map((text) => matches(grammar, text))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("has hundreds of keys, without a state for each set of them", () => {
    const many = Array.from({ length: 300 }, (_, i) => `key${i}`);
    const schema = {
      type: "object",
      properties: Object.fromEntries(many.map((name) => [name, integer])),
      required: many.slice(0, 200),
      additionalProperties: false,
    };
    const grammar = grammarOf(schema, "any");
    const backwards = [...many].reverse().map((name, i) => [name, i] as const);
    expect(matches(grammar, JSON.stringify(Object.fromEntries(backwards)))).toBe(true);
    expect(matches(grammar, JSON.stringify(Object.fromEntries(backwards.slice(0, 200))))).toBe(false);
  });

  it("is valid for random schemas, within any budget", () => {
    for (let seed = 1; seed <= 25; seed++) {
      const random = randomStream(seed);
      const schema = randomSchema(random);
      const grammar = grammarOf(schema, "any");
      const isValid = ajv.compile(schema);
      for (const more of [0, 4, 40]) {
        const text = randomText(grammar, grammar.shortest + more, random);
        const valid = isValid(JSON.parse(text));
        expect([seed, valid, valid || JSON.stringify(schema), valid || text]).toEqual([seed, true, true, true]);
      }
    }
  });
});
