// Many calls at once on one model, with far too few pages for all: every one ends, with exactly what it gives alone; none starves.

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endless, randomIds } from "../../support/fixture-model.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const CONTEXT = 256;

let alone: Model;
let crowded: Model;
beforeAll(async () => {
  alone = await loadModel(demo, { threads: 1, contextSize: CONTEXT });
  crowded = await loadModel(demo, { threads: 2, contextSize: CONTEXT, sequences: 2 }); // 8 pages of 64 positions
});
afterAll(() => Promise.all([alone.dispose(), crowded.dispose()]));

/** A digest of what call number i answers, to the last bit. */
async function call(model: Model, i: number): Promise<string> {
  const digest = createHash("sha256");
  const arrays = (_: string, value: unknown) => {
    if (value instanceof Float32Array) digest.update(value);
    return value instanceof Float32Array ? value.length : value;
  };
  return digest.update(JSON.stringify(await answer(model, i), arrays)).digest("hex");
}

/** Call number i, of one of eight kinds. */
async function answer(model: Model, i: number): Promise<unknown> {
  const sampling = { seed: i, temperature: 1, logprobs: true };
  const prompt = `A story of ${i}: ${"day after day, ".repeat(i % 13)}`;
  const ids = randomIds(1 + ((i * 37) % 200), model.info.vocabularySize, i);
  switch (i % 8) {
    case 0:
      return answerOf(await model.complete(prompt, { ...sampling, maxTokens: 30 }));
    case 1: // to the end of the context
      return answerOf(await model.complete(prompt, { ...sampling, ...endless(model) }));
    case 2:
      return answerOf(await model.complete(prompt, sampling));
    case 3: {
      const tokens: number[] = [];
      for await (const part of model.generate(ids, { ...sampling, maxTokens: 40 })) tokens.push(...part.tokens);
      return tokens;
    }
    case 4: {
      const chat = model.chat({ system: "You are a llama." });
      const first = await chat.ask(`What is ${i} + 1?`, { ...sampling, maxTokens: 20 });
      const second = await chat.ask("Are you sure?", { ...sampling, maxTokens: 20 });
      chat.dispose();
      return [answerOf(first), answerOf(second)];
    }
    case 5:
      return model.embed([ids, "a fox", prompt]);
    case 6: {
      const sequence = model.createSequence();
      const before = await sequence.evaluate(ids);
      const copy = sequence.fork();
      const after = await Promise.all([
        sequence.evaluate([1, 2, 3], { logits: "all" }),
        copy.evaluate([4]),
        sequence.evaluate([5]),
      ]);
      sequence.dispose();
      copy.dispose();
      return [before, ...after];
    }
    default: {
      const sequence = model.createSequence();
      const logits = await sequence.evaluate(ids.slice(0, 70), { logits: "all" });
      sequence.truncate(5);
      const again = await sequence.evaluate(ids.slice(5, 70));
      sequence.dispose();
      return [logits, again];
    }
  }
}

function answerOf({ text, tokens, logprobs, finishReason }: Awaited<ReturnType<Model["complete"]>>) {
  return { text, tokens, logprobs, finishReason };
}

describe("64 calls of all kinds at once", () => {
  const expected: string[] = [];
  beforeAll(async () => {
    for (let i = 0; i < 64; i++) expected.push(await call(alone, i));
  });

  it("give what each gives alone", async () => {
    const together = await Promise.all(Array.from({ length: 64 }, (_, i) => call(crowded, i)));
    expect(together).toEqual(expected);
  });

  it("and again, while others are aborted", async () => {
    const reason = new Error("enough");
    const others = Array.from({ length: 40 }, async (_, i) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), i * 5);
      const { signal } = controller;
      await expect(crowded.complete(randomIds(150, 512, i), { ...endless(crowded), signal })).rejects.toBe(reason);
    });
    const kept = await Promise.all(Array.from({ length: 16 }, (_, i) => call(crowded, i)));
    expect(kept).toEqual(expected.slice(0, 16));
    await Promise.all(others);
  });
});

/** Resolves with the order in which the calls end. */
async function orderOf(calls: Readonly<Record<string, Promise<unknown>>>): Promise<string[]> {
  const order: string[] = [];
  await Promise.all(Object.entries(calls).map(([name, call]) => call.then(() => order.push(name))));
  return order;
}

