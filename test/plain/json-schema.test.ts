// JSON schemas: every text that a grammar allows parses and is valid by ajv, for random schemas, random texts and any budget. What is
// not supported is refused by its name and place.

import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import formatsPlugin from "ajv-formats";
import { CriaError, type JsonSchema, loadModel, type Model, UnsupportedError } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { grammarOfSchema } from "../../dist/grammar/index.js";
import fc from "../support/fast-check.js";
import { randomSchema } from "../support/random-schema.js";
import { grammarOf, matches, randomText } from "../support/schema-texts.js";
import { randomStream } from "../support/seed.js";

const ajv = new Ajv2020({ strict: false });
formatsPlugin.default(ajv);

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

  it("are integers of up to 19 digits, so that identifiers survive, and other numbers of up to 15", () => {
    const identifier = "1098765432109876543";
    for (const schema of [
      { type: "integer" },
      { type: "integer", minimum: 0 },
      { type: "integer", maximum: 2 ** 63 },
    ]) {
      const grammar = grammarOf(schema);
      for (const text of [identifier, "0", "9999999999999999999"]) {
        const fits = !(text.startsWith("9") && "maximum" in schema);
        expect([schema, text, matches(grammar, text)]).toEqual([schema, text, fits]);
      }
      expect(matches(grammar, "10000000000000000000")).toBe(false);
    }
    const safe = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
    const bounded = grammarOf({ type: "integer", ...safe });
    for (const text of ["-9007199254740991", "9007199254740991"]) expect(matches(bounded, text)).toBe(true);
    for (const text of ["-9007199254740992", "9007199254740992"]) expect(matches(bounded, text)).toBe(false);
    expect(["0", "5"].map((text) => matches(grammarOf({ type: "integer", exclusiveMinimum: 0 }), text))).toEqual([
      false,
      true,
    ]);
    const number = grammarOf({ type: "number", ...safe });
    for (const text of ["-999999999999999", "0", "999999999999999.5"]) expect(matches(number, text)).toBe(true);
    expect(matches(number, "1000000000000000")).toBe(false);
    const positive = grammarOf({ type: "number", exclusiveMinimum: 0, maximum: 1e308 });
    expect(["0", "1", "-1"].map((text) => matches(positive, text))).toEqual([false, true, false]);
    for (const schema of [{ minimum: 1e15 }, { maximum: -1e15 }, { exclusiveMaximum: 1e15 }]) {
      expect(errorOf(() => grammarOf({ type: "number", ...schema })).code).toBe("UNSUPPORTED_SCHEMA");
    }
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
    const hosts = { hostname: "", email: "a@" } as const;
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

/** What a grammar says of each value, beside what ajv says. */
function compare(schema: JsonSchema, values: readonly unknown[]): void {
  const grammar = grammarOf(schema);
  const isValid = ajv.compile(schema);
  const said = values.map((value) => [value, matches(grammar, JSON.stringify(value))]);
  expect([schema, said]).toEqual([schema, values.map((value) => [value, isValid(value)])]);
}

/** A linter takes an object with a literal `then` for a promise. */
const conditional = (...parts: readonly JsonSchema[]): Record<string, JsonSchema> =>
  Object.fromEntries("if then else".split(" ").map((word, i) => [word, parts[i]!]));

describe("what is put together", () => {
  const texts = ["", "a", "b", "ab", "ba", "aab", "c", "é", "🦙"];
  const objects = [
    ...[{}, { a: 1 }, { b: 1 }, { a: 1, b: 1 }, { a: "x" }, { a: "x", b: 1 }, { a: 2, b: 2 }],
    ...[{ x_a: 1 }, { x_a: "1" }, { a: 1, x_a: 1 }, { y: 1 }],
  ];

  const lists = [[], [1], [2], [2, 2], [1, 2], [1, "a"], ["a"], [3, 2, 2], [2, 1, 3], [2, 2, 2]];

  it.each<[string, JsonSchema, readonly unknown[]]>([
    ["not of a type", { not: { type: ["string", "null"] } }, ["a", null, 1, true, [], {}]],
    ["not an integer", { type: "number", not: { type: "integer" } }, [1, 1.5, -2, -0.25, 0]],
    ["not of some values", { type: ["string", "integer"], not: { enum: ["a", 3, "ab"] } }, [...texts, 1, 3, 33]],
    ["not of a pattern", { type: "string", not: { pattern: "^a" } }, texts],
    ["not of a length", { type: "string", not: { minLength: 1, maxLength: 1 } }, texts],
    ["not between bounds", { type: "integer", not: { minimum: 2, maximum: 5 } }, [1, 2, 3, 5, 6]],
    ["not with a property", { type: "object", not: { required: ["a"] }, additionalProperties: true }, objects],
    [
      "not with a value of a property",
      { type: "object", additionalProperties: true, not: { properties: { a: { const: 1 } }, required: ["a"] } },
      objects,
    ],
    ["not not", { not: { not: { type: "null" } } }, [null, 1]],
    ["never", { type: "object", properties: { a: { not: {} } }, additionalProperties: { type: "integer" } }, objects],
    ["oneOf, of which one is part of the other", { oneOf: [{ type: "integer" }, { type: "number" }] }, [1, 1.5]],
    ["oneOf of ranges that meet", { type: "integer", oneOf: [{ maximum: 5 }, { minimum: 3 }] }, [2, 3, 4, 5, 6]],
    ["oneOf of patterns", { type: "string", oneOf: [{ pattern: "^a" }, { pattern: "b$" }] }, texts],
    [
      "oneOf of what is required",
      { type: "object", additionalProperties: true, oneOf: [{ required: ["a"] }, { required: ["b"] }] },
      objects,
    ],
    [
      "oneOf of objects that are closed",
      {
        oneOf: [
          {
            type: "object",
            properties: { a: { type: "integer" }, b: {} },
            required: ["a"],
            additionalProperties: false,
          },
          { type: "object", properties: { a: { type: "integer" } }, required: ["a"], additionalProperties: false },
        ],
      },
      objects,
    ],
    ["two patterns", { type: "string", allOf: [{ pattern: "a" }, { pattern: "b" }] }, texts],
    ["a pattern that looks ahead", { type: "string", pattern: "^(?!aa)(?=.*b).+$" }, texts],
    ["a pattern that looks ahead from within", { type: "string", pattern: "a(?!b)" }, texts],
    ["a pattern in a group with its ends", { type: "string", pattern: "(^a$|^b+$)" }, texts],
    ["a property of Unicode", { type: "string", pattern: "^\\p{L}+$" }, [...texts, "1", "a1"]],
    [
      "values beside other keywords",
      { enum: ["a", "ab", 1, 12, null], minLength: 2, maximum: 5 },
      ["a", "ab", 1, 12, null],
    ],
    [
      "a value beside properties",
      { enum: [{ a: 1 }, { a: "x" }, { b: 1 }], properties: { a: { type: "string" } } },
      [{ a: 1 }],
    ],
    [
      "patternProperties alone",
      { type: "object", patternProperties: { "^x_": { type: "integer" } } },
      [{}, { x_a: 1 }, { x_a: "1" }],
    ],
    [
      "patternProperties beside properties and others",
      {
        type: "object",
        properties: { a: { type: "integer" } },
        patternProperties: { "^x_": { type: "integer" }, _a$: { minimum: 1 } },
        additionalProperties: { type: "string" },
      },
      [...objects, { x_a: 0 }, { x_b: 0 }, { y: "1" }],
    ],
    ["propertyNames", { type: "object", propertyNames: { pattern: "^[ab]$" }, additionalProperties: true }, objects],
    [
      "minProperties",
      { type: "object", properties: { a: true }, minProperties: 2, additionalProperties: { type: "integer" } },
      objects,
    ],
    [
      "maxProperties",
      { type: "object", maxProperties: 1, properties: { a: true, b: true }, additionalProperties: true },
      objects,
    ],
    [
      "minProperties of what is named",
      { type: "object", minProperties: 1, properties: { a: true, b: true }, additionalProperties: false },
      objects,
    ],
    [
      "if, then, else",
      conditional({ type: "string" }, { minLength: 2 }, { type: "integer" }),
      [...texts, 1, 1.5, null],
    ],
    [
      "if a property has a value",
      {
        type: "object",
        properties: { a: {}, b: {} },
        additionalProperties: false,
        ...conditional({ properties: { a: { const: 1 } }, required: ["a"] }, { required: ["b"] }, { maxProperties: 1 }),
      },
      objects,
    ],
    ["dependentRequired", { type: "object", dependentRequired: { a: ["b"] }, additionalProperties: true }, objects],
    [
      "dependentSchemas",
      { type: "object", properties: { a: {}, b: {} }, dependentSchemas: { a: { properties: { b: { const: 2 } } } } },
      [{}, { a: 1 }, { b: 1 }, { a: 1, b: 1 }, { a: 2, b: 2 }],
    ],
    [
      "unevaluatedProperties",
      { allOf: [{ properties: { a: { type: "integer" } } }], type: "object", unevaluatedProperties: false },
      objects,
    ],
    [
      "uniqueItems of values",
      { type: "array", items: { enum: [1, 2, "a"] }, uniqueItems: true, minItems: 1 },
      [[], [1], [1, 2], [2, 1, "a"], [1, 1], [1, 2, 1], ["b"]],
    ],
    ["contains", { type: "array", contains: { type: "integer", minimum: 2 } }, lists],
    [
      "contains beside items",
      { type: "array", items: { type: "integer" }, contains: { const: 2 }, maxItems: 2 },
      lists,
    ],
    ["contains, counted", { type: "array", contains: { const: 2 }, minContains: 2, maxContains: 2 }, lists],
    ["contains of none", { type: "array", contains: { const: 2 }, minContains: 0 }, lists],
    ["contains of distinct items", { type: "array", contains: { const: 2 }, uniqueItems: true, minItems: 2 }, lists],
    ["not contains", { type: "array", not: { contains: { const: 2 } } }, lists],
    ["not of items", { type: "array", not: { items: { type: "integer" } } }, lists],
    [
      "not of items with a place",
      { type: "array", not: { prefixItems: [{ const: 1 }, { const: 2 }] }, items: true },
      lists,
    ],
    [
      "dependence on items",
      { type: "array", items: true, ...conditional({ items: { const: 2 } }, { maxItems: 1 }, true) },
      lists,
    ],
    [
      "twenty conditions, of which one holds",
      {
        type: "object",
        properties: { kind: { enum: Array.from({ length: 20 }, (_, i) => i) }, a: { type: "integer" } },
        required: ["kind"],
        allOf: Array.from({ length: 20 }, (_, i) =>
          conditional({ properties: { kind: { const: i } } }, { properties: { a: { const: i } } }, true),
        ),
      },
      [{}, { kind: 3 }, { kind: 3, a: 3 }, { kind: 3, a: 4 }, { kind: 19, a: 19 }, { kind: 20 }],
    ],
    [
      "six patterns of names",
      {
        type: "object",
        patternProperties: Object.fromEntries([..."abcdef"].map((letter, i) => [`^${letter}`, { const: i }])),
        additionalProperties: false,
      },
      [{}, { a: 0 }, { a: 1 }, { b: 1, fx: 5 }, { x: 0 }],
    ],
    [
      "oneOf of what cannot be turned round",
      {
        oneOf: [
          { type: "array", items: { type: "integer" }, uniqueItems: true },
          { type: "array", items: { type: "integer" }, minItems: 3 },
        ],
      },
      [[], [1], [1, 1], [1, 2, 3]],
    ],
    [
      "integers of 32 bits",
      { type: "integer", format: "int32" },
      [0, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1],
    ],
    [
      "multiples, as they are divided",
      { type: "number", multipleOf: 0.01 },
      [0, 1, 0.07, 34.4, 34.44, 19.99, 1234, 5e5],
    ],
    ["multiples of a tenth", { type: "number", multipleOf: 0.1 }, [0.1, 0.2, 0.3, 1, 1.1, 4.9, 0.25, 99999]],
    ["multiples, of many digits", { type: "integer", multipleOf: 7 }, [7, 7e14, 7e14 + 1]],
    [
      "numbers of many digits",
      { type: "number", minimum: 0 },
      [0.8515272772056053, 1e-7, 123.45600000000002, -1e-9, 1e21],
    ],
    ["numbers below a bound", { type: "number", exclusiveMaximum: 3 }, [2.99999999999999, 1.2345678901234567, 3, -1e5]],
    ["multiples", { type: "integer", multipleOf: 7 }, [0, 7, -14, 15, 700, 1]],
    ["multiples between bounds", { type: "integer", multipleOf: 5, minimum: 12, maximum: 31 }, [10, 12, 15, 30, 35]],
    ["multiples of a fraction", { type: "number", multipleOf: 0.25 }, [0, 0.25, 1.5, -2.75, 0.3, 10]],
    ["an anchor", { $ref: "#here", $defs: { a: { $anchor: "here", type: "null" } } }, [null, 1]],
    [
      "a name",
      { $ref: "inner", $id: "https://example.com/root", $defs: { a: { $id: "inner", type: "null" } } },
      [null, 1],
    ],
  ])("%s", (_, schema, values) => compare(schema, values));

  it("recursion beside other keywords, as frameworks write it", () => {
    const node = {
      type: "object",
      properties: {
        next: { description: "the next one", allOf: [{ $ref: "#/$defs/node" }] },
        other: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] },
        maybe: { nullable: true, $ref: "#/$defs/node" },
      },
      additionalProperties: false,
    };
    const grammar = grammarOf({ $ref: "#/$defs/node", $defs: { node } });
    for (const text of ["{}", '{"next":{"next":{}}}', '{"other":{"other":null}}', '{"maybe":{}}']) {
      expect([text, matches(grammar, text)]).toEqual([text, true]);
    }
    expect(matches(grammar, '{"next":null}')).toBe(false);
    const twice = {
      $defs: {
        a: { properties: { x: { $ref: "#/$defs/a" }, n: { type: "integer" } } },
        b: { properties: { x: { $ref: "#/$defs/b" }, n: { minimum: 3 } } },
      },
      allOf: [{ $ref: "#/$defs/a" }, { $ref: "#/$defs/b" }],
    };
    const both = grammarOf(twice);
    expect(['{"x":{"x":{"n":4}}}', '{"x":{"n":2}}'].map((text) => matches(both, text))).toEqual([true, false]);
  });

  it("ignores words that no draft defines, and says which", () => {
    const schema = { "x-order": 1, markdownDescription: "a", properties: { a: { discriminator: {}, links: [] } } };
    expect([...grammarOfSchema(schema).ignored]).toEqual([
      ["x-order", "#"],
      ["markdownDescription", "#"],
      ["discriminator", "#/properties/a"],
      ["links", "#/properties/a"],
    ]);
  });

  it("characters beyond U+FFFF, as two escapes", () => {
    const grammar = grammarOf({ type: "string", maxLength: 1 });
    const texts = ['"\\ud83e\\udd99"', '"\\ud83e"', '"\\udd99\\ud83e"', '"\\uD83E\\uDD99"', '"\\ud83ex"'];
    expect(texts.map((text) => matches(grammar, text))).toEqual([true, false, false, true, false]);
    const distinct = grammarOf({ type: "array", uniqueItems: true });
    expect(matches(distinct, '["🦙","\\ud83e\\udd99"]')).toBe(false);
  });

  it("a reference that could be dynamic, where there is one anchor", () => {
    const grammar = grammarOf({ items: { $dynamicRef: "#a" }, $defs: { a: { $dynamicAnchor: "a", type: "integer" } } });
    expect(["[1,2]", '["a"]'].map((text) => matches(grammar, text))).toEqual([true, false]);
  });

  it("JSON Schema's own schemas, by their URIs", () => {
    const said = (draft: number, value: unknown) => {
      const grammar = grammarOf({ $ref: `http://json-schema.org/draft-0${draft}/schema#` });
      return matches(grammar, JSON.stringify(value));
    };
    for (const value of [{}, { type: "object" }, { items: [{ minimum: 1 }], minLength: 1 }, { enum: ["a", "b"] }]) {
      expect([4, 6, 7].map((draft) => [draft, value, said(draft, value)])).toEqual([
        [4, value, true],
        [6, value, true],
        [7, value, true],
      ]);
    }
    for (const value of [{ type: "odd" }, { minLength: -1 }, { items: [{ minimum: "1" }] }, { enum: "a" }, 1]) {
      expect([4, 6, 7].map((draft) => [draft, value, said(draft, value)])).toEqual([
        [4, value, false],
        [6, value, false],
        [7, value, false],
      ]);
    }
    expect([true, { exclusiveMinimum: 1 }].map((value) => [said(4, value), said(7, value)])).toEqual([
      [false, true],
      [false, true],
    ]);
    const both = grammarOf({
      prefixItems: [
        { $ref: "http://json-schema.org/draft-04/schema" },
        { $ref: "https://json-schema.org/draft-07/schema#/properties/not" },
      ],
    });
    expect(["[{},true]", '[{"not":true},{}]', '[{},{"not":true}]'].map((text) => matches(both, text))).toEqual([
      true,
      false,
      true,
    ]);
  });

  it("what a string holds", () => {
    const json = grammarOf({ type: "string", contentMediaType: "application/json" });
    const held = ['{"a":[1,"x",null]}', "[]", "1.5", "{:}", "[1,]", "", "x"];
    const said = held.map((text) => [text, matches(json, JSON.stringify(text))]);
    expect(said.map(([, one]) => one)).toEqual([true, true, true, false, false, false, false]);
    const base64 = grammarOf({ type: "string", contentEncoding: "base64" });
    expect(['"aGk="', '"a"', '"a%k="'].map((text) => matches(base64, text))).toEqual([true, false, false]);
    const $schema = "https://json-schema.org/draft/2020-12/schema";
    expect(matches(grammarOf({ $schema, type: "string", contentMediaType: "application/json" }), '"{:}"')).toBe(true);
  });

  it("formats as wide as their standards", () => {
    const valid: Readonly<Record<string, readonly string[]>> = {
      date: ["2024-02-29", "2000-02-29", "2023-02-28"],
      time: ["23:59:59Z", "01:02:03.123456789+05:30"],
      "date-time": ["2024-02-29T00:00:00Z"],
      duration: ["P1Y2M3D", "PT1H2M3S", "P4W", "P1DT12H"],
      uuid: ["123E4567-E89B-12D3-A456-426614174000"],
      email: ["John.Doe+tag@Mail.Example.COM", "o'neil@example.org"],
      hostname: ["a-label-of-many-characters-that-is-longer-than-sixteen.example.com"],
      ipv6: ["::1", "fe80::1", "2001:db8::ff00:42:8329", "::ffff:192.0.2.1"],
      uri: ["https://user@example.com:8080/a%20b?q=1&r=2#top", "urn:isbn:0451450523", "mailto:a@b.c", "ftp://[::1]/x"],
      "uri-reference": ["../a?b#c", "//example.com/x", "#frag", "a/b"],
      "uri-template": ["/users/{id}{?page,size}", "{+path}/here"],
      url: ["http://example.com/a?b=c"],
      regex: ["^[a-z]+(foo|bar)?\\d{2}$"],
      "json-pointer": ["", "/a~1b/0/m~0n"],
      "relative-json-pointer": ["0#", "1/a/b"],
      "json-pointer-uri-fragment": ["#", "#/a%20b/~0"],
      iri: ["https://例え.jp/ü?é#日", "urn:a:b"],
      "iri-reference": ["/ü", ""],
      "idn-email": ["a@b.co"],
      "idn-hostname": ["a.example"],
      byte: ["", "aGVsbG8=", "aGk="],
    };
    const invalid: Readonly<Record<string, readonly string[]>> = {
      date: ["2023-02-29", "1900-02-29", "2024-13-01"],
      duration: ["P", "PT", "P1H", "1Y"],
      email: ["a@", "@b.c", "a b@c.d"],
      ipv6: ["1::2::3", ":::", "12345::"],
      uri: ["no scheme", "/relative", "http://a b"],
      byte: ["a", "aGVsbG8"],
      "json-pointer": ["a", "/~2"],
    };
    for (const [format, texts] of Object.entries(valid)) {
      const schema = { type: "string", format };
      const grammar = grammarOf(schema);
      const isValid = ajv.compile(schema);
      for (const text of texts) {
        expect([format, text, isValid(text)]).toEqual([format, text, true]);
        expect([format, text, matches(grammar, JSON.stringify(text))]).toEqual([format, text, true]);
      }
      for (const text of invalid[format] ?? []) {
        expect([format, text, matches(grammar, JSON.stringify(text))]).toEqual([format, text, false]);
      }
    }
  });
});

