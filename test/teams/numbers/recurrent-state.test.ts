// Models with recurrent state reuse what the cache holds as others do, and nobody can tell from the results: the logits are, bit for bit,
// those of a text that is evaluated from its first token on.

import { type Completion, type GenerateOptions, loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hybrid } from "../../oracles/architectures/qwen35.js";
import { type ArchitectureShape, architectureModel } from "../../support/architecture-model.js";
import fc from "../../support/fast-check.js";
import { randomIds } from "../../support/fixture-model.js";
import { loadInShards } from "../../support/shards.js";

const VOCAB = 512;
const CONTEXT = 512;
const TEMPLATE =
  "{% for message in messages %}<{{ message.role }}>{{ message.content }}</>{% endfor %}" +
  "{% if add_generation_prompt %}<assistant>{% endif %}";

/** What a generation says is letters: what is read of it again has the same tokens. It does not end by itself. */
const letters: GenerateOptions = {
  ...{ temperature: 1, seed: 7, logprobs: true },
  logitBias: new Map(
    Array.from({ length: VOCAB }, (_, id) => [id, id >= 0x40 && id < 0x5a ? 0 : Number.NEGATIVE_INFINITY]),
  ),
};

/** The architectures, with what their small models need. */
const hybrids: readonly (readonly [string, ArchitectureShape["keys"]])[] = [
  ["lfm2", { "attention.head_count_kv": [0, 2, 0, 2], "shortconv.l_cache": 3 }],
  ["qwen35", hybrid],
];

it("the plan of lfm2 has two slots for each sequence, and for snapshots an eighth of the KV cache", async () => {
  const file = await architectureModel({ architecture: "lfm2", keys: hybrids[0]![1] });
  const model = await loadModel(file, { threads: 1, contextSize: CONTEXT, sequences: 3 });
  const { recurrentState, kvCache, shards } = model.info.memory;
  const slot = 2 * Math.ceil((2 * 40 * 4) / 64) * 64; // two layers, each with two columns of 40 channels
  const snapshots = Math.floor(kvCache / 8 / slot);
  expect(snapshots).toBeGreaterThan(6);
  expect(recurrentState).toBe((3 * 2 + snapshots) * slot);
  expect(shards.map((shard) => shard.recurrentState)).toEqual([recurrentState]);
  await model.dispose();
});

it("models that only attend have no slots", async () => {
  const attending = await loadModel(await architectureModel({ architecture: "qwen3" }), { threads: 1 });
  expect(attending.info.memory.recurrentState).toBe(0);
  await attending.dispose();
});

