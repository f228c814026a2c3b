// cria/openai under OpenAI's real client, in one process, on the demo model.

import { fileURLToPath } from "node:url";
import { CriaError, loadModel, type Model } from "cria";
import { createFetch } from "cria/openai";
import OpenAI, { type APIError, APIUserAbortError, BadRequestError, NotFoundError } from "openai";
import type { ChatCompletionPredictionContent } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { modelWithTemplate, toolTemplates } from "../../support/tool-models.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const user = { role: "user", content: "What is 3 + 4?" } as const;
const request = { model: "demo", messages: [user], temperature: 0, max_completion_tokens: 20 };
const own = { temperature: 0, maxTokens: 20 };

const clientOf = (model: Model) => {
  return new OpenAI({ apiKey: "none", baseURL: "http://cria/v1", fetch: createFetch(model, { name: "demo" }) });
};

let model: Model;
let client: OpenAI;
beforeAll(async () => {
  model = await loadModel(demo, { threads: 1, sequences: 2 });
  client = clientOf(model);
});
afterAll(() => model.dispose());

/** What makes a generation go on until its limit. */
const endless = () => {
  return Object.fromEntries([...model.tokenizer.endOfGenerationIds].map((id) => [id, -1e9]));
};

const failureOf = (call: PromiseLike<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("chat.completions", () => {
  it("answers as the model's own chat does, with usage", async () => {
    const messages = [
      { role: "developer", content: "You are brief." },
      { role: "user", content: [{ type: "text", text: "What is 3 + 4?" }] },
      { role: "assistant", content: "7." },
      { role: "user", content: "And 2 + 2?" },
    ] as const;
    const expected = await model.completeChat(
      [{ role: "system", content: "You are brief." }, user, messages[2], messages[3]],
      own,
    );
    const answer = await client.chat.completions.create({ ...request, messages: [...messages] as never });
    expect(answer).toMatchObject({
      object: "chat.completion",
      model: "demo",
      choices: [{ index: 0, message: { role: "assistant", content: expected.text } }],
      usage: {
        prompt_tokens: expected.usage.promptTokens,
        completion_tokens: expected.usage.completionTokens,
        total_tokens: expected.usage.promptTokens + expected.usage.completionTokens,
      },
    });
    expect(answer.choices[0]!.finish_reason).toBe(expected.finishReason);
    expect(answer.id).toMatch(/^chatcmpl-/);
  });

  it("streams the same text as it gives whole, with usage if asked", async () => {
    const whole = await client.chat.completions.create(request);
    const stream = await client.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks[0]!.choices[0]!.delta.role).toBe("assistant");
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(
      whole.choices[0]!.message.content,
    );
    expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe(whole.choices[0]!.finish_reason);
    expect(chunks.at(-1)!.choices).toEqual([]);
    expect(chunks.at(-1)!.usage!.total_tokens).toBe(whole.usage!.total_tokens);
    expect(chunks.length).toBeGreaterThan(5);

    const collected = await client.chat.completions.stream({ ...request }).finalChatCompletion();
    expect(collected.choices[0]!.message.content).toBe(whole.choices[0]!.message.content);
  });

  it("passes every field on", async () => {
    const answer = await client.chat.completions.create({
      ...{ model: "demo", messages: [user], max_tokens: 30, temperature: 1.3, top_p: 0.9, seed: 7, stop: ["ing"] },
      ...{ presence_penalty: 0.5, frequency_penalty: 0.25, logit_bias: { 5: -3 }, user: "someone", n: 1 },
      ...({ top_k: 20, min_p: 0.02, typical_p: 0.9, repeat_penalty: 1.1, repeat_last_n: 32 } as object),
    });
    const expected = await model.completeChat([user], {
      ...{ maxTokens: 30, temperature: 1.3, topP: 0.9, seed: 7, stop: ["ing"], presencePenalty: 0.5 },
      ...{ frequencyPenalty: 0.25, logitBias: { 5: -3 }, topK: 20, minP: 0.02, typicalP: 0.9 },
      ...{ repeatPenalty: 1.1, penaltyLastN: 32 },
    });
    expect(answer.choices[0]!.message.content).toBe(expected.text);
  });

  it("reports log probabilities, whole and streamed", async () => {
    const wanted = { ...request, max_completion_tokens: 4, logprobs: true, top_logprobs: 2 };
    const { choices } = await client.chat.completions.create(wanted);
    const content = choices[0]!.logprobs!.content!;
    expect(content.map(({ token }) => token).join("")).toBe(choices[0]!.message.content);
    for (const { token, logprob, bytes, top_logprobs } of content) {
      expect(top_logprobs).toHaveLength(2);
      expect(top_logprobs[0]).toEqual({ token, logprob, bytes }); // greedy
      expect(new TextDecoder().decode(Uint8Array.from(bytes!))).toBe(token);
      expect(logprob).toBeLessThanOrEqual(0);
    }
    const streamed = [];
    for await (const chunk of await client.chat.completions.create({ ...wanted, stream: true })) {
      streamed.push(...(chunk.choices[0]!.logprobs?.content ?? []));
    }
    expect(streamed).toEqual(content);
  });

  it("reports an empty list of log probabilities for an empty answer, whole and streamed", async () => {
    const wanted = { ...request, max_completion_tokens: 0, logprobs: true };
    const { choices } = await client.chat.completions.create(wanted);
    expect(choices[0]).toMatchObject({ message: { content: "" }, logprobs: { content: [], refusal: null } });
    const streamed = [];
    for await (const chunk of await client.chat.completions.create({ ...wanted, stream: true })) {
      streamed.push(chunk.choices[0]!.logprobs?.content);
    }
    expect(streamed).toEqual([undefined, []]);
    const legacy = await client.completions.create({ model: "demo", prompt: "x", max_tokens: 0, logprobs: 2 });
    const none = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    expect(legacy.choices[0]!.logprobs).toEqual(none);
  });

  it("takes null for absent, in every field", async () => {
    const { choices } = await client.chat.completions.create(request);
    const fields =
      "temperature top_p presence_penalty frequency_penalty seed logit_bias stop user n top_k min_p typical_p";
    const more = "repeat_penalty repeat_last_n max_tokens logprobs top_logprobs tools tool_choice parallel_tool_calls";
    const rest = "response_format stream stream_options safety_identifier prompt_cache_key";
    const names = [fields, more, rest].join(" ").split(" ");
    const nulls = Object.fromEntries(names.filter((name) => !(name in request)).map((name) => [name, null]));
    const part = { type: "text", text: user.content, x: null };
    const messages = [{ role: "user", name: null, tool_calls: null, content: [part] }];
    const answer = await client.chat.completions.create({
      ...nulls,
      ...request,
      messages,
    } as unknown as typeof request);
    expect(answer.choices).toEqual(choices);
  });

  it("guesses from a prediction, whose tokens the usage counts", async () => {
    const { choices } = await client.chat.completions.create(request);
    const { content } = choices[0]!.message;
    const words = [content!, [{ type: "text", text: content! }]] as const;
    for (const said of words) {
      const prediction = { type: "content", content: said } as ChatCompletionPredictionContent;
      const answer = await client.chat.completions.create({ ...request, prediction });
      expect(answer.choices).toEqual(choices);
      const details = answer.usage!.completion_tokens_details!;
      expect(details.accepted_prediction_tokens).toBeGreaterThanOrEqual(0);
      expect(details.rejected_prediction_tokens).toBeGreaterThanOrEqual(0);
    }
    const wrong = { ...request, prediction: { type: "content", content: [{ type: "image" }] } } as never;
    await expect(client.chat.completions.create(wrong)).rejects.toMatchObject({
      status: 400,
      param: "prediction.content[0].type",
    });
  });

  it("takes the neutral values that clients send, and ignores what it does not know, which a header tells", async () => {
    const { choices } = await client.chat.completions.create(request);
    const neutral = {
      ...{ store: false, metadata: {}, service_tier: "auto", seed: -1, parallel_tool_calls: true, prediction: null },
      ...{ modalities: ["text"], tools: [], tool_choice: "auto", stop: [], user: "u", verbosity: null, n: 1 },
      ...{ logit_bias: [], response_format: { type: "text" }, grammar: "" },
    };
    const quiet = await client.chat.completions.create({ ...request, ...neutral } as typeof request).withResponse();
    expect(quiet.data.choices).toEqual(choices);
    expect(quiet.response.headers.get("x-cria-warning")).toBeNull();
    expect(choices[0]!.message).toMatchObject({ annotations: [], refusal: null });

    const content = [{ type: "text", text: user.content, colour: 1 }];
    const odd = { heat: 1, "wä\n": 2, store: true, messages: [{ role: "user", content, mood: "?" }] };
    const loud = await client.chat.completions.create({ ...request, ...odd } as never).withResponse();
    expect(loud.response.headers.get("x-cria-warning")).toBe(
      "ignored: messages[0].content[0].colour, messages[0].mood, store, heat, w??",
    );
    expect((loud.data as OpenAI.ChatCompletion).choices).toEqual(choices);
    const endless = await client.chat.completions.create({ ...request, max_completion_tokens: -1 });
    expect(endless.choices[0]!.finish_reason).toBe("stop");
  });

  it("gives several answers to one question, whole and streamed", async () => {
    const wanted = { ...request, temperature: 3, seed: 5, n: 3 };
    const whole = await client.chat.completions.create(wanted);
    expect(whole.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    const texts = whole.choices.map(({ message }) => message.content);
    for (const [i, text] of texts.entries()) {
      expect(text).toBe((await model.completeChat([user], { ...own, temperature: 3, seed: 5 + i })).text);
    }
    expect(new Set(texts).size).toBeGreaterThan(1);
    const one = await client.chat.completions.create(request);
    expect(whole.usage!.prompt_tokens).toBe(one.usage!.prompt_tokens);
    const streamed = ["", "", ""];
    const usages = [];
    const options = { stream: true, stream_options: { include_usage: true, include_obfuscation: false } } as const;
    for await (const { choices, usage } of await client.chat.completions.create({ ...wanted, ...options })) {
      for (const { index, delta } of choices) streamed[index] += delta.content ?? "";
      usages.push(usage);
    }
    expect(streamed).toEqual(texts);
    expect(usages.pop()!.total_tokens).toBe(whole.usage!.total_tokens);
    expect(new Set(usages)).toEqual(new Set([null]));
  });

  it("samples as llama.cpp's server does by the same fields", async () => {
    const seeded = { ...request, temperature: 1.2, seed: 4 };
    const given = { ...own, temperature: 1.2, seed: 4 };
    const samplers = [
      [
        { dry_multiplier: 2, dry_allowed_length: 1, dry_base: 2 },
        { dry: { multiplier: 2, allowedLength: 1, base: 2 } },
      ],
      [{ xtc_probability: 1, xtc_threshold: 0.05 }, { xtc: { probability: 1, threshold: 0.05 } }],
      [{ dynatemp_range: 1, dynatemp_exponent: 2 }, { dynamicTemperature: { range: 1, exponent: 2 } }],
      [{ top_n_sigma: 1, dry_multiplier: 0, dynatemp_range: 0 }, { topNSigma: 1 }],
    ] as const;
    for (const [fields, options] of samplers) {
      const { data, response } = await client.chat.completions.create({ ...seeded, ...fields }).withResponse();
      expect(data.choices[0]!.message.content).toBe((await model.completeChat([user], { ...given, ...options })).text);
      expect(response.headers.get("x-cria-warning")).toBeNull();
    }
  });

  it("keeps to grammars and schemas as llama.cpp's server has them", async () => {
    const schema = {
      type: "object",
      properties: { a: { enum: [1, 2] } },
      required: ["a"],
      additionalProperties: false,
    };
    const formats = [
      { json_schema: schema },
      { response_format: { type: "json_object", schema } },
      { response_format: { type: "json_schema", schema } },
      { response_format: { type: "json_schema", json_schema: { name: "x", schema } } },
    ];
    for (const format of formats) {
      const { choices } = await client.chat.completions.create({ ...request, ...format } as typeof request);
      expect([1, 2]).toContain(JSON.parse(choices[0]!.message.content!).a);
    }
    const grammar = { grammar: 'root ::= "yes" | "no"' };
    const { choices } = await client.chat.completions.create({ ...request, ...grammar });
    expect(["yes", "no"]).toContain(choices[0]!.message.content);
    const completion = await client.completions.create({ model: "demo", prompt: "a", ...grammar } as never);
    expect(["yes", "no"]).toContain((completion as OpenAI.Completion).choices[0]!.text);
  });

  it("gives JSON, any object or one of a schema", async () => {
    const warm = { ...request, temperature: 1.2, seed: 3, max_completion_tokens: 80 };
    const schema = {
      type: "object",
      properties: { name: { type: "string", maxLength: 12 }, age: { type: "integer", minimum: 0, maximum: 99 } },
      required: ["name", "age"],
      additionalProperties: false,
    };
    const { choices } = await client.chat.completions.parse({
      ...warm,
      response_format: { type: "json_schema", json_schema: { name: "person", schema, strict: true } },
    });
    expect(choices[0]!.message.parsed).toEqual({ name: expect.any(String), age: expect.any(Number) });
    const any = await client.chat.completions.create({ ...warm, response_format: { type: "json_object" } });
    expect(JSON.parse(any.choices[0]!.message.content!)).toBeTypeOf("object");
    const text = await client.chat.completions.create({ ...request, response_format: { type: "text" } });
    expect(text.choices[0]!.message.content).toBe((await model.completeChat([user], own)).text);
  });

  it("ends when it is aborted, or left early, and the model is free again", async () => {
    const controller = new AbortController();
    const long = { model: "demo", messages: [user], logit_bias: endless() };
    const aborted = client.chat.completions.create(long, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    expect(await failureOf(aborted)).toBeInstanceOf(APIUserAbortError);
    for (let i = 0; i < 3; i++) {
      const stream = await client.chat.completions.create({ ...long, stream: true });
      for await (const chunk of stream) if (chunk.choices[0]!.delta.content !== "") break;
    }
    expect((await client.chat.completions.create(request)).choices[0]!.message.content).not.toBe("");
  });

  it("reports a model that is disposed of while it answers", async () => {
    const other = await loadModel(demo, { threads: 1 });
    const long = { model: "demo", messages: [user], logit_bias: endless() };
    const stream = await clientOf(other).chat.completions.create({ ...long, stream: true });
    const reading = (async () => {
      for await (const { choices } of stream) if (choices[0]!.delta.content !== "") await other.dispose();
    })();
    expect(await failureOf(reading)).toMatchObject({ code: "DISPOSED", type: "server_error" });
    expect(await failureOf(clientOf(other).chat.completions.create(request))).toMatchObject({ status: 500 });
  });
});

describe.each(["hermes", "llama3"] as const)("tools, in the notation of %s", (notation) => {
  let calling: Model;
  let its: OpenAI;
  beforeAll(async () => {
    calling = await modelWithTemplate(toolTemplates[notation]);
    its = clientOf(calling);
  });
  afterAll(() => calling.dispose());

  const parameters = {
    type: "object",
    properties: { city: { enum: ["Lima", "Quito"] } },
    required: ["city"],
    additionalProperties: false,
  };
  const weather = { type: "function", function: { name: "weather", description: "The weather", parameters } } as const;
  const time = { type: "function", function: { name: "time" } } as const;
  const ask = {
    ...{ model: "demo", temperature: 1.2, seed: 6, max_completion_tokens: 60 },
    ...{ tools: [weather, time], parallel_tool_calls: false },
  };
  const messages = [{ role: "user", content: "Rain?" } as const];

  it("are called, and the model goes on with their results", async () => {
    const choice = { type: "function", function: { name: "weather" } } as const;
    const { choices } = await its.chat.completions.create({ ...ask, messages, tool_choice: choice });
    const { message, finish_reason } = choices[0]!;
    expect([message.content, finish_reason]).toEqual([null, "tool_calls"]);
    const [call] = message.tool_calls as OpenAI.Chat.ChatCompletionMessageFunctionToolCall[];
    expect(call!.function.name).toBe("weather");
    expect(["Lima", "Quito"]).toContain(JSON.parse(call!.function.arguments).city);
    const more = [...messages, message, { role: "tool", tool_call_id: call!.id, content: "It rains." } as const];
    const last = await its.chat.completions.create({ ...ask, messages: more, tool_choice: "none" });
    const called = { name: "weather", arguments: JSON.parse(call!.function.arguments) };
    const expected = await calling.completeChat(
      [
        ...messages,
        { role: "assistant", content: "", tool_calls: [{ type: "function", function: called }] },
        { role: "tool", name: "weather", content: "It rains." },
      ],
      {
        ...{ tools: [weather.function, time.function], toolChoice: "none", temperature: 1.2, seed: 6, maxTokens: 60 },
      },
    );
    expect(last.choices[0]!.message.content).toBe(expected.text);
    expect(last.choices[0]!.message.tool_calls).toBeUndefined();
  });

  it("may have been called with an empty text for arguments", async () => {
    const tokensWith = async (given: string) => {
      const call = { id: "1", type: "function", function: { name: "time", arguments: given } } as const;
      const history = [
        { role: "assistant", tool_calls: [call] } as const,
        { role: "tool", tool_call_id: "1", content: "5" } as const,
      ];
      const answer = await its.chat.completions.create({
        ...ask,
        messages: [...messages, ...history],
        tool_choice: "none",
      } as never);
      return [answer.usage!.prompt_tokens, answer.choices[0]!.message.content];
    };
    expect(await tokensWith("")).toEqual(await tokensWith("{}"));
  });

  it("stand beside a schema: the answer is a call, or JSON that is valid", async () => {
    const answer = {
      type: "object",
      properties: { rain: { enum: ["yes"] } },
      required: ["rain"],
      additionalProperties: false,
    };
    const format = { type: "json_schema", json_schema: { name: "answer", schema: answer } } as const;
    const ends = new Set<string>();
    for (let seed = 1; seed <= 12 && ends.size < 2; seed++) {
      const body = { ...ask, messages, seed, temperature: 2, tools: [weather], response_format: format };
      const { message, finish_reason } = (await its.chat.completions.create(body)).choices[0]!;
      ends.add(finish_reason);
      if (finish_reason === "stop") expect(JSON.parse(message.content!)).toEqual({ rain: "yes" });
      else expect(message.tool_calls).toMatchObject([{ function: { name: "weather" } }]);
      let content = "";
      let calls = 0;
      for await (const { choices } of await its.chat.completions.create({ ...body, stream: true })) {
        content += choices[0]!.delta.content ?? "";
        calls += choices[0]!.delta.tool_calls?.length ?? 0;
      }
      expect([content, calls > 0]).toEqual([message.content ?? "", finish_reason === "tool_calls"]);
    }
    expect(ends).toEqual(new Set(["stop", "tool_calls"]));
  });

  it("are streamed, and run by the client's own runner", async () => {
    const required = { ...ask, messages, tool_choice: "required" } as const;
    const whole = await its.chat.completions.create(required);
    const stream = its.chat.completions.stream(required);
    let pieces = 0;
    stream.on("tool_calls.function.arguments.delta", () => void pieces++);
    const collected = await stream.finalChatCompletion();
    const bare = ({ choices }: OpenAI.ChatCompletion) =>
      choices[0]!.message.tool_calls!.map(
        (call) => call.type === "function" && [call.function.name, JSON.parse(call.function.arguments)],
      );
    expect(bare(collected)).toEqual(bare(whole));
    expect(collected.choices[0]!.finish_reason).toBe("tool_calls");
    expect(pieces).toBeGreaterThan(0);

    const asked: unknown[] = [];
    const run = { ...weather.function, parse: JSON.parse, function: async (given: unknown) => void asked.push(given) };
    const tools = [{ type: "function", function: run }] as never;
    const runner = its.chat.completions.runTools({ ...required, tools }, { maxChatCompletions: 2 });
    await runner.done();
    expect(asked).toEqual([{ city: expect.any(String) }, { city: expect.any(String) }]);
  });

  it.each([
    ["tools[0].type", { tools: [{ type: "web_search" }] }],
    ["tools[0].function.name", { tools: [{ type: "function", function: {} }] }],
    ["tool_choice", { tool_choice: "some" }],
    ["tool_choice.type", { tool_choice: { type: "allowed_tools", allowed_tools: {} } }],
    ["messages[1].tool_call_id", { messages: [...messages, { role: "tool", tool_call_id: "1", content: "x" }] }],
    [
      "messages[1].tool_calls[0].function.arguments",
      {
        messages: [
          ...messages,
          {
            role: "assistant",
            tool_calls: [{ id: "1", type: "function", function: { name: "time", arguments: "{" } }],
          },
        ],
      },
    ],
  ])("are refused by name: %s", async (param, body) => {
    const error = await failureOf(its.chat.completions.create({ ...ask, messages, ...body } as never));
    expect(error).toMatchObject({ status: 400, param });
  });
});

describe("completions", () => {
  it("continue a text, ids, or several texts at once", async () => {
    const prompts = ["Once upon a time", "One day"];
    const expected = [];
    for (const prompt of prompts) expected.push(await model.complete(prompt, own));
    const body = { model: "demo", temperature: 0, max_tokens: 20 };
    const both = await client.completions.create({ ...body, prompt: prompts });
    expect(both.choices.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
    expect(both.choices.map(({ index }) => index)).toEqual([0, 1]);
    expect(both.usage!.completion_tokens).toBe(40);
    const ids = [...model.tokenizer.encode(prompts[0]!)];
    expect((await client.completions.create({ ...body, prompt: ids })).choices[0]!.text).toBe(expected[0]!.text);
    expect((await client.completions.create({ ...body, prompt: [ids] })).choices[0]!.text).toBe(expected[0]!.text);

    const stream = await client.completions.create({ ...body, prompt: prompts[0]!, stream: true });
    let text = "";
    let finish: string | null = null;
    for await (const { choices } of stream) {
      text += choices[0]!.text;
      finish = choices[0]!.finish_reason;
    }
    expect([text, finish]).toEqual([expected[0]!.text, "length"]);
  });

  it("stream several at once, each with its index, and end together", async () => {
    const prompts = ["Once upon a time", "One day", "The fox"];
    const body = { model: "demo", temperature: 0, max_tokens: 20 };
    const whole = await client.completions.create({ ...body, prompt: prompts });
    const wanted = { ...body, prompt: prompts, stream: true, stream_options: { include_usage: true } } as const;
    const texts = ["", "", ""];
    const finished: number[] = [];
    const usages = [];
    for await (const { choices, usage } of await client.completions.create(wanted)) {
      for (const { index, text, finish_reason } of choices) {
        expect(finished).not.toContain(index);
        texts[index] += text;
        if (finish_reason !== null) finished.push(index);
      }
      if (usage) usages.push(usage);
    }
    expect(texts).toEqual(whole.choices.map(({ text }) => text));
    expect(finished.sort()).toEqual([0, 1, 2]);
    expect(usages).toEqual([expect.objectContaining({ total_tokens: whole.usage!.total_tokens })]);

    const long = { ...wanted, max_tokens: 400, logit_bias: endless() };
    for (let i = 0; i < 3; i++) {
      for await (const { choices } of await client.completions.create(long)) if (choices[0]!.text !== "") break;
    }
    const controller = new AbortController();
    const stream = await client.completions.create(long, { signal: controller.signal });
    const seen = new Set<number>();
    for await (const { choices } of stream) {
      seen.add(choices[0]!.index);
      if (seen.size > 1) controller.abort();
    }
    expect((await client.completions.create({ ...body, prompt: "One day" })).choices[0]!.text).toBe(texts[1]);
    const tooLong = client.completions.create({ ...wanted, prompt: ["One day", "x ".repeat(600)] });
    const failure = await failureOf(
      tooLong.then(async (parts) => {
        for await (const _ of parts);
      }),
    );
    expect(failure).toMatchObject({ code: "context_length_exceeded" });
  });

  it("report log probabilities", async () => {
    const wanted = { model: "demo", prompt: "One day", temperature: 0, max_tokens: 3, logprobs: 2 };
    const { text, logprobs } = (await client.completions.create(wanted)).choices[0]!;
    expect(logprobs!.tokens!.join("")).toBe(text);
    for (const [i, top] of logprobs!.top_logprobs!.entries()) {
      expect(Object.keys(top)).toHaveLength(2);
      expect(top[logprobs!.tokens![i]!]).toBe(logprobs!.token_logprobs![i]);
    }
  });
});

describe("completions, beside what is generated", () => {
  it("tell where tokens are in the text, echo prompts, and give several answers to each", async () => {
    const body = { model: "demo", temperature: 0, max_tokens: 4 };
    const { choices } = await client.completions.create({ ...body, prompt: "One day", logprobs: 1 });
    const { tokens, text_offset } = choices[0]!.logprobs!;
    expect(text_offset).toEqual(tokens!.map((_, i) => tokens!.slice(0, i).join("").length));
    const echo = await client.completions.create({ ...body, prompt: ["One day", "The fox"], echo: true });
    expect(echo.choices.map(({ text }) => text.slice(0, 7))).toEqual(["One day", "The fox"]);
    expect(echo.choices[0]!.text).toBe(`One day${choices[0]!.text}`);
    let streamed = "";
    for await (const part of await client.completions.create({
      ...body,
      prompt: "One day",
      echo: true,
      stream: true,
    })) {
      streamed += part.choices[0]!.text;
    }
    expect(streamed).toBe(echo.choices[0]!.text);
    const ids = [...model.tokenizer.encode("One day")];
    const ofIds = await client.completions.create({ ...body, prompt: ids, echo: true });
    expect(ofIds.choices[0]!.text.trim()).toBe(echo.choices[0]!.text);
    const many = await client.completions.create({ ...body, prompt: ["One day", "The fox"], n: 2, best_of: 2 });
    expect(many.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(many.choices[1]!.text).toBe(choices[0]!.text);
    const both = client.completions.create({ ...body, prompt: "a", echo: true, logprobs: 1 });
    expect(await failureOf(both)).toMatchObject({ param: "echo" });
    expect(await failureOf(client.completions.create({ ...body, prompt: "a", suffix: "b" }))).toMatchObject({
      param: "suffix",
    });
  });
});

describe("several models", () => {
  it("are served by their names, which may come and go", async () => {
    const models: Record<string, Model> = { small: model };
    const fetch = createFetch(models);
    const its = new OpenAI({ apiKey: "none", baseURL: "http://cria/v1", fetch });
    const answer = async (name: string) => (await its.chat.completions.create({ ...request, model: name })).model;
    expect(await answer("small")).toBe("small");
    expect(await failureOf(answer("other/model"))).toMatchObject({ status: 404, code: "model_not_found" });
    models["other/model"] = model;
    expect(await answer("other/model")).toBe("other/model");
    expect((await its.models.list()).data.map(({ id }) => id)).toEqual(["small", "other/model"]);
    expect(await its.models.retrieve("other/model")).toMatchObject({ id: "other/model" });
    expect(() => createFetch(models, { name: "x" })).toThrow(/name is set, but the models have names/);
    expect(() => createFetch(5 as never)).toThrow(CriaError);
  });
});

describe("embeddings", () => {
  it("are the model's vectors, as numbers and as the client's own base64", async () => {
    const input = ["a fox", "Once upon a time there was a bear."];
    const expected = (await model.embed(input)).map((vector) => [...vector]);
    const packed = await client.embeddings.create({ model: "demo", input }); // the client asks for base64 by default
    const plain = await client.embeddings.create({ model: "demo", input, encoding_format: "float" });
    for (const { data, usage } of [packed, plain]) {
      expect(data.map(({ embedding }) => embedding)).toEqual(expected);
      expect(usage.prompt_tokens).toBe(input.reduce((sum, text) => sum + model.tokenizer.encode(text).length, 0));
    }
    const [short] = await model.embed(["a fox"], { dimensions: 64 });
    const { data } = await client.embeddings.create({ model: "demo", input: "a fox", dimensions: 64 });
    expect(data[0]!.embedding).toEqual([...short!]);
    const ids = [...model.tokenizer.encode(input[0]!)];
    expect((await client.embeddings.create({ model: "demo", input: ids })).data[0]!.embedding).toEqual(expected[0]);
  });
});

describe("models", () => {
  it("are the one that exists", async () => {
    const models = [];
    for await (const each of client.models.list()) models.push(each.id);
    expect(models).toEqual(["demo"]);
    expect(await client.models.retrieve("demo")).toMatchObject({ id: "demo", object: "model", owned_by: "cria" });
    const named = createFetch(model);
    expect(await (await named("http://cria/v1/models")).json()).toMatchObject({ data: [{ id: "cria demo" }] });
    expect((await named("http://cria/v1/models/cria%20demo")).status).toBe(200);
  });
});

describe("what is refused", () => {
  const refused = (body: object) => {
    const fetch = createFetch(model, { name: "demo", strict: true });
    const strict = new OpenAI({ apiKey: "none", baseURL: "http://cria/v1", fetch });
    return failureOf(strict.chat.completions.create({ ...request, ...body } as typeof request));
  };

  it.each([
    ["response_format.type", { response_format: { type: "xml" } }],
    ["response_format.json_schema.schema", { response_format: { type: "json_schema", json_schema: { name: "x" } } }],
    ["n", { n: 0 }],
    ["heat", { heat: 1 }],
    ["audio", { audio: { voice: "alloy" } }],
    ["modalities", { modalities: ["text", "audio"] }],
    ["functions", { functions: [] }],
    ["stream_options", { stream_options: { include_usage: true } }],
    ["top_logprobs", { top_logprobs: 2 }],
    ["temperature", { temperature: "hot" }],
    ["stop", { stop: [1] }],
    ["messages", { messages: undefined }],
    ["messages[0].role", { messages: [{ role: "judge", content: "x" }] }],
    ["messages[0].content[0].type", { messages: [{ role: "user", content: [{ type: "image_url" }] }] }],
    ["messages[0].audio", { messages: [{ ...user, audio: {} }] }],
    ["messages[1].content", { messages: [user, { role: "assistant", content: null }] }],
    ["messages[1].content", { messages: [user, { role: "user", content: 5 }] }],
    ["messages[1].content", { messages: [user, { role: "user", content: [] }] }],
    ["messages[1].content[1]", { messages: [user, { role: "user", content: [{ type: "text", text: "a" }, "b"] }] }],
    ["messages[1].content[0].text", { messages: [user, { role: "user", content: [{ type: "text", text: null }] }] }],
    ["messages[1].content[0].x", { messages: [user, { role: "user", content: [{ type: "text", text: "a", x: 1 }] }] }],
  ])("%s, by its name", async (param, body) => {
    const error = await refused(body);
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ param, type: "invalid_request_error" });
    expect((error as APIError).message).toContain(param);
  });

  it("values that the engine does not take, and prompts that do not fit", async () => {
    expect(await refused({ temperature: -1 })).toMatchObject({ status: 400, code: "INVALID_OPTION" });
    const options = [
      [{ top_p: 2 }, "top_p", /^400 top_p must be/],
      [{ max_completion_tokens: 0.5 }, "max_completion_tokens", /^400 max_completion_tokens must be/],
      [{ logit_bias: { x: 1 } }, "logit_bias", /logit_bias/],
      [{ tool_choice: "required" }, "tool_choice", /^400 tool_choice is set, but/],
      [{ response_format: { type: "json_schema", json_schema: { schema: { type: "x" } } } }, "response_format", /./],
      [{ grammar: "root ::= (" }, "grammar", /./],
      [{ xtc_probability: 0.5, xtc_threshold: 7 }, "xtc_threshold", /^400 xtc_threshold must be/],
      [{ chat_template_kwargs: { messages: [] } }, "chat_template_kwargs.messages", /./],
    ] as const;
    for (const [body, param, message] of options) {
      expect(await refused(body)).toMatchObject({ status: 400, param, message: expect.stringMatching(message) });
    }
    const long = [{ role: "user", content: "x ".repeat(600) }];
    expect(await refused({ messages: long })).toMatchObject({ status: 400, code: "context_length_exceeded" });
    expect(await refused({ messages: long, stream: true })).toMatchObject({ code: "context_length_exceeded" });
    const tools = [{ type: "function", function: { name: "weather" } }];
    expect(await refused({ tools })).toMatchObject({ status: 400, code: "UNSUPPORTED_TOOLS" }); // by the template
    for (const input of [[], [[1], "a", {}]]) {
      expect(await failureOf(client.embeddings.create({ model: "demo", input: input as string[] }))).toMatchObject({
        param: "input",
      });
    }
    const half = client.embeddings.create({ model: "demo", input: "a", encoding_format: "half" as "float" });
    expect(await failureOf(half)).toMatchObject({ param: "encoding_format" });
  });

  it("other models, addresses, methods and bodies", async () => {
    const unknown = await refused({ model: "another" });
    expect(unknown).toBeInstanceOf(NotFoundError);
    expect(unknown).toMatchObject({ code: "model_not_found", param: "model" });
    expect(await failureOf(client.models.retrieve("another"))).toBeInstanceOf(NotFoundError);
    expect(await failureOf(client.images.generate({ prompt: "x" }))).toBeInstanceOf(NotFoundError);
    const own = createFetch(model);
    expect((await own("http://cria/v1/embeddings")).status).toBe(404);
    for (const body of ["{", "[]", "null"]) {
      expect((await own("http://cria/v1/embeddings", { method: "POST", body })).status).toBe(400);
    }
    expect(() => createFetch(model, { title: "x" } as object)).toThrow(CriaError);
  });
});
