// cria/ai-sdk under the real AI SDK: what its users call, on the demo model.

import { fileURLToPath } from "node:url";
import { embed, embedMany, generateObject, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { ContextError, CriaError, loadModel, type Model, UnsupportedError } from "cria";
import { criaEmbeddingModel, criaLanguageModel } from "cria/ai-sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { modelWithTemplate, toolTemplates } from "../../support/tool-models.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const question = "What is 3 + 4?";

let model: Model;
let language: ReturnType<typeof criaLanguageModel>;
beforeAll(async () => {
  model = await loadModel(demo, { threads: 1, sequences: 2 });
  language = criaLanguageModel(model);
});
afterAll(() => model.dispose());

/** What must not happen within a test: a generation that never ends by itself. */
const endless = () => ({
  logitBias: Object.fromEntries([...model.tokenizer.endOfGenerationIds].map((id) => [id, -1e9])),
});

describe("generateText", () => {
  it("answers as the model's own chat does, with usage, finish reason, seed and timings", async () => {
    const own = await model.completeChat(
      [
        { role: "system", content: "You are brief." },
        { role: "user", content: question },
      ],
      { temperature: 0, maxTokens: 20 },
    );
    const result = await generateText({
      model: language,
      system: "You are brief.",
      prompt: question,
      temperature: 0,
      maxOutputTokens: 20,
    });
    expect(result.text).toBe(own.text);
    expect(result.finishReason).toBe(own.finishReason);
    expect(result.usage).toMatchObject({
      inputTokens: own.usage.promptTokens,
      outputTokens: own.usage.completionTokens,
      totalTokens: own.usage.promptTokens + own.usage.completionTokens,
    });
    expect(result.providerMetadata!["cria"]).toMatchObject({
      seed: expect.any(Number),
      timings: { decodeMilliseconds: expect.any(Number) },
    });
    expect(result.warnings).toEqual([]);
    expect(result.response.modelId).toBe("cria demo");
  });

  it("passes every setting on", async () => {
    const settings = {
      ...{ temperature: 1.2, topK: 20, topP: 0.9, presencePenalty: 0.5, frequencyPenalty: 0.25, seed: 7 },
    };
    const result = await generateText({
      ...{ model: language, prompt: "Tell me a story.", ...settings },
      maxOutputTokens: 30,
      stopSequences: ["ing"],
      providerOptions: { cria: { minP: 0.02, repeatPenalty: 1.1 } },
    });
    const own = await model.completeChat([{ role: "user", content: "Tell me a story." }], {
      ...settings,
      ...{ maxTokens: 30, stop: ["ing"], minP: 0.02, repeatPenalty: 1.1 },
    });
    expect(result.text).toBe(own.text);
    const other = await generateText({ model: language, prompt: "Tell me a story.", ...settings, seed: 8 });
    expect(other.text).not.toBe(own.text);
  });

  it("takes a conversation", async () => {
    const messages = [
      { role: "user", content: question },
      { role: "assistant", content: "7." },
      { role: "user", content: "And 2 + 2?" },
    ] as const;
    const own = await model.completeChat(messages, { temperature: 0, maxTokens: 12 });
    const { text } = await generateText({
      ...{ model: language, temperature: 0, maxOutputTokens: 12 },
      messages: messages.map(({ role, content }) => ({ role, content: [{ type: "text", text: content }] })),
    });
    expect(text).toBe(own.text);
  });

  it("refuses what it cannot do, by name", async () => {
    const image = new Uint8Array([0x89, 0x50, 0x4e, 0x47]);
    const failure = (options: object) =>
      generateText({ model: language, prompt: question, maxOutputTokens: 4, ...options }).then(
        () => undefined,
        (error: unknown) => error,
      );
    const withImage = { messages: [{ role: "user", content: [{ type: "image", image }] }], prompt: undefined };
    expect(await failure(withImage)).toMatchObject({ code: "UNSUPPORTED_CONTENT" });
    expect(await failure({ prompt: "x ".repeat(600) })).toBeInstanceOf(ContextError);
    expect(await failure({ providerOptions: { cria: { heat: 1 } } })).toMatchObject({ code: "INVALID_OPTION" });
    expect(await failure({ temperature: -1 })).toMatchObject({ code: "INVALID_OPTION" });
    const weather = tool({ inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } } }) });
    expect(await failure({ tools: { weather } })).toBeInstanceOf(UnsupportedError);
  });

  it("refuses messages that the SDK has not checked by their index, and takes null for absent", async () => {
    const call = async (...prompt: readonly unknown[]) =>
      criaLanguageModel(model).doGenerate({ prompt, tools: null, maxOutputTokens: 4, topK: null } as never);
    const user = { role: "user", content: [{ type: "text", text: question }] };
    const [text] = (await call(user)).content;
    expect((await call({ role: "user", content: question })).content).toEqual([text]);
    for (const [content, code] of [
      [null, "INVALID_OPTION"],
      [undefined, "INVALID_OPTION"],
      [5, "INVALID_OPTION"],
      [[{ type: "text" }], "INVALID_OPTION"],
      [[null], "UNSUPPORTED_CONTENT"],
      [[{ type: "file" }], "UNSUPPORTED_CONTENT"],
    ] as const) {
      const error = await call(user, { role: "user", content }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code, message: expect.stringMatching(/^messages\[1\]/) });
    }
    for (const output of [
      undefined,
      null,
      {},
      { type: "json", value: 1n },
      { type: "json" },
      { type: "content", value: [null] },
    ]) {
      const part = { type: "tool-result", toolCallId: "1", toolName: "f", output };
      const error = await call(user, { role: "tool", content: [part] }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code: expect.stringMatching(/^(INVALID_OPTION|UNSUPPORTED_CONTENT)$/),
        message: expect.stringMatching(/^messages\[1\]/),
      });
    }
  });

  it("ends when its signal aborts", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    const call = generateText({
      ...{ model: language, prompt: question, abortSignal: controller.signal },
      providerOptions: { cria: endless() },
    });
    await expect(call).rejects.toBe(reason);
  });
});

