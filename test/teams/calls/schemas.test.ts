// Schemas of libraries, and the types of what comes: of Zod's schemas, of JSON schemas that are written in the call or `as const`, and of
// those whose type nobody knows.

import { demoModel, type JsonSchema, type JsonValueOf, loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import * as z from "zod";
import { modelWithTemplate, toolTemplates } from "../../support/tool-models.js";

let model: Model;
beforeAll(async () => {
  model = await loadModel(demoModel, { threads: 1 });
});
afterAll(() => model.dispose());

const some = { maxTokens: 60, seed: 1 };

describe("a schema of Zod", () => {
  it("gives what it makes of the JSON, with its type", async () => {
    const schema = z.object({
      kind: z.enum(["fox"]),
      legs: z.literal(4).transform((legs) => `${legs} legs`),
      seen: z.boolean().default(true),
    });
    const { object, text } = await model.completeJson("a", schema, some);
    expect(object).toMatchObject({ kind: "fox", legs: "4 legs", seen: expect.any(Boolean) });
    expect(JSON.parse(text)).toMatchObject({ kind: "fox", legs: 4 });
    expectTypeOf(object).toEqualTypeOf<{ kind: "fox"; legs: string; seen: boolean }>();
  });

  it("goes wherever a JSON schema goes", async () => {
    const { text } = await model.complete("a", { ...some, jsonSchema: z.literal("b") });
    expect(text).toBe('"b"');
    const parameters = z.object({ city: z.enum(["Lima"]) });
    const talks = await modelWithTemplate(toolTemplates.hermes);
    const chat = talks.chat({ tools: [{ name: "weather", parameters }] });
    const { toolCalls } = await chat.ask("a", { ...some, toolChoice: "required" });
    expect(toolCalls![0]).toEqual({ name: "weather", arguments: { city: "Lima" } });
    // A session keeps the tools as JSON.
    const restored = await talks.restoreChat(await chat.save());
    const again = await restored.ask("a", { ...some, toolChoice: "required" });
    expect(again.toolCalls![0]).toEqual({ name: "weather", arguments: { city: "Lima" } });
    await talks.dispose();
  });

  it("that finds fault with what JSON Schema allows is an error with its issues", async () => {
    const odd = z.object({ n: z.literal(2).refine((n) => n % 2 === 1, "must be odd") });
    await expect(model.completeJson("a", odd, some)).rejects.toMatchObject({
      name: "GrammarError",
      code: "SCHEMA_REFUSED",
      message: expect.stringContaining("at n: must be odd"),
      cause: [expect.objectContaining({ path: ["n"] })],
    });
  });

  it("that cannot be written as JSON Schema is refused by what Zod says", async () => {
    await expect(model.completeJson("a", z.object({ day: z.date() }), some)).rejects.toMatchObject({
      code: "UNSUPPORTED_SCHEMA",
      message: expect.stringMatching(
        /^jsonSchema cannot be written as JSON Schema: zod says "Date cannot be represented/,
      ),
    });
  });
});

describe("a schema of another library", () => {
  const jsonSchema = { input: () => ({ const: 5 }), output: () => ({}) };

  it("may be a function, and may only write JSON Schema", async () => {
    const schema = Object.assign(() => {}, { "~standard": { version: 1, vendor: "mine", jsonSchema } as const });
    expect((await model.completeJson("a", schema, some)).object).toBe(5);
  });

  it("may take its time to check", async () => {
    const validate = async (value: unknown) => ({ value: [value] });
    const schema = { "~standard": { version: 1, vendor: "mine", jsonSchema, validate } as const };
    const { object } = await model.completeJson("a", schema, some);
    expect(object).toEqual([5]);
  });

  it.each([
    ["does not write JSON Schema", { version: 1, vendor: "zod", validate: () => ({ value: 1 }) }],
    ["has nothing in it", {}],
  ])("that %s is refused", async (_, standard) => {
    await expect(model.completeJson("a", { "~standard": standard } as never, some)).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringMatching(/^jsonSchema must be a JSON schema, or a schema that can be written as one/),
    });
  });
});