describe.each(hybrids)("%s", (architecture, keys) => {
  let file: Uint8Array<ArrayBuffer>;
  let model: Model;
  /** Has the room of one sequence: what comes next takes the place of what was before. */
  let narrow: Model;
  beforeAll(async () => {
    file = await architectureModel({
      ...{ architecture, keys: { ...keys, context_length: CONTEXT } },
      metadata: { "tokenizer.chat_template": TEMPLATE },
    });
    model = await loadModel(file, { threads: 2, contextSize: CONTEXT, sequences: 3 });
    narrow = await loadModel(file, { threads: 1, contextSize: CONTEXT });
  });
  afterAll(() => Promise.all([model.dispose(), narrow.dispose()]));

  /** The logits of a whole text, all of it evaluated. */
  async function fresh(ids: readonly number[], by = narrow): Promise<Float32Array> {
    const sequence = by.createSequence();
    try {
      return await sequence.evaluate(ids, { logits: "all" });
    } finally {
      sequence.dispose();
    }
  }

  /** Those of the last `count` tokens. */
  async function freshEnd(ids: readonly number[], count: number): Promise<Float32Array> {
    return (await fresh(ids)).subarray((ids.length - count) * VOCAB);
  }

  /** The completion by a model that has just evaluated something else, in all its room. */
  async function freshCompletion(ids: readonly number[], options: GenerateOptions): Promise<Completion> {
    await narrow.embed([randomIds(CONTEXT, VOCAB, 99)]);
    const completion = await narrow.complete(ids, options);
    expect(completion.usage.cachedTokens).toBe(0);
    return completion;
  }

  async function expectReuse(ids: readonly number[], cachedTokens: number): Promise<void> {
    const options = { ...letters, maxTokens: 8 };
    const completion = await model.complete(ids, options);
    expect(completion.usage).toMatchObject({ promptTokens: ids.length, cachedTokens });
    const { tokens, logprobs } = await freshCompletion(ids, options);
    expect(completion.tokens).toEqual(tokens);
    expect(completion.logprobs).toEqual(logprobs);
  }

  describe("a conversation", () => {
    it("evaluates only what is new, to the token, with the numbers of a fresh run", async () => {
      const chat = model.chat({ system: "Be brief." });
      let before = 0;
      for (const question of ["What is a llama?", "And a cria?", "Why?"]) {
        const options = { ...letters, maxTokens: 60 };
        const answer = await chat.ask(question, options);
        // The last token of an answer is never evaluated.
        expect(answer.usage.cachedTokens).toBe(Math.max(0, before - 1));
        before = answer.usage.promptTokens + answer.usage.completionTokens;
        await narrow.embed([randomIds(CONTEXT, VOCAB, 99)]);
        const whole = await narrow.completeChat(chat.messages.slice(0, -1), options);
        expect(whole.usage).toEqual({ ...answer.usage, cachedTokens: 0 });
        expect(answer.logprobs).toEqual(whole.logprobs);
      }
      chat.dispose();
    });

    it("goes back to the end of an earlier prompt when an answer is replaced", async () => {
      const messages = [{ role: "user", content: "Tell me a story of a llama and of its cria." }] as const;
      const ask = (chat: ReturnType<Model["chat"]>, seed: number) =>
        chat.ask("And?", { ...letters, seed, maxTokens: 70 });
      const first = model.chat({ messages: [...messages, { role: "assistant", content: "No." }] });
      const { usage } = await ask(first, 1);
      const saved = await first.save();
      const again = await model.restoreChat(saved);
      const answers = await Promise.all([ask(first, 2), ask(again, 2)]);
      expect(answers[0].usage.cachedTokens).toBe(usage.promptTokens + 69);
      // A session has the state at the last end of a page.
      expect(answers[1].usage.cachedTokens).toBe(Math.floor((usage.promptTokens + 69) / 64) * 64);
      expect(answers[1].logprobs).toEqual(answers[0].logprobs);
      for (const chat of [first, again]) chat.dispose();
    });
  });

  it("a generation that outgrows the context goes on as in a model with another number of threads and slots", async () => {
    const ids = randomIds(70, VOCAB, 8);
    const options = { ...letters, contextShift: { keep: 20 }, maxTokens: 700 };
    const [first, second] = await Promise.all([model, narrow].map((one) => one.complete(ids, options)));
    expect(first!.tokens).toHaveLength(700);
    expect(second!.tokens).toEqual(first!.tokens);
  });

  describe("a text that begins like another", () => {
    const system = randomIds(150, VOCAB, 1);

    it("shares its pages up to a snapshot, and leaves one where it parts", async () => {
      await expectReuse([...system, 1, 2, 3], 0);
      await expectReuse([...system, 4, 5], 128); // the last end of a page before the last token
      await expectReuse([...system.slice(0, 100), 6], 0);
      await expectReuse([...system.slice(0, 100), 7], 64);
      await expectReuse([7, ...system], 0);
    });

    it("finds the snapshots of a long text: one in 256 tokens, and the last end of a page", async () => {
      const ids = randomIds(400, VOCAB, 2);
      await expectReuse(ids, 0);
      await expectReuse([...ids.slice(0, 300), 1], 256);
      await expectReuse([...ids.slice(0, 340), 1], 256); // five pages, the last of them without a snapshot until now
      await expectReuse([...ids.slice(0, 340), 2], 320);
      await expectReuse([...ids, 1], 384);
    });

    it("finds what a generation has written", async () => {
      const ids = randomIds(60, VOCAB, 6);
      const { tokens } = await model.complete(ids, { ...letters, seed: 1, maxTokens: 80 });
      await expectReuse([...ids, ...tokens, 1], 128);
    });
  });

  describe("a sequence", () => {
    const ids = randomIds(300, VOCAB, 3);

    it("forks and goes back, with the numbers of a fresh run", async () => {
      const sequence = model.createSequence();
      await sequence.evaluate(ids.slice(0, 200));
      const fork = sequence.fork();
      const [a, b] = await Promise.all([
        sequence.evaluate(ids.slice(200), { logits: "all" }),
        fork.evaluate([1, 2, 3], { logits: "all" }),
      ]);
      expect(a).toEqual(await freshEnd(ids, 100));
      expect(b).toEqual(await freshEnd([...ids.slice(0, 200), 1, 2, 3], 3));
      for (const length of [250, 200, 199, 64, 7, 0]) {
        sequence.truncate(length);
        const logits = await sequence.evaluate([9, length], { logits: "all" });
        expect(logits).toEqual(await freshEnd([...ids.slice(0, length), 9, length], 2));
        sequence.truncate(length);
      }
      for (const one of [sequence, fork]) one.dispose();
    });

    it("is as it was after an abort, whenever that comes", async () => {
      const sequence = model.createSequence();
      await sequence.evaluate(ids.slice(0, 70));
      for (const milliseconds of [0, 1, 2, 3, 5, 8]) {
        const signal = AbortSignal.timeout(milliseconds);
        const other = model.complete(ids, { ...letters, maxTokens: 5 });
        await sequence.evaluate(randomIds(400, VOCAB, 4), { logits: "all", signal }).catch(() => undefined);
        await other;
        if (sequence.position > 70) sequence.truncate(70);
        expect(await sequence.evaluate([5, 6], { logits: "all" })).toEqual(
          await freshEnd([...ids.slice(0, 70), 5, 6], 2),
        );
        sequence.truncate(70);
      }
      sequence.dispose();
    });

    it("is saved and goes on in another number of shards", async () => {
      const sharded = await loadInShards(3, file, { threads: 2, contextSize: CONTEXT });
      expect(sharded.info.memory.shards.length).toBeGreaterThan(1);
      const sequence = model.createSequence();
      await sequence.evaluate(ids.slice(0, 150));
      const restored = await sharded.restoreSequence(await sequence.save());
      expect(restored.position).toBe(150);
      const expected = await freshEnd(ids, 150);
      expect(await restored.evaluate(ids.slice(150), { logits: "all" })).toEqual(expected);
      const back = await model.restoreSequence(await restored.save());
      expect(await back.evaluate([1], { logits: "all" })).toEqual(await freshEnd([...ids, 1], 1));
      for (const one of [sequence, restored, back]) one.dispose();
      await sharded.dispose();
    });
  });

  it("many texts at once, more than have slots and pages, are what each is by itself", async () => {
    const texts = Array.from({ length: 40 }, (_, i) => [
      ...randomIds(i < 20 ? 90 : 30, VOCAB, 5),
      ...randomIds(20, VOCAB, i),
    ]);
    const options = (i: number) => ({ ...letters, seed: i, maxTokens: 20 + i });
    const together = await Promise.all(texts.map((text, i) => narrow.complete(text, options(i))));
    for (const [i, text] of texts.entries()) {
      if (i % 5 !== 0) continue;
      const { tokens, logprobs } = await freshCompletion(text, options(i));
      expect(together[i]!.tokens).toEqual(tokens);
      expect(together[i]!.logprobs).toEqual(logprobs);
    }
  });

  it("sequences are what their texts say, whatever is done with them at the same time", async () => {
    const which = fc.nat(5);
    const length = fc.integer({ min: 1, max: 150 });
    const command = fc.oneof(
      fc.record({ kind: fc.constantFrom("evaluate", "abort", "complete"), which, length, seed: fc.nat(3) }),
      fc.record({ kind: fc.constantFrom("truncate", "fork", "restore"), which, length, seed: fc.nat(3) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 25 }), async (commands) => {
        const texts = [{ sequence: narrow.createSequence(), ids: [] as number[] }];
        for (const { kind, which, length, seed } of commands) {
          const one = texts[which % texts.length]!;
          const { sequence, ids } = one;
          const more = randomIds(Math.min(length, CONTEXT - ids.length - 3), VOCAB, seed);
          if (kind === "evaluate" && more.length > 0) {
            const others = texts.filter((other) => other !== one && other.ids.length < CONTEXT - 3).slice(0, 2);
            const [logits] = await Promise.all([
              sequence.evaluate(more, { logits: "all" }),
              ...others.map((other) => other.sequence.evaluate([seed])),
            ]);
            ids.push(...more);
            for (const other of others) other.ids.push(seed);
            const whole = await fresh(ids, model);
            expect(logits).toEqual(whole.subarray((ids.length - more.length) * VOCAB));
          } else if (kind === "abort" && more.length > 0) {
            const signal = AbortSignal.timeout(seed);
            const done = await sequence.evaluate(more, { logits: "all", signal }).then(
              () => true,
              () => false,
            );
            if (done) ids.push(...more);
          } else if (kind === "complete") {
            await narrow.complete([...ids.slice(0, 300), seed], { ...letters, maxTokens: 5 });
          } else if (kind === "truncate") {
            ids.length = Math.min(ids.length, length);
            sequence.truncate(ids.length);
          } else if (kind === "fork" && texts.length < 6) {
            texts.push({ sequence: sequence.fork(), ids: [...ids] });
          } else if (kind === "restore" && texts.length < 6) {
            texts.push({ sequence: await narrow.restoreSequence(await sequence.save()), ids: [...ids] });
          }
        }
        for (const { sequence, ids } of texts) {
          const logits = await sequence.evaluate([1, 2], { logits: "all" });
          const whole = await fresh([...ids, 1, 2], model);
          expect(logits).toEqual(whole.subarray(ids.length * VOCAB));
          sequence.dispose();
        }
      }),
      { numRuns: 25 },
    );
  });
});
