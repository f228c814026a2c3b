// New grammars hold up nobody: a stream goes on while 20 new schemas arrive, and the calling thread keeps its event loop. A busy machine
// makes gaps of its own, so the best of some rounds counts, beside the gaps that the stream has alone.

import { writeFileSync } from "node:fs";
import { loadModel, type Model } from "cria";
import { afterAll, beforeAll, expect, it } from "vitest";
import { largeVocabularyModel } from "../../support/large-vocabulary.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { hasThreadClock, longestBlock } from "../../support/thread-clock.js";

const folder = temporaryFolder();
const LONGEST_GAP = 20;
const ROUNDS = 8;

let model: Model;
beforeAll(async () => {
  const path = folder.path("large-vocabulary.gguf");
  writeFileSync(path, await largeVocabularyModel());
  model = await loadModel(path, { threads: 2 });
});
afterAll(() => model.dispose());

let schemas = 0;
/** Texts under schemas that nobody has asked for yet. */
const newSchemas = () =>
  Promise.all(
    Array.from({ length: 20 }, () => {
      const pattern = `^[a-z]{2,${10 + schemas++}}-[0-9]+$`;
      return model.complete("ab", { jsonSchema: { type: "string", pattern, maxLength: 200 }, maxTokens: 12 });
    }),
  );

/** The longest gap between the tokens of a stream while something goes on, ms. */
async function longestGap(work: () => Promise<unknown>): Promise<number> {
  const stream = model.generate("ab", { maxTokens: 100_000, contextShift: { keep: 1 }, temperature: 0 });
  for (let i = 0; i < 20; i++) await stream.next();
  let longest = 0;
  let last = performance.now();
  let isDone = false;
  const under = work().finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await stream.next();
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  await stream.return();
  await under;
  return longest;
}

it(`leaves no gap of ${LONGEST_GAP} ms in a running stream while 20 new schemas arrive`, {
  timeout: 60_000,
}, async () => {
  await newSchemas(); // the worker has started, and knows the vocabulary
  const gaps: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now();
    const gap = await longestGap(newSchemas);
    const took = performance.now() - begin;
    gaps.push(gap);
    if (gap < LONGEST_GAP) return;
    const alone = await longestGap(() => new Promise((resolve) => setTimeout(resolve, took)));
    if (gap < 2 * alone) return;
  }
  expect(Math.min(...gaps)).toBeLessThan(LONGEST_GAP);
});

it.runIf(hasThreadClock)("keeps the calling thread's event loop", async () => {
  // Far more than a turn should take, and far less than 20 schemas take to compile where code is cold.
  expect(await longestBlock(newSchemas)).toBeLessThan(50);
});

it("compiles a grammar once, whoever asks for it", async () => {
  const jsonSchema = { type: "string", pattern: "^[a-c]{3}$" };
  const texts = await Promise.all([1, 2, 3].map((seed) => model.complete("ab", { jsonSchema, seed, maxTokens: 8 })));
  for (const { text } of texts) expect(text).toMatch(/^"[a-c]{3}"$/);
});
