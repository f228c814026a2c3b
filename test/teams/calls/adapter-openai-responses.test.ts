// POST /v1/responses under OpenAI's real client, in one process: events in their order, tools, JSON, thoughts, and what is stored.

import { fileURLToPath } from "node:url";
import { loadModel, type Model } from "cria";
import { createFetch, type FetchOptions } from "cria/openai";
import OpenAI from "openai";
import type { ResponseCreateParams, ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { modelWithTemplate, toolTemplates } from "../../support/tool-models.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const request = { model: "demo", input: "What is 3 + 4?", temperature: 0, max_output_tokens: 20 } as const;
const user = { role: "user", content: "What is 3 + 4?" } as const;
const own = { temperature: 0, maxTokens: 20 };

const clientOf = (model: Model, options: FetchOptions = {}) => {
  const fetch = createFetch(model, { name: "demo", ...options });
  return new OpenAI({ apiKey: "none", baseURL: "http://cria/v1", fetch });
};

const failureOf = (call: PromiseLike<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

async function eventsOf(client: OpenAI, body: object): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  const stream = await client.responses.create({ ...request, ...body, stream: true } as ResponseCreateParams);
  for await (const event of stream as AsyncIterable<ResponseStreamEvent>) events.push(event);
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
  return events;
}

/** The kinds of events, those that repeat once. */
const kindsOf = (events: readonly ResponseStreamEvent[]) =>
  events.map(({ type }) => type.replace("response.", "")).filter((type, i, all) => type !== all[i - 1]);

/** Without what differs from one response to the next. */
const bare = (value: unknown) =>
  JSON.parse(
    JSON.stringify(value, (key, item) => {
      if (["id", "item_id", "call_id", "created_at", "completed_at", "cached_tokens"].includes(key)) return undefined;
      return item;
    }),
  );

let model: Model;
let client: OpenAI;
beforeAll(async () => {
  model = await loadModel(demo, { threads: 1, sequences: 2 });
  client = clientOf(model);
});
afterAll(() => model.dispose());

describe("a text", () => {
  it("is the answer of the model's own chat, with all that a response says", async () => {
    const expected = await model.completeChat([{ role: "system", content: "Be brief." }, user], own);
    const response = await client.responses.create({ ...request, instructions: "Be brief.", metadata: { a: "b" } });
    const { promptTokens, completionTokens } = expected.usage;
    expect(response.output_text).toBe(expected.text);
    expect(response).toMatchObject({
      ...{ object: "response", status: "completed", model: "demo", instructions: "Be brief.", error: null },
      ...{ metadata: { a: "b" }, temperature: 0, max_output_tokens: 20, tools: [], tool_choice: "auto" },
      ...{ previous_response_id: null, parallel_tool_calls: true, text: { format: { type: "text" } } },
      usage: {
        ...{
          input_tokens: promptTokens,
          output_tokens: completionTokens,
          output_tokens_details: { reasoning_tokens: 0 },
        },
        total_tokens: promptTokens + completionTokens,
      },
    });
    expect(response.id).toMatch(/^resp_/);
    expect(response.output).toEqual([
      {
        ...{ id: expect.stringMatching(/^msg_/), type: "message", role: "assistant", status: "completed" },
        content: [{ type: "output_text", text: expected.text, annotations: [], logprobs: [] }],
      },
    ]);
  });

  it("comes in OpenAI's events, which end in the same response", async () => {
    const whole = await client.responses.create(request);
    const events = await eventsOf(client, {});
    expect(kindsOf(events)).toEqual([
      ...["created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"],
      ...["output_text.done", "content_part.done", "output_item.done", "completed"],
    ]);
    const deltas = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : ""));
    expect(deltas.join("")).toBe(whole.output_text);
    const last = events.at(-1) as { response: OpenAI.Responses.Response };
    expect(bare(last.response)).toEqual(bare({ ...whole, output_text: undefined }));
    const [added, done] = events.flatMap((event) => ("item" in event ? [event.item] : []));
    expect(added).toMatchObject({ status: "in_progress", content: [] });
    expect(done).toEqual(last.response.output[0]);
    const final = await client.responses.stream(request).finalResponse();
    expect(final.output_text).toBe(whole.output_text);
  });

  it("that is cut says so, and log probabilities are there if asked", async () => {
    const cut = await client.responses.create({
      ...{ ...request, max_output_tokens: 3, top_logprobs: 2 },
      include: ["message.output_text.logprobs", "reasoning.encrypted_content"],
    });
    expect(cut).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
    const [message] = cut.output as OpenAI.Responses.ResponseOutputMessage[];
    expect(message!.status).toBe("incomplete");
    const { text, logprobs } = message!.content[0] as OpenAI.Responses.ResponseOutputText;
    expect(logprobs!.map(({ token }) => token).join("")).toBe(text);
    expect(logprobs![0]!.top_logprobs).toHaveLength(2);
    expect(kindsOf(await eventsOf(client, { max_output_tokens: 3 })).at(-1)).toBe("incomplete");
    const none = await eventsOf(client, { max_output_tokens: 0 });
    expect(kindsOf(none).at(-1)).toBe("incomplete");
  });

  it("is JSON where a format asks for it", async () => {
    const schema = {
      type: "object",
      properties: { a: { enum: [1, 2] } },
      required: ["a"],
      additionalProperties: false,
    };
    const format = { type: "json_schema", name: "x", schema, strict: true } as const;
    const parsed = await client.responses.parse({ ...request, text: { format, verbosity: "low" } });
    expect([1, 2]).toContain((parsed.output_parsed as unknown as { a: number }).a);
    expect(parsed.text!.format).toMatchObject({ type: "json_schema", name: "x" });
    const any = await client.responses.create({
      ...request,
      max_output_tokens: 80,
      text: { format: { type: "json_object" } },
    });
    expect(any.output_text.trimStart()[0]).toBe("{");
  });

  it("answers inputs of all kinds", async () => {
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: "What is 3 + 4?" },
      { role: "assistant", content: "7." },
      { role: "user", content: "And 2 + 2?" },
    ];
    const expected = (await model.completeChat(messages, own)).text;
    const part = (type: string, text: string) => ({ type, text });
    const inputs = [
      messages,
      [
        { type: "message", role: "developer", content: [part("input_text", "Be brief.")] },
        { type: "message", role: "user", content: [part("input_text", "What is 3 + 4?")] },
        { type: "reasoning", id: "rs_1", summary: [part("summary_text", "Hm.")] },
        {
          ...{ type: "message", id: "msg_1", role: "assistant", status: "completed" },
          content: [{ ...part("output_text", "7."), annotations: [] }],
        },
        { role: "user", content: "And 2 + 2?" },
      ],
    ];
    for (const input of inputs) {
      expect((await client.responses.create({ ...request, input } as never as typeof request)).output_text).toBe(
        expected,
      );
    }
  });
});

