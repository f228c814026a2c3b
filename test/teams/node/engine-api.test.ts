// The public calls on the demo model: options that stop and steer a generation, sequences, embeddings, many calls at once, every source.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ContextError, CriaError, type GeneratedPart, loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixtureModel } from "../../support/fixture-model.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const greedy = { temperature: 0 } as const;

let model: Model;
beforeAll(async () => {
  model = await loadModel(demo, { threads: 2, sequences: 3 });
});
afterAll(() => model.dispose());

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "none",
    (error: CriaError) => error.code,
  );

describe("generate and complete", () => {
  it("stream the same text in parts, with their tokens, and sum up at the end", async () => {
    const whole = await model.complete("Once upon a time", { ...greedy, maxTokens: 20 });
    const parts: GeneratedPart[] = [];
    for await (const part of model.generate("Once upon a time", { ...greedy, maxTokens: 20 })) parts.push(part);
    expect(parts.map(({ text }) => text).join("")).toBe(whole.text);
    expect(parts.flatMap(({ tokens }) => [...tokens])).toEqual([...whole.tokens]);
    expect(parts.slice(0, -1).every(({ done }) => done === undefined)).toBe(true);
    const { done } = parts.at(-1)!;
    expect(done).toMatchObject({ finishReason: "length", usage: { promptTokens: 5, completionTokens: 20 } });
    expect(done!.timings.decodeTokensPerSecond).toBeGreaterThan(0);
  });

  it("end before a stop string, wherever tokens divide it", async () => {
    const { text } = await model.complete("Once upon a time", { ...greedy, maxTokens: 40 });
    const stop = text.slice(20, 27);
    const stopped = await model.complete("Once upon a time", { ...greedy, maxTokens: 40, stop });
    expect(stopped.text).toBe(text.slice(0, text.indexOf(stop)));
    expect(stopped.finishReason).toBe("stop");
  });

  it("give maxTokens tokens: 0, 1, and what the context has room for", async () => {
    for (const maxTokens of [0, 1]) {
      const { tokens, finishReason } = await model.complete("One day", { ...greedy, maxTokens });
      expect([tokens.length, finishReason]).toEqual([maxTokens, "length"]);
    }
    const small = await loadModel(demo, { threads: 1, contextSize: 16 });
    const { usage, finishReason } = await small.complete("One day", { temperature: 1.5, logitBias: bans(small) });
    expect([usage.promptTokens + usage.completionTokens, finishReason]).toEqual([16, "length"]);
    await small.dispose();
  });

  it("report the seed in use, and the same seed gives the same text at any thread count", async () => {
    const { text, usage } = await model.complete("One day", { maxTokens: 30, temperature: 1.2 });
    for (const threads of [1, 3, 4]) {
      const other = await loadModel(demo, { threads });
      const again = await other.complete("One day", { maxTokens: 30, temperature: 1.2, seed: usage.seed });
      expect(again.text).toBe(text);
      await other.dispose();
    }
    expect((await model.complete("One day", { maxTokens: 30, temperature: 1.2, seed: usage.seed + 1 })).text).not.toBe(
      text,
    );
  });

  it("tell log probabilities that belong to the logits", async () => {
    const ids = model.tokenizer.encode("One day");
    const { logprobs, tokens } = await model.complete(ids, { ...greedy, maxTokens: 2, logprobs: true, topLogprobs: 3 });
    const sequence = model.createSequence();
    const logits = await sequence.evaluate(ids);
    sequence.dispose();
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    expect(logprobs).toHaveLength(2);
    expect(logprobs![0]!.id).toBe(tokens[0]);
    expect(logprobs![0]!.logprob).toBeCloseTo(logits[tokens[0]!]! - Math.log(sum), 5);
    expect(logprobs![0]!.top.map(({ id }) => id)[0]).toBe(tokens[0]);
    expect(logprobs![0]!.top).toHaveLength(3);
  });

  it("never give a token that is banned", async () => {
    const { tokens } = await model.complete("One day", { ...greedy, maxTokens: 1 });
    const banned = await model.complete("One day", { ...greedy, maxTokens: 1, logitBias: { [tokens[0]!]: -Infinity } });
    expect(banned.tokens[0]).not.toBe(tokens[0]);
  });

  it("refuse what cannot be", async () => {
    expect(await codeOf(model.complete("x ".repeat(2000)))).toBe("CONTEXT_FULL");
    expect(await codeOf(model.complete("x", { temperature: -1 }))).toBe("INVALID_OPTION");
    expect(await codeOf(model.complete("x", { maxTokens: 1.5 }))).toBe("INVALID_OPTION");
    expect(await codeOf(model.complete("x", { heat: 1 } as object))).toBe("INVALID_OPTION");
    expect(await codeOf(model.complete("x", { stop: "" }))).toBe("INVALID_OPTION");
    for (const bad of [{ stop: 5 }, { signal: {} }, 5, []]) {
      expect(await codeOf(model.complete("x", bad as object))).toBe("INVALID_OPTION");
    }
    expect(await codeOf(model.complete(null as unknown as string))).toBe("INVALID_TOKEN");
    const outside = async () => model.complete([model.info.vocabularySize]);
    await expect(outside()).rejects.toBeInstanceOf(CriaError);
  });
});

