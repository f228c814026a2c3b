// Every answer of cria/openai, whole and streamed, is valid by the types of OpenAI's client, which are made from OpenAI's specification:
// test/clients/schemas.mjs makes JSON Schemas of them, ajv validates.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv, type ValidateFunction } from "ajv";
import type { Model } from "cria";
import { createFetch } from "cria/openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { modelWithTemplate, toolTemplates } from "../support/tool-models.js";

const folder = new URL("../clients/", import.meta.url);
const user = { role: "user", content: "Rain?" };
const limit = { temperature: 0, max_tokens: 120 };
const schema = { type: "object", properties: { a: { enum: [1] } }, required: ["a"], additionalProperties: false };
const parameters = { type: "object", properties: { city: { enum: ["Lima"] } }, required: ["city"] };
const weather = { name: "weather", description: "The weather", parameters };

describe.skipIf(!existsSync(new URL("node_modules", folder)))("answers", () => {
  const validators = new Map<string, ValidateFunction>();
  let calling: Model;
  let thinking: Model;
  beforeAll(async () => {
    const script = fileURLToPath(new URL("schemas.mjs", folder));
    const schemas: Record<string, object> = JSON.parse(
      execFileSync(process.execPath, [script], { encoding: "utf8", maxBuffer: 2 ** 26 }),
    );
    const known = mended(schemas);
    for (const [type, each] of Object.entries(known)) {
      validators.set(type, new Ajv({ strict: false, allErrors: true }).compile(each));
    }
    calling = await modelWithTemplate(toolTemplates.hermes);
    thinking = await modelWithTemplate(
      "{{- bos_token }}{%- for m in messages %}{{- m.role }}: {{ m.content }}\n{%- endfor %}" +
        "{%- if add_generation_prompt %}assistant: <think>\n{%- endif %}",
    );
  });
  afterAll(async () => {
    await calling.dispose();
    await thinking.dispose();
  });

  const expectValid = (type: string, value: unknown) => {
    const validate = validators.get(type)!;
    const faults = validate(value)
      ? []
      : validate.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`);
    expect({ faults, value }).toEqual({ faults: [], value });
  };

  const post = (model: Model, path: string, body: object) =>
    createFetch(model, { name: "demo" })(`http://cria/v1/${path}`, {
      method: "POST",
      body: JSON.stringify({ model: "demo", ...body }),
    });

  /** Checks the whole answer to a request, and the events of the streamed one. */
  const check = async (model: Model, path: string, body: object, type: string, eventType: string) => {
    const whole = await post(model, path, body);
    const answer = await whole.json();
    expect(answer).not.toHaveProperty("error.code");
    expectValid(type, answer);
    const streamed = await (await post(model, path, { ...body, stream: true })).text();
    const events = [...streamed.matchAll(/^data: (\{.*)$/gm)].map(([, event]) => JSON.parse(event!));
    expect(events.length).toBeGreaterThan(1);
    for (const event of events) expectValid(eventType, event);
  };

  const chats: readonly (readonly [what: string, body: object])[] = [
    ["a text", {}],
    ["log probabilities", { logprobs: true, top_logprobs: 2, max_tokens: 3 }],
    ["two answers", { n: 2 }],
    ["JSON", { response_format: { type: "json_object", schema } }],
    ["a call", { tools: [{ type: "function", function: weather }], tool_choice: "required" }],
  ];
  it.each(chats)("of chats: %s", async (_, body) => {
    const messages = [user];
    await check(calling, "chat/completions", { ...limit, messages, ...body }, "ChatCompletion", "ChatCompletionChunk");
  });

  it("of chats: thoughts, and usage in a stream", async () => {
    const body = { ...limit, messages: [user] };
    await check(thinking, "chat/completions", body, "ChatCompletion", "ChatCompletionChunk");
    const stream = await post(calling, "chat/completions", {
      ...{ ...body, stream: true, stream_options: { include_usage: true } },
    });
    for (const [, event] of (await stream.text()).matchAll(/^data: (\{.*)$/gm)) {
      expectValid("ChatCompletionChunk", JSON.parse(event!));
    }
  });

  it("of completions, embeddings and models", async () => {
    for (const body of [{}, { echo: true }, { logprobs: 2 }, { n: 2 }]) {
      await check(calling, "completions", { ...limit, prompt: "One day", ...body }, "Completion", "Completion");
    }
    expectValid("CreateEmbeddingResponse", await (await post(calling, "embeddings", { input: ["a", "b"] })).json());
    const models = await createFetch(calling)("http://cria/v1/models");
    const { data } = (await models.json()) as { data: unknown[] };
    for (const each of data) expectValid("Model", each);
  });

  const responses: readonly (readonly [what: string, body: object])[] = [
    ["a text", {}],
    ["log probabilities", { top_logprobs: 2, include: ["message.output_text.logprobs"] }],
    ["a text that is cut", { max_output_tokens: 2 }],
    ["JSON", { text: { format: { type: "json_schema", name: "x", schema } } }],
    ["a call", { tools: [{ type: "function", ...weather }], tool_choice: "required" }],
    [
      "a call of a given tool",
      { tools: [{ type: "function", ...weather }], tool_choice: { type: "function", name: "weather" } },
    ],
  ];
  it.each(responses)("of responses: %s", async (_, body) => {
    const all = { temperature: 0, max_output_tokens: 120, input: "Rain?", ...body };
    await check(calling, "responses", all, "Response", "ResponseStreamEvent");
  });

  it("of responses: thoughts, in full and as a summary", async () => {
    const body = { temperature: 0, max_output_tokens: 120, input: "Rain?" };
    const text = { format: { type: "json_schema", name: "x", schema } };
    await check(thinking, "responses", body, "Response", "ResponseStreamEvent");
    await check(thinking, "responses", { ...body, seed: 1, temperature: 1, text }, "Response", "ResponseStreamEvent");
    await check(thinking, "responses", { ...body, reasoning: { summary: "auto" } }, "Response", "ResponseStreamEvent");
  });
});

/** The schemas without what the types say of the client, not of the interface. */
function mended(schemas: Record<string, object>): Record<string, object> {
  return JSON.parse(JSON.stringify(schemas), (key, value) => {
    // The client puts a response's text together itself.
    if (key === "required" && Array.isArray(value)) return value.filter((name) => name !== "output_text");
    // A choice of a stream of completions that goes on has no reason yet.
    if (key === "finish_reason" && value?.enum) return { enum: [...new Set([...value.enum, null])] };
    return value;
  });
}
