// Arrays of distinct items (`uniqueItems`): what is written is valid by ajv, also where tokens cross the borders of items and the budget is
// tight; what comes from elsewhere is accepted if and only if ajv finds it valid.

import { Ajv2020 } from "ajv/dist/2020.js";
import formatsPlugin from "ajv-formats";
import type { JsonSchema } from "cria";
import { describe, expect, it } from "vitest";
import type { Random } from "../../bench/synthetic/random.js";
import { compileGrammar, markedNotations, toolGrammar, VocabularyGrammar } from "../../dist/grammar/index.js";
import { byteVocabulary, tokensOf } from "../support/grammar-vocabulary.js";
import { grammarOf, matches, randomText } from "../support/schema-texts.js";
import { randomStream } from "../support/seed.js";

const ajv = new Ajv2020({ strict: false });
formatsPlugin.default(ajv);

const string = { type: "string" };
const list = (items: JsonSchema, more: object = {}) => ({ type: "array", items, uniqueItems: true, ...more });

describe("what is written", () => {
  it.each<[string, JsonSchema]>([
    ["strings", list(string)],
    ["three strings at least", list(string, { minItems: 3 })],
    ["integers", list({ type: "integer" })],
    ["numbers", list({ type: "number" }, { minItems: 2 })],
    ["strings of a pattern of few texts", list({ ...string, pattern: "^[ab]?$" })],
    ["few integers", list({ type: "integer", minimum: 0, maximum: 3 })],
    [
      "ten values, two of them at least",
      list({ enum: ["a", "b", 1, 2, null, true, "ab", "ba", "bb", "c"] }, { minItems: 2 }),
    ],
    ["anything", { type: "array", uniqueItems: true }],
    [
      "objects of one property",
      list({ type: "object", properties: { a: string }, required: ["a"], additionalProperties: false }),
    ],
    ["objects of any keys", list({ type: "object", additionalProperties: { type: "boolean" } }, { maxItems: 4 })],
    ["lists in a list", list(list({ type: "boolean" }))],
    ["lists in a list that may repeat itself", { type: "array", items: list(string) }],
    ["items with a place of their own", list({ type: ["string", "integer"] }, { prefixItems: [string, string] })],
    ["one of two lists", { anyOf: [list(string), { type: "array", items: { type: "integer" } }] }],
    ["recursion", { $ref: "#/$defs/n", $defs: { n: list({ $ref: "#/$defs/n" }) } }],
  ])("%s", (_, schema) => {
    const grammar = grammarOf(schema);
    const isValid = ajv.compile(schema);
    const random = randomStream(5);
    for (const more of [0, 1, 2, 5, 20, 60]) {
      for (let i = 0; i < 8; i++) {
        const text = randomText(grammar, grammar.shortest + more, random, preferred);
        expect([text, isValid(JSON.parse(text))]).toEqual([text, true]);
      }
    }
  });

  it("is distinct in the arguments of a tool, too", () => {
    const parameters = { type: "object", properties: { tags: list(string, { maxItems: 2 }) }, required: ["tags"] };
    const llama3 = markedNotations.find(({ name }) => name === "llama3")!;
    const { grammar: rules } = toolGrammar(
      [{ name: "tag", parameters }],
      llama3,
      { least: 1, most: 1 },
      () => undefined,
    );
    const grammar = new VocabularyGrammar(compileGrammar(rules), byteVocabulary());
    const call = (tags: string) => `{"name": "tag", "parameters": {"tags": ${tags}}}`;
    expect(['["a", "b"]', '["a", "a"]'].map((tags) => matches(grammar, call(tags)))).toEqual([true, false]);
  });

  it("ends where no other item is left", () => {
    const constraint = grammarOf(list({ enum: ["a", "b", "c", "d", "e", "f", "g", "h"] })).begin();
    for (const byte of new TextEncoder().encode('["a","b","c","d","e","f","g"'))
      expect(constraint.accept(byte)).toBe(true);
    for (const byte of new TextEncoder().encode(',"')) expect(constraint.accept(byte)).toBe(true);
    expect(tokensOf(constraint.allowed(20))).toEqual(["h".charCodeAt(0)]);
    for (const byte of new TextEncoder().encode('h"')) expect(constraint.accept(byte)).toBe(true);
    expect(tokensOf(constraint.allowed(20))).not.toContain(",".charCodeAt(0));
  });
});

/** Tokens of few characters, so that items come again. */
function preferred(tokens: readonly number[]): readonly number[] {
  const few = tokens.filter((token) => token > 255 || '"ab01,]}:{['.includes(String.fromCharCode(token)));
  return few.length > 0 ? few : tokens;
}

describe("what comes from elsewhere", () => {
  const anything = list(true);
  const lists = { type: "array", items: anything };

  it.each([
    ["[1,1.0]", false],
    ["[1.50, 1.5]", false],
    ["[1e1,10]", false],
    ["[0,-0]", false],
    ['["a","\\u0061"]', false],
    ['["\\n","\\u000a"]', false],
    ['["é","\\u00e9"]', false],
    ['["/","\\/"]', false],
    ['[{"a":1,"b":2}, {"b":2, "a":1}]', false],
    ["[[1, 2],[1,2]]", false],
    ['[1,"1",true,"true",null]', true],
    ["[[1],[1,2],[2,1]]", true],
    ['[{"a":1},{"a":2},{"a":[]},{}]', true],
    ['["a","aa","aaa","A"]', true],
  ])("%s: %s", (text, valid) => {
    expect(ajv.validate(anything, JSON.parse(text))).toBe(valid);
    expect(matches(grammarOf(anything), text)).toBe(valid);
  });

  it("is accepted if it is valid, for random values", () => {
    const random = randomStream(3);
    for (const schema of [anything, lists]) {
      const grammar = grammarOf(schema);
      const isValid = ajv.compile(schema);
      const found = new Set<boolean>();
      for (let i = 0; i < 600; i++) {
        const value = Array.from({ length: random.below(5) }, () =>
          randomValue(random, schema === lists ? "list" : "any"),
        );
        for (const text of [JSON.stringify(value), JSON.stringify(value, null, 1)]) {
          const valid = isValid(value);
          found.add(valid);
          expect([text, matches(grammar, text)]).toEqual([text, valid]);
        }
      }
      expect(found.size).toBe(2);
    }
  });
});

function randomValue(random: Random, kind: "any" | "list", depth = 0): unknown {
  const parts = () => Array.from({ length: random.below(4) }, () => randomValue(random, "any", depth + 1));
  if (kind === "list") return parts();
  switch (random.below(depth > 2 ? 5 : 7)) {
    case 0:
      return random.below(3);
    case 1:
      return "ab"[random.below(2)];
    case 2:
      return random.below(2) === 0;
    case 3:
      return "";
    case 4:
      return null;
    case 5:
      return parts();
    default:
      return Object.fromEntries((random.below(2) === 0 ? ["a", "b"] : ["b", "a"]).map((name, i) => [name, parts()[i]]));
  }
}