describe("streamText", () => {
  it("streams the text that generateText gives, and ends with a summary", async () => {
    const settings = { model: language, prompt: question, temperature: 0, maxOutputTokens: 20 };
    const whole = await generateText(settings);
    const result = streamText(settings);
    const parts: string[] = [];
    for await (const part of result.textStream) parts.push(part);
    expect(parts.join("")).toBe(whole.text);
    expect(parts.length).toBeGreaterThan(1);
    expect(await result.finishReason).toBe(whole.finishReason);
    expect((await result.usage).totalTokens).toBe(whole.usage.totalTokens);
  });

  it("warns that there are no raw chunks", async () => {
    globalThis.AI_SDK_LOG_WARNINGS = false; // not on the test's own output
    const result = streamText({ model: language, prompt: question, maxOutputTokens: 2, includeRawChunks: true });
    await result.consumeStream();
    expect(await result.warnings).toMatchObject([{ type: "unsupported", feature: "includeRawChunks" }]);
  });

  it("reports a prompt that is refused, and a model that is disposed of while it answers", async () => {
    const errors: unknown[] = [];
    const onError = ({ error }: { error: unknown }) => void errors.push(error);
    await streamText({ model: language, prompt: "x ".repeat(600), onError }).consumeStream();
    expect(errors).toMatchObject([{ code: "CONTEXT_FULL" }]);

    const other = await loadModel(demo, { threads: 1 });
    const providerOptions = { cria: endless() };
    const result = streamText({ model: criaLanguageModel(other), prompt: question, providerOptions, onError });
    for await (const part of result.fullStream) if (part.type === "text-delta") await other.dispose();
    expect(errors[1]).toBeInstanceOf(CriaError);
    expect(errors[1]).toMatchObject({ code: "DISPOSED" });
  });

  it("ends when its signal aborts, or when nobody reads on, and the model is free again", async () => {
    const controller = new AbortController();
    const options = { model: language, prompt: question, providerOptions: { cria: endless() } };
    const aborted = streamText({ ...options, abortSignal: controller.signal });
    const types = new Set<string>();
    for await (const part of aborted.fullStream) {
      types.add(part.type);
      if (part.type === "text-delta") controller.abort();
    }
    expect(types).toContain("abort");
    expect(types).not.toContain("finish");

    // As many as the cache has room for: they must have gone before others can begin.
    for (let i = 0; i < 2; i++) {
      const { stream } = await language.doStream({
        prompt: [{ role: "user", content: [{ type: "text", text: question }] }],
        providerOptions: { cria: endless() },
      });
      await stream.cancel();
    }
    const { usage } = await generateText({ model: language, prompt: question, maxOutputTokens: 3 });
    expect(usage.outputTokens).toBeGreaterThan(0);
  });
});