describe("what is stored", () => {
  it("is a conversation that goes on, and is read and deleted", async () => {
    const first = await client.responses.create({ ...request, instructions: "Shout." });
    const second = await client.responses.create({ ...request, input: "And 2 + 2?", previous_response_id: first.id });
    const history = [user, { role: "assistant", content: first.output_text }, { role: "user", content: "And 2 + 2?" }];
    expect(second.output_text).toBe((await model.completeChat(history, own)).text);
    expect(second.previous_response_id).toBe(first.id);
    const item = { type: "item_reference", id: first.output[0]!.id! } as const;
    const third = await client.responses.create({
      ...request,
      input: [user, item, { role: "user", content: "And 2 + 2?" }],
    });
    expect(third.output_text).toBe(second.output_text);
    expect(bare(await client.responses.retrieve(first.id))).toEqual(bare(first));
    await client.responses.delete(first.id);
    expect(await failureOf(client.responses.retrieve(first.id))).toMatchObject({ status: 404 });
    const next = { ...request, previous_response_id: first.id };
    expect(await failureOf(client.responses.create(next))).toMatchObject({
      ...{ status: 400, code: "previous_response_not_found", param: "previous_response_id" },
    });
    const referring = { ...request, input: [item] };
    expect(await failureOf(client.responses.create(referring))).toMatchObject({ status: 404, param: "input[0].id" });
  });

  it("is bounded, and nothing where it is not wanted", async () => {
    const few = clientOf(model, { storedResponses: 2 });
    const made = [];
    for (let i = 0; i < 3; i++) made.push(await few.responses.create({ ...request, max_output_tokens: 1 }));
    expect(await failureOf(few.responses.retrieve(made[0]!.id))).toMatchObject({ status: 404 });
    expect((await few.responses.retrieve(made[2]!.id)).id).toBe(made[2]!.id);
    const kept = await client.responses.create({ ...request, max_output_tokens: 1, store: false });
    expect(await failureOf(client.responses.retrieve(kept.id))).toMatchObject({ status: 404 });
    expect(() => createFetch(model, { storedResponses: -1 })).toThrow(/storedResponses must be an integer/);
  });
});

