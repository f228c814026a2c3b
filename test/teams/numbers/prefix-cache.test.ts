// What the cache holds is not evaluated again: of a conversation, of a text that begins like an earlier one; and nobody can tell from
// the results.

import { fileURLToPath } from "node:url";
import { type Completion, loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endless, randomIds } from "../../support/fixture-model.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const CONTEXT = 512;
const options = { temperature: 1, seed: 3, maxTokens: 8, logprobs: true } as const;

let model: Model;
/** Has the room of one sequence: what comes next takes the place of what was before. */
let narrow: Model;
beforeAll(async () => {
  model = await loadModel(demo, { threads: 2, contextSize: CONTEXT, sequences: 3 });
  narrow = await loadModel(demo, { threads: 1, contextSize: CONTEXT });
});
afterAll(() => Promise.all([model.dispose(), narrow.dispose()]));

/** The completion by a model that has just evaluated something else, in all its room. */
async function fresh(ids: readonly number[]): Promise<Completion> {
  await narrow.embed([randomIds(CONTEXT, 512, 99)]);
  const completion = await narrow.complete(ids, options);
  expect(completion.usage.cachedTokens).toBe(0);
  return completion;
}

async function expectReuse(ids: readonly number[], cachedTokens: number): Promise<void> {
  const completion = await model.complete(ids, options);
  expect(completion.usage).toMatchObject({ promptTokens: ids.length, cachedTokens });
  const { tokens, logprobs } = await fresh(ids);
  expect(completion.tokens).toEqual(tokens);
  expect(completion.logprobs).toEqual(logprobs);
}

describe("a text that begins like another", () => {
  const system = randomIds(150, 512, 1);

  it("shares its full pages of 64 positions, and gives the same", async () => {
    await expectReuse([...system, 1, 2, 3], 0);
    await expectReuse([...system, 4, 5], 128);
    await expectReuse([...system.slice(0, 100), 6], 64);
    await expectReuse([7, ...system], 0);
  });

  it("evaluates its last token at least", async () => {
    const ids = randomIds(128, 512, 2);
    await expectReuse(ids, 0);
    await expectReuse(ids, 64);
    await expectReuse([...ids, 1], 128);
  });

  it("finds what others are still working on, and what a sequence holds", async () => {
    const ids = randomIds(130, 512, 4);
    const sequence = model.createSequence();
    await sequence.evaluate(ids);
    const running = model.complete([...ids, 1], { ...endless(model), maxTokens: 200 });
    await expectReuse([...ids, 2], 128);
    await running;
    sequence.truncate(10);
    await sequence.evaluate(randomIds(100, 512, 5));
    await expectReuse([...ids, 3], 128);
    sequence.dispose();
  });

  it("finds what a generation has written", async () => {
    const ids = randomIds(60, 512, 6);
    const { tokens } = await model.complete(ids, { ...endless(model), seed: 1, maxTokens: 70 });
    await expectReuse([...ids, ...tokens, 1], 128);
  });

  it("is evaluated again when its pages were needed, the longest unused first", async () => {
    const [a, b, c] = [7, 8, 9].map((seed) => randomIds(200, 512, seed)) as [number[], number[], number[]];
    const cached = async (ids: readonly number[]) => (await narrow.complete(ids, options)).usage.cachedTokens;
    await narrow.embed([randomIds(CONTEXT, 512, 98)]);
    expect([await cached(a), await cached(b), await cached(a)]).toEqual([0, 0, 192]);
    expect(await cached(c)).toBe(0); // 8 pages: 3 + 3, and now 4 more
    expect([await cached(a), await cached(c)]).toEqual([192, 192]);
    expect(await cached(b)).toBeLessThan(192);
  });

  it("is never taken from an embedding", async () => {
    const ids = randomIds(200, 512, 10);
    const [vector] = await model.embed([ids]);
    await expectReuse([...ids, 1], 0);
    expect((await model.embed([ids]))[0]).toEqual(vector);
  });
});

describe("a conversation", () => {
  it("evaluates only what is new, to the token", async () => {
    const chat = model.chat({ system: "You are a llama who knows the sums and the animals." });
    let before = 0;
    for (const question of ["What is 3 + 4?", "Who are you?", "And what is a cria?"]) {
      const { usage, timings } = await chat.ask(question, { temperature: 0, maxTokens: 40 });
      // The answer's last token was never evaluated, nor what the template puts after it.
      expect(usage.cachedTokens).toBeGreaterThanOrEqual(Math.max(0, before - 1));
      expect(usage.promptTokens - usage.cachedTokens).toBeLessThan(before === 0 ? 100 : 30);
      expect(timings.prefillTokensPerSecond).toBeCloseTo(
        ((usage.promptTokens - usage.cachedTokens) * 1000) / timings.prefillMilliseconds,
        3,
      );
      before = usage.promptTokens + usage.completionTokens;
    }
    chat.dispose();
  });

  it("shares its system prompt with others", async () => {
    const system = "You are a llama. ".repeat(20);
    const first = model.chat({ system });
    const second = model.chat({ system });
    await first.ask("Who are you?", options);
    const { usage } = await second.ask("What is 1 + 1?", options);
    expect(usage.cachedTokens).toBeGreaterThanOrEqual(64);
    expect(usage.cachedTokens % 64).toBe(0);
    first.dispose();
    second.dispose();
  });

  it("goes on when others have taken its pages, with the same answers", async () => {
    const ask = async (between: () => Promise<unknown>) => {
      const chat = narrow.chat();
      const first = await chat.ask("Tell me a story.", { ...options, maxTokens: 60 });
      await between();
      const second = await chat.ask("And then?", options);
      chat.dispose();
      return [first.tokens, second.tokens, second.usage.cachedTokens] as const;
    };
    const kept = await ask(async () => undefined);
    const lost = await ask(() => narrow.embed([randomIds(CONTEXT, 512, 97)]));
    expect(lost.slice(0, 2)).toEqual(kept.slice(0, 2));
    expect(kept[2]).toBeGreaterThan(60);
    expect(lost[2]).toBe(0);
  });
});