describe("structured output", () => {
  const schema = jsonSchema<{ name: string; age: number }>({
    type: "object",
    properties: { name: { type: "string", maxLength: 12 }, age: { type: "integer", minimum: 0, maximum: 99 } },
    required: ["name", "age"],
    additionalProperties: false,
  });
  const settings = { prompt: "Who lives in the forest?", seed: 3, temperature: 1.2, maxOutputTokens: 80 };

  it("is an object of the schema, whole and streamed", async () => {
    const { object } = await generateObject({ model: language, schema, ...settings });
    expect(object).toEqual({ name: expect.any(String), age: expect.any(Number) });
    const { output } = await generateText({ model: language, output: Output.object({ schema }), ...settings });
    expect(output).toEqual(object);
    const streamed = streamText({ model: language, output: Output.object({ schema }), ...settings });
    let last: unknown;
    for await (const partial of streamed.partialOutputStream) last = partial;
    expect(last).toEqual(object);
  });

  it("is any JSON without a schema, and is refused with a schema that is not supported", async () => {
    const { object } = await generateObject({ model: language, output: "no-schema", ...settings });
    expect(object).toBeDefined();
    const odd = jsonSchema({ type: "array", not: { uniqueItems: true } });
    const refused = generateObject({ model: language, schema: odd, ...settings });
    await expect(refused).rejects.toMatchObject({ code: "UNSUPPORTED_SCHEMA" });
  });
});

