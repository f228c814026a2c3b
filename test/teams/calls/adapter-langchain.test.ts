// cria/langchain under the real LangChain.js: what its users call, on the demo model.

import { fileURLToPath } from "node:url";
import { InMemoryCache } from "@langchain/core/caches";
import {
  AIMessage,
  type AIMessageChunk,
  type BaseMessage,
  ChatMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { tool } from "@langchain/core/tools";
import { loadModel, type Model } from "cria";
import { ChatCria, CriaEmbeddings } from "cria/langchain";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { modelWithTemplate, toolTemplates } from "../../support/tool-models.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const question = "What is 3 + 4?";
const options = { temperature: 0, maxTokens: 20 };

let model: Model;
let chat: ChatCria;
beforeAll(async () => {
  model = await loadModel(demo, { threads: 1, sequences: 2 });
  chat = new ChatCria({ model, options });
});
afterAll(() => model.dispose());

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "none",
    (error: { code?: string }) => error.code,
  );

describe("ChatCria", () => {
  it("answers as the model's own chat does, with usage and how it ended", async () => {
    const own = await model.completeChat(
      [
        { role: "system", content: "You are brief." },
        { role: "user", content: question },
        { role: "assistant", content: "7." },
        { role: "user", content: "And 2 + 2?" },
      ],
      options,
    );
    const answer = await chat.invoke([
      new SystemMessage("You are brief."),
      new HumanMessage({ content: [{ type: "text", text: question }] }),
      new AIMessage("7."),
      new ChatMessage({ role: "user", content: "And 2 + 2?" }),
    ]);
    const { promptTokens, completionTokens } = own.usage;
    expect(answer.text).toBe(own.text);
    expect(answer.usage_metadata).toMatchObject({
      ...{ input_tokens: promptTokens, output_tokens: completionTokens, total_tokens: promptTokens + completionTokens },
    });
    expect(answer.response_metadata).toMatchObject({
      ...{ model_name: "cria demo", finish_reason: own.finishReason, seed: expect.any(Number) },
    });
  });

  it("streams what invoke gives, and passes each piece to callbacks", async () => {
    const whole = await chat.invoke(question);
    const heard: string[] = [];
    const callbacks = [{ handleLLMNewToken: (token: string) => void heard.push(token) }];
    let all: AIMessageChunk | undefined;
    let pieces = 0;
    for await (const chunk of await chat.stream(question, { callbacks })) {
      all = all?.concat(chunk) ?? chunk;
      pieces++;
    }
    expect(all!.text).toBe(whole.text);
    expect(pieces).toBeGreaterThan(1);
    expect(heard.join("")).toBe(whole.text);
    expect(all!.usage_metadata!.total_tokens).toBe(whole.usage_metadata!.total_tokens);
    expect(all!.response_metadata["finish_reason"]).toBe(whole.response_metadata["finish_reason"]);
  });

  it("works in a chain, in a batch and behind a cache", async () => {
    const prompt = ChatPromptTemplate.fromMessages([
      ["system", "You are brief."],
      ["human", "What is {a} + {b}?"],
    ]);
    const chain = prompt.pipe(chat).pipe(new StringOutputParser());
    const sums = [1, 2, 3].map((a) => ({ a, b: 4 }));
    const alone: string[] = [];
    for (const sum of sums) alone.push(await chain.invoke(sum));
    expect(await chain.batch(sums)).toEqual(alone);

    // LangChain counts no tokens for an answer from its cache.
    const cached = { model, cache: new InMemoryCache() };
    const tokensWith = async (seed: number) => {
      const answer = await new ChatCria({ ...cached, options: { ...options, seed } }).invoke(question);
      return answer.usage_metadata!.output_tokens;
    };
    expect(await tokensWith(1)).toBeGreaterThan(0);
    expect(await tokensWith(1)).toBe(0);
    expect(await tokensWith(2)).toBeGreaterThan(0);
  });

  it("takes options with a call, which override its own", async () => {
    const whole = await chat.invoke(question);
    const short = await chat.invoke(question, { options: { maxTokens: 3 } });
    expect(whole.text.startsWith(short.text)).toBe(true);
    expect(short.usage_metadata!.output_tokens).toBe(3);
    expect((await chat.invoke(question, { stop: ["="] })).text).toBe(whole.text.slice(0, whole.text.indexOf("=")));
    expect(await chat.getNumTokens(question)).toBe(model.tokenizer.encode(question, { bos: false }).length);
  });

  it("gives objects of a schema, of JSON Schema or of zod, with the message if wanted", async () => {
    const warm = new ChatCria({ model, options: { temperature: 1.2, maxTokens: 80, seed: 3 } });
    const age = { type: "integer", minimum: 0, maximum: 99 };
    const schema = { type: "object", properties: { age }, required: ["age"], additionalProperties: false };
    const plain = await warm.withStructuredOutput(schema).invoke(question);
    expect(plain).toEqual({ age: expect.any(Number) });
    const person = z.object({ age: z.number().int().min(0).max(99) });
    expect(await warm.withStructuredOutput(person).invoke(question)).toEqual(plain);
    const both = await warm.withStructuredOutput(person, { includeRaw: true }).invoke(question);
    expect(both.parsed).toEqual(plain);
    expect(JSON.parse(both.raw.text)).toEqual(plain);
    expect(() => warm.withStructuredOutput(schema, { method: "jsonMode" })).toThrow('"jsonMode"');
  });

  it("refuses what it cannot do, by name", async () => {
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
    expect(await codeOf(chat.invoke([new HumanMessage({ content: [image] })]))).toBe("UNSUPPORTED_CONTENT");
    expect(await codeOf(chat.invoke([new ToolMessage({ content: "7", tool_call_id: "1" })]))).toBe(
      "UNSUPPORTED_CONTENT",
    );
    const invalid = new AIMessage({ content: "", invalid_tool_calls: [{ name: "weather", args: "{" }] });
    expect(await codeOf(chat.invoke([invalid]))).toBe("UNSUPPORTED_TOOLS");
    for (const content of [undefined, null, 5, {}]) {
      const message = new HumanMessage("x");
      message.content = content as unknown as string;
      const call = chat.invoke([new HumanMessage(question), message]);
      await expect(call).rejects.toThrow(/^messages\[1\]\.content must be a string/);
    }
    const nulls = { tools: null, tool_choice: null, jsonSchema: null, options: null, stop: null } as object;
    expect((await chat.invoke(question, nulls)).text).toBe((await chat.invoke(question)).text);
    expect(await codeOf(chat.invoke(question, { tools: [null as never] }))).toBe("UNSUPPORTED_TOOLS");
    const search = { type: "web_search" };
    expect(await codeOf(chat.invoke(question, { tools: [search] }))).toBe("UNSUPPORTED_TOOLS");
    expect(await codeOf(chat.invoke(question, { tools: [], tool_choice: { name: 1 } }))).toBe("UNSUPPORTED_TOOLS");
    const time = { type: "function", function: { name: "time" } };
    expect(await codeOf(chat.invoke(question, { tools: [time] }))).toBe("UNSUPPORTED_TOOLS"); // by the template
    const both = { tools: [time], jsonSchema: true };
    expect(await codeOf(chat.invoke(question, both))).toBe("UNSUPPORTED_RESPONSE_FORMAT");
    expect(await codeOf(chat.invoke(question, { options: { heat: 1 } as object }))).toBe("INVALID_OPTION");
    expect(await codeOf(chat.invoke("x ".repeat(600)))).toBe("CONTEXT_FULL");
  });

  it("ends when its signal aborts, and the model is free again", async () => {
    const endless = new Map([...model.tokenizer.endOfGenerationIds].map((id) => [id, Number.NEGATIVE_INFINITY]));
    const long = new ChatCria({ model, options: { logitBias: endless } });
    const controller = new AbortController();
    const reason = new Error("enough");
    const stream = await long.stream(question, { signal: controller.signal });
    const reading = (async () => {
      for await (const { text } of stream) if (text !== "") controller.abort(reason);
    })();
    await expect(reading).rejects.toThrow("enough");
    for (let i = 0; i < 3; i++) for await (const { text } of await long.stream(question)) if (text !== "") break;
    expect((await chat.invoke(question)).text).not.toBe("");
  });
});