/** Forbids every token that would end a generation. */
function bans({ tokenizer }: Model): Record<number, number> {
  return Object.fromEntries([...tokenizer.endOfGenerationIds].map((id) => [id, -Infinity]));
}

describe("generateChat and completeChat", () => {
  const question = { role: "user", content: "What is 3 + 4?" };

  it("answer as a chat with the same messages does, and keep nothing", async () => {
    const options = { temperature: 0, maxTokens: 20 };
    using chat = model.chat();
    const first = await chat.ask(question.content, options);
    const second = await chat.ask("And 2 + 2?", options);
    const messages = [question, { role: "assistant", content: first.text }, { role: "user", content: "And 2 + 2?" }];
    expect((await model.completeChat(messages, options)).text).toBe(second.text);
    expect((await model.completeChat([question], options)).text).toBe(first.text);
    let streamed = "";
    for await (const { text } of model.generateChat([question], options)) streamed += text;
    expect(streamed).toBe(first.text);
  });

  it("refuse unknown options, conversations that are none, and models without a template", async () => {
    expect(await codeOf(model.completeChat([question], { heat: 1 } as object))).toBe("INVALID_OPTION");
    expect(await codeOf(model.completeChat("hello" as unknown as []))).toBe("INVALID_OPTION");
    using chat = model.chat();
    expect(await codeOf(chat.ask(undefined as unknown as string))).toBe("INVALID_OPTION");
    expect(() => model.chat({ messages: "hello" as unknown as [] })).toThrow(/messages/);
    using sequence = model.createSequence();
    expect(await codeOf(sequence.evaluate([1], { logit: "all" } as object))).toBe("INVALID_OPTION");
    const shape = { dim: 64, layers: 1, heads: 2, kvHeads: 1, ffn: 64, vocab: 512 };
    const plain = await loadModel(await fixtureModel({ ...shape, format: () => "Q8_0" }), { threads: 1 });
    expect(await codeOf(plain.completeChat([question]))).toBe("NO_CHAT_TEMPLATE");
    await plain.dispose();
  });
});

describe("many calls at once", () => {
  it("give what each gives alone, and those that do not fit yet wait", async () => {
    const prompts = Array.from({ length: 16 }, (_, i) => `A story of ${i}: ${"day ".repeat(i)}`);
    const options = { temperature: 0.9, seed: 5, maxTokens: 24 };
    const alone: string[] = [];
    for (const prompt of prompts) alone.push((await model.complete(prompt, options)).text);
    const together = await Promise.all(prompts.map((prompt) => model.complete(prompt, options)));
    expect(together.map(({ text }) => text)).toEqual(alone);
  });

  it("may be of all kinds", async () => {
    const [vector] = await model.embed(["a fox"]);
    const sequence = model.createSequence();
    const [logits, { text }, [again]] = await Promise.all([
      sequence.evaluate([1, 2, 3]),
      model.complete("One day", { ...greedy, maxTokens: 12 }),
      model.embed(["a fox", "a bear"]),
    ]);
    expect(again).toEqual(vector);
    expect(text).toBe((await model.complete("One day", { ...greedy, maxTokens: 12 })).text);
    sequence.truncate(0);
    expect(await sequence.evaluate([1, 2, 3])).toEqual(logits);
    sequence.dispose();
  });
});