describe.each(["hermes", "llama3"] as const)("tools, in the notation of %s", (notation) => {
  let calling: Model;
  beforeAll(async () => {
    calling = await modelWithTemplate(toolTemplates[notation]);
  });
  afterAll(() => calling.dispose());

  const parameters = {
    type: "object" as const,
    properties: { city: { enum: ["Lima", "Quito"] } },
    required: ["city"],
    additionalProperties: false,
  };
  const description = "The weather in a city";
  const weather = tool({
    description,
    inputSchema: jsonSchema<{ city: string }>(parameters),
    execute: async ({ city }) => ({ city, rain: true }),
  });
  const settings = () => ({
    ...{ model: criaLanguageModel(calling), prompt: "Rain?", tools: { weather }, seed: 4, temperature: 1.2 },
    ...{ maxOutputTokens: 60, providerOptions: { cria: { parallelToolCalls: false } } },
    // A call first, then an answer: the demo model would not know when to do which.
    prepareStep: ({ stepNumber }: { stepNumber: number }) =>
      stepNumber === 0 ? { toolChoice: "required" as const } : { toolChoice: "none" as const },
    stopWhen: stepCountIs(2),
  });

  it("are called, and the model goes on with their results", async () => {
    const { steps, text, finishReason } = await generateText(settings());
    expect(steps).toHaveLength(2);
    expect(steps[0]).toMatchObject({ finishReason: "tool-calls", text: "" });
    const { input, toolCallId } = steps[0]!.toolCalls[0]!;
    expect(["Lima", "Quito"]).toContain((input as { city: string }).city);
    expect(steps[0]!.toolResults).toMatchObject([{ toolCallId, output: { ...(input as object), rain: true } }]);
    expect(text).not.toBe("");
    expect(finishReason).not.toBe("tool-calls");
    const output = JSON.stringify({ ...(input as object), rain: true });
    const called = { type: "function", function: { name: "weather", arguments: input } };
    const own = await calling.completeChat(
      [
        { role: "user", content: "Rain?" },
        { role: "assistant", content: "", tool_calls: [called] },
        { role: "tool", name: "weather", content: output },
      ],
      {
        ...{ tools: [{ name: "weather", description, parameters }], toolChoice: "none" },
        ...{ seed: 4, temperature: 1.2, maxTokens: 60 },
      },
    );
    expect(text).toBe(own.text);
  });

  it("are streamed as they are called", async () => {
    const whole = await generateText(settings());
    const streamed = streamText(settings());
    const order: string[] = [];
    let json = "";
    for await (const part of streamed.fullStream) {
      if (order.at(-1) !== part.type) order.push(part.type);
      if (part.type === "tool-input-delta") json += part.delta;
    }
    const inputs = ["tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result"];
    expect(order.filter((type) => type.startsWith("tool-"))).toEqual(inputs);
    const [first] = await streamed.steps;
    expect(first!.toolCalls[0]!.input).toEqual(whole.steps[0]!.toolCalls[0]!.input);
    expect(JSON.parse(json)).toEqual(first!.toolCalls[0]!.input);
    expect(await streamed.text).toBe(whole.text);
  });

  it("are chosen by name, and refused where they are not functions, or together with JSON", async () => {
    const { tools: one, ...rest } = settings();
    const tools = { ...one, time: tool({ inputSchema: jsonSchema({ type: "object", additionalProperties: false }) }) };
    const options = { ...rest, tools, prepareStep: undefined, stopWhen: stepCountIs(1) };
    const { toolCalls } = await generateText({ ...options, toolChoice: { type: "tool", toolName: "time" } });
    expect(toolCalls).toMatchObject([{ toolName: "time", input: {} }]);
    const output = Output.object({ schema: jsonSchema({ type: "object" }) });
    await expect(generateText({ ...options, output })).rejects.toMatchObject({ code: "UNSUPPORTED_RESPONSE_FORMAT" });
    const search = { type: "provider", id: "other.search", name: "search", args: {} } as const;
    const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "Rain?" }] }];
    const refused = criaLanguageModel(calling).doGenerate({ prompt, tools: [search] });
    await expect(refused).rejects.toMatchObject({
      code: "UNSUPPORTED_TOOLS",
      message: expect.stringContaining("other.search"),
    });
  });
});

describe("embed and embedMany", () => {
  it("give the model's vectors, and how many tokens they took", async () => {
    const texts = ["a fox", "Once upon a time there was a bear."];
    const own = await model.embed(texts);
    const embedding = criaEmbeddingModel(model);
    const many = await embedMany({ model: embedding, values: texts });
    expect(many.embeddings).toEqual(own.map((vector) => [...vector]));
    expect(many.usage.tokens).toBe(texts.reduce((sum, text) => sum + model.tokenizer.encode(text).length, 0));
    const one = await embed({ model: embedding, value: texts[0]! });
    expect(one.embedding).toEqual([...own[0]!]);
  });

  it("take cria's options, refuse others, and abort", async () => {
    const embedding = criaEmbeddingModel(model);
    const [own] = await model.embed(["a fox"], { pooling: "last", normalize: false });
    const options = { model: embedding, value: "a fox" };
    const { embedding: vector } = await embed({
      ...options,
      providerOptions: { cria: { pooling: "last", normalize: false } },
    });
    expect(vector).toEqual([...own!]);
    await expect(embed({ ...options, providerOptions: { cria: { heat: 1 } } })).rejects.toThrow('no option "heat"');
    const reason = new Error("enough");
    await expect(embed({ ...options, abortSignal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
