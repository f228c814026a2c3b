// JSON schemas: every text that a grammar allows parses and is valid by ajv, for random schemas, random texts and any budget. What is
// not supported is refused by its name and place.

import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import formatsPlugin from "ajv-formats";
import { CriaError, type JsonSchema, loadModel, type Model, UnsupportedError } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Random } from "../../bench/synthetic/random.js";
import { compileGrammar, grammarOfSchema, VocabularyGrammar } from "../../dist/grammar/index.js";
import fc from "../support/fast-check.js";
import { byteVocabulary, tokensOf } from "../support/grammar-vocabulary.js";
import { randomSchema } from "../support/random-schema.js";
import { randomStream } from "../support/seed.js";

const ajv = new Ajv2020({ strict: false });
formatsPlugin.default(ajv);

const words = [
  '{"',
  '":',
  ',"',
  '"}',
  '"]',
  '": "',
  '", "',
  "the",
  "llama",
  "12",
  "34",
  "00",
  "true",
  "null",
  "[{",
  "}]",
  "}}",
  ' "',
  '\\"',
  "\\u",
  "abc",
  "name",
  "-",
  ".5",
  "2026",
  "-0",
  "é",
];
const vocabulary = byteVocabulary(words);
const grammarOf = (schema: JsonSchema) => new VocabularyGrammar(compileGrammar(grammarOfSchema(schema)), vocabulary);

function matches(grammar: VocabularyGrammar, text: string): boolean {
  const constraint = grammar.begin();
  return new TextEncoder().encode(text).every((byte) => constraint.accept(byte)) && constraint.accepts;
}

