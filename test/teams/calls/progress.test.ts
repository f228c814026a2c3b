// What a program sees of a model while it computes: how far a prompt is evaluated, and the figures of `model.load()`.

import { demoModel, type LoadFigures, loadModel, loadPool, type Model, type PrefillProgress } from "cria";
import { createFetch } from "cria/openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** 128 tokens and more. */
const long = "Once upon a time there was a little girl. ".repeat(15);
let model: Model;
beforeAll(async () => {
  model = await loadModel(demoModel, { threads: 2, sequences: 2, prefillChunk: 32 });
});
afterAll(() => model.dispose());

async function progressOf(of: Pick<Model, "generate">, prompt: string): Promise<PrefillProgress[]> {
  const seen: PrefillProgress[] = [];
  for await (const { prefill, text, tokens } of of.generate(prompt, { maxTokens: 2, prefillProgress: true })) {
    if (prefill === undefined) continue;
    expect([text, tokens.length]).toEqual(["", 0]);
    seen.push(prefill);
  }
  return seen;
}

describe("the option prefillProgress", () => {
  it("tells after each step how much of the prompt is evaluated, to its end", async () => {
    const seen = await progressOf(model, long);
    const { promptTokens } = seen[0]!;
    expect(promptTokens).toBe(model.tokenizer.encode(long).length);
    expect(seen.map(({ evaluatedTokens }) => evaluatedTokens)).toEqual([
      ...Array.from({ length: Math.ceil(promptTokens / 32) - 1 }, (_, i) => 32 * (i + 1)),
      promptTokens,
    ]);
    expect(seen.every(({ cachedTokens }) => cachedTokens === 0)).toBe(true);
  });

  it("counts what was in the cache as evaluated", async () => {
    const [first] = await progressOf(model, `${long}The end`);
    expect(first!.cachedTokens).toBeGreaterThanOrEqual(64);
    expect(first!.evaluatedTokens).toBeGreaterThan(first!.cachedTokens);
  });

  it("is off by default, and holds for the instances of a pool", async () => {
    for await (const part of model.generate(long, { maxTokens: 1 })) expect(part).not.toHaveProperty("prefill");
    const pool = await loadPool(demoModel, { instances: 1, threads: 1, prefillChunk: 64 });
    expect((await progressOf(pool, long)).length).toBeGreaterThan(1);
    await pool.dispose();
  });
});

describe("a stream of cria/openai, asked as llama.cpp's server is", () => {
  async function chunks(body: object): Promise<Record<string, never>[]> {
    const answer = await createFetch(model, { name: "m" })("http://cria/v1/chat/completions", {
      method: "POST",
      body: JSON.stringify({ model: "m", stream: true, max_tokens: 3, temperature: 0, ...body }),
    });
    const events = (await answer.text()).split("\n\n").filter((line) => line.startsWith("data: {"));
    return events.map((line) => JSON.parse(line.slice(6)));
  }
  const messages = [{ role: "user", content: `Tell me a story. ${long}` }];

  it("has prompt_progress by return_progress", async () => {
    const progress = (await chunks({ messages, return_progress: true })).flatMap((one) => one["prompt_progress"] ?? []);
    const { total } = progress[0]!;
    expect(progress.at(-1)).toMatchObject({ total, processed: total, cache: 0, time_ms: expect.any(Number) });
    expect((await chunks({ messages })).every((one) => !("prompt_progress" in one))).toBe(true);
  });

  it("has timings by timings_per_token", async () => {
    const timings = (await chunks({ messages, timings_per_token: true })).flatMap((one) => one["timings"] ?? []);
    expect(timings.at(-1)).toMatchObject({ predicted_n: 3, prompt_per_second: expect.any(Number) });
    expect(timings[0]).toMatchObject({ predicted_n: 1 });
  });

  it("has those of the whole beside the usage, as that server does without being asked", async () => {
    const usage = { stream_options: { include_usage: true } };
    const { timings, usage: counts } = (await chunks({ messages, ...usage })).at(-1) as unknown as {
      timings: { prompt_n: number; cache_n: number };
      usage: { prompt_tokens: number };
    };
    expect(timings).toMatchObject({ predicted_n: 3, predicted_ms: expect.any(Number) });
    expect(timings.prompt_n + timings.cache_n).toBe(counts.prompt_tokens);
    expect((await chunks({ messages, ...usage, n: 2 })).at(-1)).not.toHaveProperty("timings");
  });
});

describe("model.load()", () => {
  it("tells what the model has computed, how its workers waited, and how full the KV cache is", async () => {
    const before = model.load().total;
    let during: LoadFigures | undefined;
    const begin = performance.now();
    for await (const { tokens } of model.generate("Once", { maxTokens: 400, logitBias: endless(model) })) {
      if (tokens.length > 0 && performance.now() - begin > 50) during ??= model.load();
    }
    const { total, cache, tokenBytes, workers } = model.load();
    expect(total.steps - before.steps).toBeGreaterThanOrEqual(400);
    expect(total.rows - before.rows).toBeGreaterThanOrEqual(400);
    expect(total.milliseconds).toBeGreaterThan(before.milliseconds);
    expect(tokenBytes).toBeGreaterThan(1_000_000);
    expect(during!.cache.used).toBeGreaterThan(0);
    expect(cache).toMatchObject({ used: 0, pages: during!.cache.pages });
    expect(cache.cached).toBeGreaterThan(0);
    for (const { atBarriers } of workers) {
      expect(atBarriers ?? 0).toBeGreaterThanOrEqual(0);
      expect(atBarriers ?? 0).toBeLessThanOrEqual(1);
    }
  });
});

/** A text that ends at its `maxTokens`. */
function endless({ tokenizer }: Model): Record<number, number> {
  return Object.fromEntries([...tokenizer.endOfGenerationIds].map((id) => [id, -100]));
}