describe("tools and thoughts", () => {
  let calling: Model;
  let its: OpenAI;
  beforeAll(async () => {
    calling = await modelWithTemplate(toolTemplates.hermes);
    its = clientOf(calling);
  });
  afterAll(() => calling.dispose());

  const parameters = {
    ...{ type: "object", properties: { city: { enum: ["Lima", "Quito"] } }, required: ["city"] },
    additionalProperties: false,
  };
  const weather = { type: "function", name: "weather", description: "The weather", parameters, strict: true } as const;
  const time = { type: "function", name: "time", parameters: null, strict: null } as const;
  const ask = {
    ...{ model: "demo", input: "Rain?", temperature: 1.2, max_output_tokens: 60 },
    ...{ tools: [weather, time], parallel_tool_calls: false },
  };

  it("are called, whole and in events, and the model goes on with their results", async () => {
    const choice = { type: "function", name: "weather" } as const;
    const response = await its.responses.create({ ...ask, tool_choice: choice });
    const [call] = response.output as OpenAI.Responses.ResponseFunctionToolCall[];
    expect(call).toMatchObject({ type: "function_call", name: "weather", status: "completed" });
    expect(["Lima", "Quito"]).toContain(JSON.parse(call!.arguments).city);
    expect(response.tool_choice).toEqual(choice);
    expect(response.tools).toMatchObject([{ type: "function", name: "weather" }, { name: "time" }]);

    const output = { type: "function_call_output", call_id: call!.call_id, output: "It rains." } as const;
    const greedy = { ...ask, temperature: 0, tool_choice: "none" } as const;
    const expected = await calling.completeChat(
      [
        { role: "user", content: "Rain?" },
        {
          ...{ role: "assistant", content: "" },
          tool_calls: [{ type: "function", function: { name: "weather", arguments: JSON.parse(call!.arguments) } }],
        },
        { role: "tool", name: "weather", content: "It rains." },
      ],
      {
        tools: [{ name: "weather", description: "The weather", parameters }, { name: "time" }],
        ...{ toolChoice: "none", temperature: 0, maxTokens: 60 },
      },
    );
    const inputs = [
      { input: [{ role: "user", content: "Rain?" }, call!, output] },
      { input: [output], previous_response_id: response.id },
      { input: [{ role: "user", content: "Rain?" }, { type: "item_reference", id: call!.id! }, output] },
      {
        input: [{ ...output, output: [{ type: "input_text", text: "It rains." }] }],
        previous_response_id: response.id,
      },
    ];
    for (const input of inputs) {
      expect((await its.responses.create({ ...greedy, ...input } as never as typeof greedy)).output_text).toBe(
        expected.text,
      );
    }

    const events = await eventsOf(its, { ...ask, tool_choice: choice });
    expect(kindsOf(events)).toEqual([
      ...["created", "in_progress", "output_item.added", "function_call_arguments.delta"],
      ...["function_call_arguments.done", "output_item.done", "completed"],
    ]);
    const done = events.find((event) => event.type === "response.function_call_arguments.done")!;
    const deltas = events.map((event) => (event.type === "response.function_call_arguments.delta" ? event.delta : ""));
    expect(done).toMatchObject({ name: "weather", arguments: deltas.join("") });
  });

  it("and thoughts come as items of their own, or as a summary, and go back with the history", async () => {
    const thinking = await modelWithTemplate(
      "{{- bos_token }}{%- for m in messages %}{%- if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>" +
        "{%- endif %}{{- m.role }}: {{ m.content }}\n{%- endfor %}{%- if add_generation_prompt %}assistant: " +
        "{%- if enable_thinking != false %}<think>\n{% else %}<think>\n\n</think>\n\n{% endif %}{%- endif %}",
    );
    const thoughtful = clientOf(thinking);
    const body = {
      ...request,
      seed: 1,
      temperature: 1,
      max_output_tokens: 60,
      text: { format: yesOrNo },
    } as never as typeof request;
    const response = await thoughtful.responses.create(body);
    expect(response.output.map(({ type }) => type)).toEqual(["reasoning", "message"]);
    const [thoughts] = response.output as OpenAI.Responses.ResponseReasoningItem[];
    expect(thoughts!.content![0]!.text).not.toBe("");
    expect(response.usage!.output_tokens_details.reasoning_tokens).toBeGreaterThan(0);
    expect(['"yes"', '"no"']).toContain(response.output_text);
    expect(kindsOf(await eventsOf(thoughtful, body))).toEqual([
      ...["created", "in_progress", "output_item.added", "content_part.added", "reasoning_text.delta"],
      ...["reasoning_text.done", "content_part.done", "output_item.done", "output_item.added", "content_part.added"],
      ...["output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed"],
    ]);
    const summary = await eventsOf(thoughtful, { ...body, reasoning: { summary: "auto", effort: "low" } });
    expect(kindsOf(summary)).toContain("reasoning_summary_text.delta");
    expect(kindsOf(summary)).not.toContain("reasoning_text.delta");

    const more = { ...body, input: [user, ...response.output, user] } as never as typeof request;
    const without = { ...body, input: [user, response.output[1]!, user] } as never as typeof request;
    const tokensOf = async (given: typeof request) => (await thoughtful.responses.create(given)).usage!.input_tokens;
    expect(await tokensOf(more)).toBeGreaterThan(await tokensOf(without));

    const chat = { model: "demo", messages: [user], seed: 1, temperature: 1, max_tokens: 60 };
    const whole = await thoughtful.chat.completions.create(chat);
    expect((whole.choices[0]!.message as { reasoning_content?: string }).reasoning_content).not.toBe("");
    let streamed = "";
    for await (const { choices } of await thoughtful.chat.completions.create({ ...chat, stream: true })) {
      for (const { delta } of choices) streamed += (delta as { reasoning_content?: string }).reasoning_content ?? "";
    }
    expect(streamed).toBe((whole.choices[0]!.message as { reasoning_content?: string }).reasoning_content);
    const off = { ...chat, chat_template_kwargs: { enable_thinking: false } };
    const plain = await thoughtful.chat.completions.create(off);
    expect(plain.choices[0]!.message).not.toHaveProperty("reasoning_content");
    await thinking.dispose();
  });
});