describe.each(["hermes", "llama3"] as const)("tools, in the notation of %s", (notation) => {
  let calling: Model;
  beforeAll(async () => {
    calling = await modelWithTemplate(toolTemplates[notation]);
  });
  afterAll(() => calling.dispose());

  const weather = tool(async ({ city }) => `It rains in ${city}.`, {
    name: "weather",
    description: "The weather in a city",
    schema: z.object({ city: z.enum(["Lima", "Quito"]) }),
  });
  const time = {
    type: "function",
    function: { name: "time", parameters: { type: "object", additionalProperties: false } },
  };
  const own = () => {
    const options = { temperature: 1.2, maxTokens: 60, seed: 2, parallelToolCalls: false };
    return new ChatCria({ model: calling, options });
  };

  it("are called, and the model goes on with their results", async () => {
    const messages: BaseMessage[] = [new HumanMessage("Rain?")];
    const calls = own().bindTools([weather, time], { tool_choice: "weather" });
    const answer = await calls.invoke(messages);
    expect(answer.text).toBe("");
    expect(answer.response_metadata["finish_reason"]).toBe("tool_calls");
    expect(answer.tool_calls).toMatchObject([{ type: "tool_call", name: "weather", id: expect.any(String) }]);
    const [call] = answer.tool_calls!;
    expect(["Lima", "Quito"]).toContain(call!.args["city"]);
    const result: ToolMessage = await weather.invoke(call!);
    expect(result.content).toBe(`It rains in ${call!.args["city"]}.`);
    messages.push(answer, result);
    const last = await own().bindTools([weather, time], { tool_choice: "none" }).invoke(messages);
    expect(last.text).not.toBe("");
    expect(last.tool_calls).toEqual([]);

    const [, , shown] = messages;
    const called = { type: "function", function: { name: "weather", arguments: call!.args } };
    const { usage } = await calling.completeChat(
      [
        { role: "user", content: "Rain?" },
        { role: "assistant", content: "", tool_calls: [called] },
        { role: "tool", name: "weather", content: shown!.text },
      ],
      { maxTokens: 1 },
    );
    const without = await own().invoke(messages, { options: { maxTokens: 1, parallelToolCalls: undefined } });
    expect(without.usage_metadata!.input_tokens).toBe(usage.promptTokens);
  });

  it("may have been called with an empty text for arguments", async () => {
    const tokensWith = async (given: object) => {
      const called = new AIMessage({ content: "", ...given });
      const messages = [new HumanMessage("Rain?"), called, new ToolMessage({ content: "5", tool_call_id: "1" })];
      return (await own().invoke(messages, { options: { maxTokens: 1, parallelToolCalls: undefined } })).usage_metadata!
        .input_tokens;
    };
    const empty = await tokensWith({ invalid_tool_calls: [{ id: "1", name: "time", args: "" }] });
    expect(empty).toEqual(await tokensWith({ tool_calls: [{ id: "1", name: "time", args: {} }] }));
  });

  it("are streamed in chunks that add up to the same", async () => {
    const calls = own().bindTools([weather, time], { tool_choice: "any" });
    const whole = await calls.invoke("Rain?");
    let all: AIMessageChunk | undefined;
    let chunks = 0;
    for await (const chunk of await calls.stream("Rain?")) {
      all = all?.concat(chunk) ?? chunk;
      chunks += chunk.tool_call_chunks?.length ?? 0;
    }
    const bare = ({ tool_calls = [] }: AIMessage) => tool_calls.map(({ name, args }) => ({ name, args }));
    expect(bare(all!)).toEqual(bare(whole));
    expect(bare(all!)).toHaveLength(1);
    expect(all!.invalid_tool_calls).toEqual([]);
    expect(chunks).toBeGreaterThan(1);
  });
});