describe("refusals", () => {
  it.each<[string, JsonSchema, string]>([
    ["not", { properties: { a: { not: { uniqueItems: true } } } }, "#/properties/a"],
    ["not", { type: "object", not: { patternProperties: { a: false } } }, "#"],
    ["not", { not: { format: "date" } }, "#"],
    ["contains", { allOf: [{ type: "array", contains: { type: "integer" } }, { contains: { const: "a" } }] }, "#"],
    ["contains", { type: "array", prefixItems: [true], contains: { type: "integer" } }, "#"],
    ["unevaluatedItems", { type: "array", contains: { type: "integer" }, unevaluatedItems: false }, "#"],
    ["contentMediaType", { contentMediaType: "application/json", contentEncoding: "base64" }, "#"],
    ["$dynamicRef", { $dynamicRef: "#a", $defs: { a: { $dynamicAnchor: "a" }, b: { $dynamicAnchor: "a" } } }, "#"],
    [
      "$ref",
      {
        $id: "https://example.com/base/",
        $defs: { a: { $id: "https://example.com/a", type: "string" }, b: { $id: "a", type: "number" } },
        allOf: [{ $id: "https://example.com/", $ref: "a" }],
      },
      "say which by $schema",
    ],
    ["multipleOf", { items: { type: "integer", multipleOf: 1e-9 } }, "#/items"],
    ["minProperties", { type: "object", minProperties: 2 }, "#"],
    ["maxProperties", { type: "object", maxProperties: 200 }, "#"],
    [
      "patternProperties",
      { patternProperties: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`a${i}`, {}])) },
      "#",
    ],
    ["pattern", { type: "string", pattern: "a(?<=a)b" }, "(?<"],
    ["pattern", { type: "string", pattern: "(a)\\1" }, "\\1"],
    ["pattern", { type: "string", pattern: "a$b" }, "$ anywhere"],
    ["pattern", { type: "string", pattern: "\\bword" }, "\\b"],
    ["oneOf", { oneOf: [{ format: "date" }, { format: "time" }] }, "0 and 1"],
    ["$ref", { $ref: "https://example.com/schema" }, "example.com"],
    ["minimum", { type: "number", minimum: 1e-30 }, "#"],
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

  it("counts as far as it must", () => {
    for (const [schema, valid, invalid] of [
      [{ type: "string", maxLength: 10_000_000 }, `"${"a".repeat(20_000)}"`, "1"],
      [{ type: "string", maxLength: 300 }, `"${"é".repeat(300)}"`, `"${"é".repeat(301)}"`],
      [{ type: "string", minLength: 300 }, `"${"é".repeat(300)}"`, `"${"é".repeat(299)}"`],
      [{ type: "string", pattern: "^[a-z]+$", maxLength: 300 }, `"${"e".repeat(300)}"`, `"${"e".repeat(301)}"`],
      [{ type: "string", pattern: "^(a{1,999}){1,999}$" }, `"${"a".repeat(50)}"`, '""'],
      [
        { type: "array", items: { type: "array", minItems: 2000 }, maxItems: 1e9 },
        `[[1${",1".repeat(1999)}]]`,
        "[[1]]",
      ],
    ] as const) {
      const begin = process.cpuUsage();
      const grammar = grammarOf(schema);
      expect([schema, matches(grammar, valid), matches(grammar, invalid)]).toEqual([schema, true, false]);
      expect(process.cpuUsage(begin).user / 1000).toBeLessThan(5000);
    }
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
    for (const schema of [
      deep,
      doubled,
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

  it("tells of words in a schema, or in a tool's, that were ignored", async () => {
    const schema = { type: "boolean", markdownDescription: "a", "x-order": 1 };
    const { object, diagnostics } = await model.completeJson("Yes? ", schema, { maxTokens: 8 });
    expect(typeof object).toBe("boolean");
    expect(diagnostics).toEqual([
      '"markdownDescription" at # is ignored: JSON Schema does not define it',
      '"x-order" at # is ignored: JSON Schema does not define it',
    ]);
    const plain = await model.completeJson("Yes? ", { type: "boolean", title: "a" }, { maxTokens: 8 });
    expect("diagnostics" in plain).toBe(false);
  });

  it("refuses what is larger than any stack, and a schema that is missing", async () => {
    const schema = { type: "string", pattern: `^${"a".repeat(200_000)}$` };
    await expect(model.completeJson("Hi", schema)).rejects.toMatchObject({ code: "GRAMMAR_TOO_LARGE" });
    const missing = undefined as unknown as JsonSchema;
    await expect(model.completeJson("Hi", missing)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  it("takes keys in any order where it is asked to, and says what is wrong with that", async () => {
    const schema = { type: "object", properties: { b: { type: "integer" } }, required: ["b"], maxProperties: 2 };
    const options = { maxTokens: 60, temperature: 1.5, seed: 3 };
    const { object } = await model.completeJson("{", schema, { ...options, jsonForm: "any" });
    expect(ajv.validate(schema, object)).toBe(true);
    await expect(model.complete("Hi", { jsonSchema: true, jsonForm: "all" as "any" })).rejects.toThrow(
      'jsonForm must be one of schema, any; it is "all"',
    );
    await expect(model.complete("Hi", { jsonForm: "any" })).rejects.toThrow("there is no jsonSchema");
  });

  it("works in chats, and says what is wrong with its options", async () => {
    const chat = model.chat();
    const { text } = await chat.ask("Hello", { jsonSchema: { enum: ["yes", "no"] }, maxTokens: 20 });
    expect(['"yes"', '"no"']).toContain(text);
    chat.dispose();
    const codes = [
      model.complete("Hi", { jsonSchema: true, grammar: 'root ::= "a"' }),
      model.complete("Hi", { jsonSchema: { not: { uniqueItems: true } } }),
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