describe("fairness", () => {
  const prompt = (length: number, seed: number) => randomIds(length, 512, seed);

  it("two generations without maxTokens run side by side, in the room of two", async () => {
    let [first, second] = [0, 0];
    const count = async (seed: number, add: () => [number, number]) => {
      let apart = 0;
      for await (const _ of crowded.generate(prompt(3, seed), { ...endless(crowded), seed })) {
        const [a, b] = add();
        apart = Math.max(apart, Math.abs(a - b));
      }
      return apart;
    };
    const apart = await Promise.all([count(1, () => [++first, second]), count(2, () => [first, ++second])]);
    expect(Math.min(...apart)).toBeLessThan(10);
  });

  it("a short prompt does not wait for a long one", async () => {
    const order = await orderOf({
      long: crowded.complete(prompt(250, 1), { maxTokens: 1 }),
      short: crowded.complete(prompt(10, 2), { maxTokens: 1 }),
    });
    expect(order).toEqual(["short", "long"]);
  });

  it("a long prompt does not starve among short ones that never end", async () => {
    // They do end, for the test's sake: a prompt that waits for all of them has starved.
    const enough = 400;
    let [done, ended] = [false, 0];
    const stream = async (seed: number) => {
      for (; !done && ended < enough; ended++) await crowded.complete(prompt(40, 100 * seed + ended), { maxTokens: 2 });
    };
    const streams = Array.from({ length: 12 }, (_, seed) => stream(seed));
    await crowded.complete(prompt(250, 1), { maxTokens: 2 });
    await crowded.embed([prompt(256, 2)]);
    done = true;
    expect(ended).toBeLessThan(enough);
    await Promise.all(streams);
  });

  it("more generations than a step has rows of logits advance alike", async () => {
    const model = await loadModel(demo, { threads: 2, contextSize: 64, sequences: 60 });
    const counts = new Array<number>(60).fill(0);
    let spread = 0;
    const run = async (seed: number) => {
      for await (const part of model.generate(prompt(2, seed), { ...endless(model), maxTokens: 20, seed })) {
        if (part.done === undefined) counts[seed]!++;
        spread = Math.max(spread, Math.max(...counts) - Math.min(...counts));
      }
    };
    await Promise.all(counts.map((_, seed) => run(seed)));
    expect(counts).toEqual(counts.map(() => 20));
    expect(spread).toBeLessThan(12);
    await model.dispose();
  });
});

describe("the pool", () => {
  it("holds any number of sequences: what it has lost of a text it evaluates again", async () => {
    const texts = Array.from({ length: 20 }, (_, i) => randomIds(100, 512, i));
    const crowd = texts.map(() => crowded.createSequence());
    await Promise.all(crowd.map((sequence, i) => sequence.evaluate(texts[i]!)));
    const forks = crowd.map((sequence) => sequence.fork());
    const answers = await Promise.all([...crowd, ...forks].map((one) => one.evaluate([7, 8], { logits: "all" })));
    for (const [i, text] of texts.entries()) {
      const sequence = alone.createSequence();
      await sequence.evaluate(text);
      const expected = await sequence.evaluate([7, 8], { logits: "all" });
      sequence.dispose();
      expect(answers[i]).toEqual(expected);
      expect(answers[texts.length + i]).toEqual(expected);
    }
    for (const sequence of [...crowd, ...forks]) sequence.dispose();
  });

  it("has room for a fork of a text that fills it", async () => {
    const ids = randomIds(250, 512, 3);
    const sequence = alone.createSequence();
    await sequence.evaluate(ids);
    const fork = sequence.fork();
    const expected = await fork.evaluate([1, 2]);
    expect(await sequence.evaluate([1, 2])).toEqual(expected);
    sequence.dispose();
    fork.dispose();
  });

  it("a conversation that is disposed of in the middle of an answer ends with it", async () => {
    const chat = crowded.chat();
    let tokens = 0;
    for await (const part of chat.send("Tell me a story.", { ...endless(crowded), maxTokens: 20 })) {
      if (tokens === 0) chat.dispose();
      tokens += part.tokens.length;
    }
    expect(tokens).toBe(20);
    await expect(chat.ask("And then?")).rejects.toMatchObject({ code: "SEQUENCE_DISPOSED" });
  });

  it("refuses at once, with the numbers, what can never fit", async () => {
    const busy = crowded.complete([1, 2], { ...endless(crowded), maxTokens: 50 });
    await expect(crowded.complete(randomIds(300, 512))).rejects.toMatchObject({
      code: "CONTEXT_FULL",
      message: expect.stringMatching(/300 tokens.*256/),
    });
    await expect(crowded.embed([randomIds(300, 512)])).rejects.toMatchObject({ code: "CONTEXT_FULL" });
    await busy;
  });
});