describe("the type of a result", () => {
  it("follows a schema that is written in the call, or const", async () => {
    const { object } = await model.completeJson(
      "a",
      { type: "object", properties: { a: { enum: [1] }, b: { type: "null" } }, required: ["a"] },
      some,
    );
    expectTypeOf(object).toEqualTypeOf<{ a: 1; b?: null }>();
    expect(object.a).toBe(1);
    const list = { type: "array", items: { const: "x" }, minItems: 1, maxItems: 2 } as const;
    expectTypeOf((await model.completeJson("a", list, some)).object).toEqualTypeOf<"x"[]>();
  });

  it("is what the call says, or unknown", async () => {
    interface Person {
      name: string;
    }
    type Named = { name: string };
    const schema: JsonSchema = { const: { name: "x" } };
    expectTypeOf((await model.completeJson<Person>("a", schema, some)).object).toEqualTypeOf<Person>();
    expectTypeOf((await model.completeJson<Named>("a", schema, some)).object).toEqualTypeOf<Named>();
    expectTypeOf((await model.completeJson("a", schema, some)).object).toEqualTypeOf<unknown>();
    const widened = { type: "string", maxLength: 2 };
    expectTypeOf((await model.completeJson("a", widened, some)).object).toEqualTypeOf<unknown>();
  });

  it("knows what schemas say", () => {
    expectTypeOf<JsonValueOf<{ type: "integer" }>>().toEqualTypeOf<number>();
    expectTypeOf<JsonValueOf<{ type: readonly ["string", "null"] }>>().toEqualTypeOf<string | null>();
    expectTypeOf<JsonValueOf<{ type: "string"; nullable: true }>>().toEqualTypeOf<string | null>();
    expectTypeOf<JsonValueOf<{ enum: readonly ["a", 1, null] }>>().toEqualTypeOf<"a" | 1 | null>();
    expectTypeOf<JsonValueOf<{ const: readonly [1, 2] }>>().toEqualTypeOf<[1, 2]>();
    expectTypeOf<JsonValueOf<true>>().toEqualTypeOf<unknown>();
    expectTypeOf<JsonValueOf<false>>().toEqualTypeOf<never>();
    expectTypeOf<JsonValueOf<Record<never, never>>>().toEqualTypeOf<unknown>();
    expectTypeOf<JsonValueOf<{ type: "array" }>>().toEqualTypeOf<unknown[]>();
    expectTypeOf<JsonValueOf<{ type: "object" }>>().toEqualTypeOf<{ [name: string]: unknown }>();
    type Numbers = JsonValueOf<{ type: "object"; additionalProperties: { type: "number" } }>;
    expectTypeOf<Numbers>().toEqualTypeOf<{ [name: string]: number }>();
    type Closed = JsonValueOf<{ properties: { a: { type: "string" } }; additionalProperties: false }>;
    expectTypeOf<Closed>().toEqualTypeOf<{ a?: string }>();
  });

  it("knows alternatives, tuples, and what holds together", () => {
    type Either = JsonValueOf<{ anyOf: readonly [{ type: "string" }, { type: "array"; items: { type: "number" } }] }>;
    expectTypeOf<Either>().toEqualTypeOf<string | number[]>();
    type One = JsonValueOf<{ oneOf: readonly [{ const: 1 }, { const: 2 }] }>;
    expectTypeOf<One>().toEqualTypeOf<1 | 2>();
    type Pair = JsonValueOf<{
      type: "array";
      prefixItems: readonly [{ type: "string" }, { type: "number" }];
      minItems: 2;
    }>;
    expectTypeOf<Pair>().toEqualTypeOf<[string, number]>();
    type AtMost = JsonValueOf<{ prefixItems: readonly [{ type: "string" }]; items: { type: "boolean" } }>;
    expectTypeOf<AtMost>().toEqualTypeOf<[string?, ...boolean[]]>();
    type A = { type: "object"; properties: { a: { type: "string" } }; required: readonly ["a"] };
    type B = { type: "object"; properties: { b: { type: "number" } }; required: readonly ["b"] };
    expectTypeOf<JsonValueOf<{ allOf: readonly [A, B] }>>().toExtend<{ a: string; b: number }>();
  });

  it("knows references within the schema, to itself too", () => {
    type Tree = JsonValueOf<{
      $defs: {
        tree: {
          type: "object";
          properties: { name: { type: "string" }; more: { type: "array"; items: { $ref: "#/$defs/tree" } } };
          required: readonly ["name"];
        };
      };
      $ref: "#/$defs/tree";
    }>;
    expectTypeOf<Tree["name"]>().toEqualTypeOf<string>();
    expectTypeOf<NonNullable<NonNullable<Tree["more"]>[0]["more"]>[0]["name"]>().toEqualTypeOf<string>();
    expectTypeOf<JsonValueOf<{ $ref: "https://elsewhere" }>>().toEqualTypeOf<unknown>();
  });
});