describe("a sequence", () => {
  it("knows its position, and refuses what does not fit", async () => {
    const sequence = model.createSequence();
    const size = model.info.contextSize;
    await sequence.evaluate(Array.from({ length: size - 1 }, (_, i) => i % 100));
    expect(sequence.position).toBe(size - 1);
    await expect(sequence.evaluate([1, 2])).rejects.toBeInstanceOf(ContextError);
    expect(sequence.position).toBe(size - 1);
    await sequence.evaluate([1]);
    expect(() => sequence.truncate(size + 1)).toThrow(ContextError);
    sequence.dispose();
    await expect(sequence.evaluate([1])).rejects.toBeInstanceOf(ContextError);
  });

  it("is not forked while it works", async () => {
    const sequence = model.createSequence();
    const working = sequence.evaluate([1, 2, 3]);
    expect(() => sequence.fork()).toThrow(ContextError);
    await working;
    const copy = sequence.fork();
    expect(copy.position).toBe(3);
    copy.dispose();
    sequence.dispose();
  });
});

describe("embed", () => {
  const lengthOf = (vector: Float32Array) => Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));

  it("gives vectors of length 1, the same alone and among others", async () => {
    const texts = ["a fox", "Once upon a time there was a bear. ".repeat(8), "x"];
    const together = await model.embed(texts);
    for (const [i, text] of texts.entries()) {
      expect(lengthOf(together[i]!)).toBeCloseTo(1, 5);
      expect((await model.embed([text]))[0]).toEqual(together[i]);
    }
    const [raw] = await model.embed(["a fox"], { normalize: false });
    expect(lengthOf(raw!)).not.toBeCloseTo(1, 2);
  });

  it("pools the mean, which of one token is the last", async () => {
    const [mean] = await model.embed([[7]], { pooling: "mean" });
    const [last] = await model.embed([[7]], { pooling: "last" });
    expect(mean).toEqual(last);
    const [ofBoth, first] = await model.embed([[7, 9], [7]], { pooling: "mean", normalize: false });
    const [second] = await model.embed([[7, 9]], { pooling: "last", normalize: false });
    for (let d = 0; d < 8; d++) expect(ofBoth![d]).toBeCloseTo((first![d]! + second![d]!) / 2, 5);
  });

  it("takes a text or a list, and refuses what is empty, too long or not a text", async () => {
    expect(await codeOf(model.embed([[]]))).toMatch(/EMPTY_INPUT|INVALID_TOKEN/);
    expect(await codeOf(model.embed(["x ".repeat(2000)]))).toBe("CONTEXT_FULL");
    expect(await codeOf(model.embed(5 as unknown as string[]))).toBe("INVALID_OPTION");
    expect(await model.embed("a fox")).toEqual((await model.embed(["a fox"]))[0]);
    for (const bad of [{ normalize: "false" }, { signal: {} }, 5]) {
      expect(await codeOf(model.embed(["a fox"], bad as object))).toBe("INVALID_OPTION");
    }
    const given = ["a fox", "an owl"];
    const vectors = model.embed(given);
    given.length = 0;
    expect(await vectors).toEqual(await model.embed(["a fox", "an owl"]));
    expect(await codeOf(model.embed(["a"], { pooling: "sum" as "mean" }))).toBe("INVALID_OPTION");
  });
});

describe("sources", () => {
  const folder = temporaryFolder();

  it("bytes, a Blob, a URL and a path give the same logits", async () => {
    const bytes = new Uint8Array(readFileSync(demo));
    const path = folder.path("copy.gguf");
    writeFileSync(path, bytes);
    const ids = [2043, 5, 6, 7, 300];
    const expected = await model.createSequence().evaluate(ids);
    for (const source of [bytes, new Blob([bytes]), new URL(`file://${path}`), path]) {
      const other = await loadModel(source, { threads: 1 });
      expect(await other.createSequence().evaluate(ids)).toEqual(expected);
      await other.dispose();
    }
  });
});