const yesOrNo = { type: "json_schema", name: "answer", schema: { enum: ["yes", "no"] } };

describe("what is refused", () => {
  it.each([
    ["input", { input: undefined }],
    ["input", { input: [] }],
    ["input[0].type", { input: [{ type: "web_search_call", id: "x" }] }],
    ["input[0].role", { input: [{ role: "judge", content: "x" }] }],
    ["input[0].content[0].type", { input: [{ role: "user", content: [{ type: "input_image", image_url: "x" }] }] }],
    ["input[0].call_id", { input: [{ type: "function_call_output", call_id: "c", output: "x" }] }],
    ["input[0].arguments", { input: [{ type: "function_call", call_id: "c", name: "f", arguments: "{" }] }],
    ["tools[0].type", { tools: [{ type: "web_search" }] }],
    ["tool_choice.type", { tool_choice: { type: "file_search" } }],
    ["tool_choice", { tool_choice: "required" }],
    ["text.format.type", { text: { format: { type: "grammar" } } }],
    ["text.format", { text: { format: { type: "json_schema", name: "x", schema: { type: "x" } } } }],
    ["background", { background: true }],
    ["conversation", { conversation: "c" }],
    ["prompt", { prompt: { id: "p" } }],
    ["top_p", { top_p: 2 }],
    ["max_output_tokens", { max_output_tokens: 0.5 }],
  ])("%s, by its name", async (param, body) => {
    const error = await failureOf(client.responses.create({ ...request, ...body } as never as typeof request));
    expect(error).toMatchObject({ status: 400, param, type: "invalid_request_error" });
  });

  it("what fails later is the stream's last event", async () => {
    const other = await loadModel(demo, { threads: 1 });
    const bias = Object.fromEntries([...other.tokenizer.endOfGenerationIds].map((id) => [id, -100]));
    const body = { model: "demo", input: "x", logit_bias: bias, stream: true };
    const stream = await clientOf(other).responses.create(body as never as typeof request & { stream: true });
    let last: ResponseStreamEvent | undefined;
    for await (const event of stream) {
      last = event;
      if (event.type === "response.output_text.delta") await other.dispose();
    }
    expect(last).toMatchObject({
      type: "response.failed",
      response: { status: "failed", error: { code: "server_error" } },
    });
  });
});