describe("CriaEmbeddings", () => {
  it("give the model's vectors", async () => {
    const texts = ["a fox", "Once upon a time there was a bear."];
    const own = (await model.embed(texts)).map((vector) => [...vector]);
    const embeddings = new CriaEmbeddings({ model });
    expect(await embeddings.embedDocuments(texts)).toEqual(own);
    expect(await embeddings.embedQuery(texts[1]!)).toEqual(own[1]);
    expect(await embeddings.embedDocuments([])).toEqual([]);
  });

  it("distinguish documents from queries, where that is wanted", async () => {
    const prompts = { query: "question: ", document: "text: " };
    const embeddings = new CriaEmbeddings({ model, purposes: true, options: { prompts } });
    const [query, document] = await model.embed(["question: a fox", "text: a fox"]);
    expect(await embeddings.embedQuery("a fox")).toEqual([...query!]);
    expect(await embeddings.embedDocuments(["a fox"])).toEqual([[...document!]]);
    expect(await codeOf(new CriaEmbeddings({ model, purposes: true }).embedQuery("a fox"))).toBe("UNKNOWN_PURPOSE");
  });

  it("take cria's options, and refuse others", async () => {
    const [own] = await model.embed(["a fox"], { pooling: "last" });
    expect(await new CriaEmbeddings({ model, options: { pooling: "last" } }).embedQuery("a fox")).toEqual([...own!]);
    const wrong = new CriaEmbeddings({ model, options: { heat: 1 } as object });
    expect(await codeOf(wrong.embedQuery("a fox"))).toBe("INVALID_OPTION");
  });
});