/** A text of random tokens that the grammar allows, in a budget. */
function randomText(grammar: VocabularyGrammar, budget: number, random: Random): string {
  const constraint = grammar.begin();
  const bytes: number[] = [];
  for (let left = budget; !constraint.isOver; left--) {
    if (constraint.accepts && (left === 0 || random.below(3) === 0)) break;
    const allowed = tokensOf(constraint.allowed(left));
    const wordsAllowed = allowed.filter((token) => token > 255);
    const from = wordsAllowed.length > 0 && random.below(3) === 0 ? wordsAllowed : allowed;
    const token = from[random.below(from.length)]!;
    if (left === 0 || !constraint.accept(token)) throw new Error(`no end within ${budget} tokens`);
    bytes.push(...vocabulary.bytesOf(token));
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
}

const errorOf = (call: () => unknown): CriaError => {
  try {
    call();
  } catch (error) {
    if (error instanceof CriaError) return error;
    throw error;
  }
  throw new Error("no error");
};

describe("texts", () => {
  it("are valid, for random schemas, within any budget", () => {
    for (let seed = 1; seed <= 70; seed++) {
      const random = randomStream(seed);
      const schema = randomSchema(random);
      const grammar = grammarOf(schema);
      const isValid = ajv.compile(schema);
      for (const more of [0, 4, 50]) {
        const text = randomText(grammar, grammar.shortest + more, random);
        const valid = isValid(JSON.parse(text));
        expect([valid, valid || JSON.stringify(schema), valid || text]).toEqual([true, true, true]);
      }
    }
  });

  it("are all integers between bounds, and no others", () => {
    const bounds = fc.tuple(fc.integer({ min: -3000, max: 3000 }), fc.integer({ min: 0, max: 2000 }));
    fc.assert(
      fc.property(bounds, fc.array(fc.integer({ min: -5000, max: 5000 })), ([minimum, range], numbers) => {
        const maximum = minimum + range;
        const grammar = grammarOf({ type: "integer", minimum, maximum });
        for (const number of [...numbers, minimum - 1, minimum, maximum, maximum + 1]) {
          expect([number, matches(grammar, String(number))]).toEqual([number, number >= minimum && number <= maximum]);
        }
        for (const text of ["007", "1.0", "1e1", "--1", "+1", ""]) expect(matches(grammar, text)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  it("are of up to 15 digits where bounds lie beyond, as those of safe integers do", () => {
    const safe = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
    for (const type of ["integer", "number"]) {
      const grammar = grammarOf({ type, ...safe });
      for (const text of ["-999999999999999", "0", "999999999999999"]) expect(matches(grammar, text)).toBe(true);
      expect(matches(grammar, "1000000000000000")).toBe(false);
      const positive = grammarOf({ type, exclusiveMinimum: 0, maximum: 1e308 });
      expect(["0", "1", "-1"].map((text) => matches(positive, text))).toEqual([false, true, false]);
      for (const schema of [{ minimum: 1e15 }, { maximum: -1e15 }]) {
        expect(errorOf(() => grammarOf({ type, ...schema })).code).toBe("UNSUPPORTED_SCHEMA");
      }
    }
    expect(errorOf(() => grammarOf({ type: "number", exclusiveMaximum: 1e15 })).code).toBe("UNSUPPORTED_SCHEMA");
  });

  it("are one of many thousand values", () => {
    const words = Array.from({ length: 20_000 }, (_, i) => `word ${i}`);
    const schemas = [{ enum: words }, { anyOf: words.slice(0, 5000).map((word) => ({ const: word })) }];
    for (const schema of schemas) {
      const grammar = grammarOf(schema);
      for (const text of ['"word 0"', '"word 4999"']) expect(matches(grammar, text)).toBe(true);
      for (const text of ['"word "', '"word 49990"']) expect(matches(grammar, text)).toBe(false);
      expect(randomText(grammar, grammar.shortest + 5, randomStream(1))).toMatch(/^"word \d+"$/);
    }
  });

  it("are numbers between bounds, and no others", () => {
    const number = fc
      .integer({ min: -20_000, max: 20_000 })
      .chain((n) => fc.constantFrom(1, 10, 1000).map((d) => n / d));
    fc.assert(
      fc.property(number, number, fc.boolean(), fc.boolean(), fc.array(number), (a, b, openLow, openHigh, numbers) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        if (low === high && (openLow || openHigh)) return;
        const grammar = grammarOf({
          type: "number",
          [openLow ? "exclusiveMinimum" : "minimum"]: low,
          [openHigh ? "exclusiveMaximum" : "maximum"]: high,
        });
        for (const one of [...numbers, low, high, (low + high) / 2]) {
          const text = String(Number(one.toFixed(6)));
          const value = Number(text);
          const inside = (openLow ? value > low : value >= low) && (openHigh ? value < high : value <= high);
          expect([low, high, text, matches(grammar, text)]).toEqual([low, high, text, inside]);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("match a pattern wherever JavaScript matches it", () => {
    const patterns = [
      "^[a-c]{2,3}$",
      "b",
      "^a|c$",
      "^(?:ab?|[^a])+?$",
      "^\\w\\d*$",
      "a.{1,2}$",
      "^$",
      "^(a|b)(?<n>c)?",
      "[\\u0061-c]\\x31",
    ];
    const texts = fc
      .array(fc.constantFrom("a", "b", "c", "1", "é", " ", "🦙"), { maxLength: 5 })
      .map((list) => list.join(""));
    for (const pattern of patterns) {
      const grammar = grammarOf({ type: "string", pattern });
      const regExp = new RegExp(pattern, "u");
      fc.assert(
        fc.property(texts, (text) => {
          expect([pattern, text, matches(grammar, JSON.stringify(text))]).toEqual([pattern, text, regExp.test(text)]);
        }),
        { numRuns: 100 },
      );
    }
  });

  it("read every escape of a class and of a pattern as JavaScript does", () => {
    const classes = [
      "\\b",
      "\\t\\n\\v\\f\\r",
      "\\0",
      "\\cA-\\cZ",
      "\\x41-\\x5a",
      "\\u{41}-\\u{1F600}",
      "\\ud83d\\ude00",
    ];
    classes.push(
      "\\-\\]\\^\\\\",
      "\\d\\s",
      "\\W",
      "a\\S",
      "\\b-\\r",
      "\\ud83dA",
      "\\ud83d\\u0041",
      "\\udc00-\\uffff",
      "--/",
    );
    const outside = [
      "\\0",
      "\\cJ",
      "\\ca",
      "\\x0a",
      "\\u000b",
      "\\u{8}",
      "\\ud83d\\ude00",
      "\\ud83d\\u0041",
      "\\ud83d",
      "\\$",
      "\\/",
    ];
    const patterns = [
      ...classes.flatMap((inside) => [`[${inside}]`, `[^${inside}]`]),
      "[^]",
      "[]",
      ".",
      "\\D",
      ...outside,
    ];
    const alphabet = [
      ...Array(0x110).keys(),
      0x1680,
      0x2028,
      0x3000,
      0xd7ff,
      0xe000,
      0xfeff,
      0xffff,
      0x1f600,
      0x10ffff,
    ];
    for (const pattern of patterns) {
      const grammar = grammarOf({ type: "string", pattern: `^(${pattern}|some text)$` });
      const regExp = new RegExp(`^${pattern}$`, "u");
      for (const text of alphabet.map((codePoint) => String.fromCodePoint(codePoint))) {
        expect([pattern, text, matches(grammar, JSON.stringify(text))]).toEqual([pattern, text, regExp.test(text)]);
      }
    }
  });

  it("write no label of a host that looks like Punycode", () => {
    const hosts = { hostname: "", email: "a@", uri: "https://" } as const;
    for (const [format, before] of Object.entries(hosts)) {
      const grammar = grammarOf({ type: "string", format });
      const accepts = (host: string) => matches(grammar, JSON.stringify(`${before}${host}.com`));
      for (const host of ["xn--abc", "xn--", "ab--c", "a---b", "a.xn--x", "a-", "-a"])
        expect([host, accepts(host)]).toEqual([host, false]);
      for (const host of ["a", "ab", "xn", "xn-a", "a-b", "a--b", "abc--d", "a.b1-c", "abcdefgh-1234567"]) {
        expect([host, accepts(host)]).toEqual([host, true]);
      }
    }
  });

  it("match a pattern and a length, or a pattern and a format", () => {
    const texts = fc
      .array(fc.constantFrom("a", "b", "é", "🦙", "\n", '"'), { maxLength: 6 })
      .map((list) => list.join(""));
    const lengths = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 3, max: 5 }));
    for (const pattern of ["^[a-é]*$", "a.b", "^(a|ab|b🦙)+$", "a$|^\\n"]) {
      fc.assert(
        fc.property(texts, lengths, (text, [minLength, maxLength]) => {
          const schema = { type: "string", pattern, minLength, maxLength };
          const expected = ajv.validate(schema, text);
          expect([schema, text, matches(grammarOf(schema), JSON.stringify(text))]).toEqual([schema, text, expected]);
        }),
        { numRuns: 60 },
      );
    }
    const both = { type: "string", pattern: "^[0-4-]+$", format: "uuid" };
    const text = randomText(grammarOf(both), 50, randomStream(1));
    expect([text, ajv.validate(both, JSON.parse(text))]).toEqual([text, true]);
    // A format of zod's beside a pattern that already says everything.
    const starts = grammarOf({ type: "string", pattern: "^ab.*", format: "starts_with", maxLength: 3 });
    expect(['"abc"', '"abcd"', '"b"'].map((one) => matches(starts, one))).toEqual([true, false, false]);
    const impossible = { type: "string", pattern: "^abc$", maxLength: 2 };
    expect(errorOf(() => grammarOf(impossible)).code).toBe("GRAMMAR_EMPTY");
  });

  it("leave room: white space, escapes, missing and additional properties", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string", maxLength: 3 }, b: { type: ["integer", "null"] } },
      required: ["b"],
      additionalProperties: { type: "boolean" },
    };
    const grammar = grammarOf(schema);
    for (const text of [
      '{"a":"x","b":1}',
      '{"b": null}',
      '{\n  "b": -5,\n  "c": true\n}',
      '{"a": "\\u00e9\\n🦙", "b": 0, "ab": false}',
      '{"b":1,"":true,"x":false}',
    ]) {
      expect([text, matches(grammar, text)]).toEqual([text, true]);
    }
    for (const text of [
      "{}",
      '{"a":"x"}',
      '{"b":1,"a":"x"}',
      '{"a":"xxxx","b":1}',
      '{"b":1,"a":true}',
      '{"b":1,"\\u0061":true}',
      '{"b":1,}',
      '{"b":1.5}',
      '{"b":1}}',
      '{"a":"\\ud800","b":1}',
    ]) {
      expect([text, matches(grammar, text)]).toEqual([text, false]);
    }
  });

  it("have the names that propertyNames allows, as zod writes records", () => {
    const any = grammarOf({
      type: "object",
      propertyNames: { type: "string" },
      additionalProperties: { type: "null" },
    });
    for (const text of ["{}", '{"x":null,"y":null}']) expect(matches(any, text)).toBe(true);
    const some = grammarOf({
      type: "object",
      propertyNames: { type: "string", enum: ["a", "b"] },
      properties: { b: { const: 2 }, c: true },
      additionalProperties: { type: "null" },
      required: ["a"],
    });
    for (const text of ['{"a":null}', '{"a":null,"b":2}']) expect(matches(some, text)).toBe(true);
    for (const text of ["{}", '{"a":null,"b":null}', '{"a":null,"c":1}']) expect(matches(some, text)).toBe(false);
    expect(errorOf(() => grammarOf({ type: "object", propertyNames: false, required: ["a"] })).code).toBe(
      "GRAMMAR_EMPTY",
    );
    expect(matches(grammarOf({ type: "object", propertyNames: false }), "{}")).toBe(true);
  });

  it("are what the whole schema allows", () => {
    const value = grammarOf(true);
    for (const text of ["{}", "[1, {}]", '"x"', "-1.5e+3", "null"]) expect(matches(value, text)).toBe(true);
    expect(grammarOf({ const: { b: [1, "x"], a: null } }).shortest).toBeGreaterThan(5);
    expect(matches(grammarOf({ type: "array", maxItems: 0 }), "[]")).toBe(true);
    expect(matches(grammarOf({ properties: { a: { type: "null" } } }), '{"a":null}')).toBe(true);
    for (const schema of [
      false,
      { type: "integer", minimum: 3, maximum: 2 },
      { type: "object", properties: { a: false }, required: ["a"] },
      { enum: [] },
      { allOf: [{ type: "string" }, { type: "null" }] },
      { $ref: "#/$defs/a", $defs: { a: { type: "array", items: { $ref: "#/$defs/a" }, minItems: 1 } } },
    ]) {
      expect([schema, errorOf(() => grammarOf(schema)).code]).toEqual([schema, "GRAMMAR_EMPTY"]);
    }
  });
});

describe("refusals", () => {
  it.each<[string, JsonSchema, string]>([
    ["not", { properties: { a: { not: { type: "null" } } } }, "#/properties/a"],
    ["if", { if: { type: "null" } }, "#"],
    ["patternProperties", { type: "object", patternProperties: { "^a": true } }, "#"],
    ["propertyNames", { type: "object", propertyNames: { maxLength: 3 } }, "#"],
    ["dependentRequired", { dependentRequired: { a: ["b"] } }, "#"],
    ["unevaluatedProperties", { unevaluatedProperties: false }, "#"],
    ["uniqueItems", { type: "array", items: { type: "integer" }, uniqueItems: true }, "#"],
    ["contains", { type: "array", contains: { type: "integer" } }, "#"],
    ["multipleOf", { items: { type: "integer", multipleOf: 7 } }, "#/items"],
    ["minProperties", { type: "object", minProperties: 2 }, "#"],
    ["maxProperties", { type: "object", maxProperties: 2 }, "#"],
    ["format", { $defs: { f: { type: "string", format: "regex" } }, $ref: "#/$defs/f" }, "#/$defs/f"],
    ["format", { type: "string", format: "uuid", maxLength: 10 }, "#"],
    ["pattern", { type: "string", pattern: "^(?=a)b" }, "(?="],
    ["pattern", { type: "string", pattern: "(a)\\1" }, "\\1"],
    ["pattern", { type: "string", pattern: "a$b" }, "$ anywhere"],
    ["format", { type: "string", pattern: "a", format: "regex" }, "#"],
    ["oneOf", { oneOf: [{ type: "integer" }, { type: "number" }] }, "0 and 1"],
    ["$ref", { $ref: "https://example.com/schema" }, "example.com"],
    ["maxLength", { enum: ["a", "b"], maxLength: 3 }, "#"],
    ["minimum", { type: "number", minimum: 1e-30 }, "#"],
    ["pattern", { allOf: [{ pattern: "a" }, { pattern: "b" }] }, "#/allOf/1"],
    ["unknownWord", { unknownWord: 1 }, "#"],
  ])("%s in %j", (keyword, schema, part) => {
    const error = errorOf(() => grammarOf(schema));
    expect(error).toBeInstanceOf(UnsupportedError);
    expect([error.code, error.message]).toEqual(["UNSUPPORTED_SCHEMA", expect.stringContaining(`"${keyword}" at `)]);
    expect(error.message).toContain(part);
  });

  it.each<[unknown, string]>([
    [null, "expected a schema"],
    [{ type: "text" }, '"text" is not a type'],
    [{ type: "object", properties: [] }, "properties"],
    [{ type: "object", required: "a" }, "required"],
    [{ minLength: -1, type: "string" }, "minLength"],
    [{ $ref: "#/$defs/none" }, "has no"],
    [{ $ref: "#" }, "back to itself"],
    [{ type: "string", pattern: "(" }, "pattern"],
    [{ anyOf: {} }, "array of schemas"],
    [{ oneOf: [{ type: "object", required: "a" }, { type: "object" }] }, "required"],
    [{ oneOf: [{ type: "object" }, { type: "object", required: ["a"], properties: 5 }] }, "properties"],
    [
      {
        oneOf: [
          { type: "object", required: ["a"] },
          { type: "object", additionalProperties: 1 },
        ],
      },
      "a schema",
    ],
    [{ allOf: [{ type: "object", required: "ab" }, { type: "object" }] }, "required"],
    [{ allOf: [{ type: "object", properties: 5 }, { type: "object" }] }, "properties"],
    [{ allOf: [{ type: "array", prefixItems: "ab" }, { type: "array" }] }, "array of schemas"],
    [{ type: "integer", minimum: "1" }, "minimum"],
  ])("what is not a schema: %j", (schema, part) => {
    const error = errorOf(() => grammarOf(schema as JsonSchema));
    expect([error.code, error.message]).toEqual(["SCHEMA_INVALID", expect.stringContaining(part)]);
  });

  it("ends hostile schemas at once", () => {
    let deep: JsonSchema = { type: "null" };
    for (let i = 0; i < 5000; i++) deep = { type: "array", items: deep };
    const doubled = {
      $defs: Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [
          `d${i}`,
          {
            allOf: [
              { properties: { a: { $ref: `#/$defs/d${i + 1}` } } },
              { properties: { a: { $ref: `#/$defs/d${i + 1}` } } },
            ],
          },
        ]),
      ),
      $ref: "#/$defs/d0",
    };
    const recursive = {
      $defs: { a: { properties: { x: { $ref: "#/$defs/a" } } }, b: { properties: { x: { $ref: "#/$defs/b" } } } },
      allOf: [{ $ref: "#/$defs/a" }, { $ref: "#/$defs/b" }],
    };
    for (const schema of [
      deep,
      doubled,
      recursive,
      { type: "string", maxLength: 10_000_000 },
      { type: "string", pattern: "^(a{1,999}){1,999}$" },
      { type: "array", items: { type: "array", minItems: 9999, maxItems: 9999 }, maxItems: 1e9 },
      { allOf: Array.from({ length: 5000 }, (_, i) => ({ properties: { [`p${i}`]: true } })) },
      { oneOf: Array.from({ length: 5000 }, (_, i) => ({ const: i })) },
      { type: "string", pattern: "^(a|b)*a(a|b){40}$", minLength: 3 },
    ]) {
      const begin = performance.now();
      expect(errorOf(() => grammarOf(schema)).code).toMatch(/^(SCHEMA_|UNSUPPORTED_SCHEMA|GRAMMAR_)/);
      expect(performance.now() - begin).toBeLessThan(5000);
    }
  });
});

describe("generation", () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(fileURLToPath(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url)), {
      threads: 2,
      contextSize: 512,
    });
  });
  afterAll(() => model.dispose());

  /** CRIA_SCHEMAS=500 runs the full test. */
  const schemas = Number(process.env["CRIA_SCHEMAS"] ?? 50);

  it(`gives valid JSON for ${schemas} random schemas at temperature 1.5`, {
    timeout: 60_000 + 1000 * schemas,
  }, async () => {
    for (let seed = 1; seed <= schemas; seed++) {
      const schema = randomSchema(randomStream(1000 + seed));
      const options = { temperature: 1.5, topK: 0, topP: 1, minP: 0, seed };
      const ask = (maxTokens: number) => model.completeJson("Once upon a time", schema, { ...options, maxTokens });
      let least = 1;
      const brief = await ask(1).catch((error) => {
        expect([JSON.stringify(schema), error.code]).toEqual([JSON.stringify(schema), "BUDGET_TOO_SMALL"]);
        least = Number(/has (\d+) tokens/.exec(error.message)![1]);
        return ask(least);
      });
      for (const result of [brief, await ask(least + 20 * (seed % 8))]) {
        const verdict = ajv.validate(schema, result.object);
        expect([JSON.stringify(schema), result.text, verdict]).toEqual([JSON.stringify(schema), result.text, true]);
      }
    }
  });

  it("closes within the budget, or refuses it before it generates", async () => {
    const schema = {
      type: "object",
      properties: { story: { type: "string" }, tags: { type: "array", items: { type: "string" } } },
      required: ["story", "tags"],
    };
    const { message } = await model.completeJson("Hi", schema, { maxTokens: 1 }).catch((error) => error);
    const shortest = Number(/has (\d+) tokens/.exec(message)![1]);
    await expect(model.completeJson("Hi", schema, { maxTokens: shortest - 1 })).rejects.toMatchObject({
      code: "BUDGET_TOO_SMALL",
    });
    for (const more of [0, 1, 2, 3, 5, 8, 13, 40]) {
      const { object, tokens, finishReason } = await model.completeJson<{ story: string }>("Hi", schema, {
        maxTokens: shortest + more,
        seed: more,
      });
      expect(ajv.validate(schema, object)).toBe(true);
      expect(tokens.length).toBeLessThanOrEqual(shortest + more);
      expect(finishReason).toBe("stop");
    }
  });

  it("refuses what is larger than any stack, and a schema that is missing", async () => {
    const schema = { type: "string", pattern: `^${"a".repeat(200_000)}$` };
    await expect(model.completeJson("Hi", schema)).rejects.toMatchObject({ code: "GRAMMAR_TOO_LARGE" });
    const missing = undefined as unknown as JsonSchema;
    await expect(model.completeJson("Hi", missing)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  it("works in chats, and says what is wrong with its options", async () => {
    const chat = model.chat();
    const { text } = await chat.ask("Hello", { jsonSchema: { enum: ["yes", "no"] }, maxTokens: 20 });
    expect(['"yes"', '"no"']).toContain(text);
    chat.dispose();
    const codes = [
      model.complete("Hi", { jsonSchema: true, grammar: 'root ::= "a"' }),
      model.complete("Hi", { jsonSchema: { type: "string", contains: 1 } }),
      model.completeJson("Hi", true, { stop: "}" } as object),
      model.complete("Hi", { jsonSchema: 3 as unknown as JsonSchema }),
    ].map((call) => call.catch(({ code }) => code));
    expect(await Promise.all(codes)).toEqual([
      "INVALID_OPTION",
      "UNSUPPORTED_SCHEMA",
      "INVALID_OPTION",
      "SCHEMA_INVALID",
    ]);
  });
});
