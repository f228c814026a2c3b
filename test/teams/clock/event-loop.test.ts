// The calling thread keeps its event loop: loading a model with a large vocabulary, and long texts, are the work of others. What it
// computes at a stretch is held against what it would compute if it did all of it itself, in its own processor time, so a busy machine
// does not matter.

import { writeFileSync } from "node:fs";
import { loadModel, type Model } from "cria";
import { openGguf } from "cria/gguf";
import { tokenizerFrom } from "cria/tokenizer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { largeVocabularyModel } from "../../support/large-vocabulary.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { hasThreadClock, longestBlock, threadTime } from "../../support/thread-clock.js";

const folder = temporaryFolder();

/** A text without a pattern that the tokenizer could remember. */
function letters(count: number): string {
  let state = 1;
  let text = "";
  while (text.length < count) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += `${state.toString(36).replace(/\d/g, "x")} `;
  }
  return text;
}

describe.runIf(hasThreadClock)("the calling thread", () => {
  let path: string;
  let model: Model;
  /** What reading the header and making the tables here takes. */
  let alone: number;
  beforeAll(async () => {
    path = folder.path("large-vocabulary.gguf");
    writeFileSync(path, await largeVocabularyModel());
    const begin = threadTime();
    const gguf = await openGguf(path);
    tokenizerFrom(gguf.metadata);
    await gguf.close();
    alone = threadTime() - begin;
  });
  afterAll(() => model?.dispose());

  it("keeps its event loop while a model with 120,000 tokens and 240,000 merges is loaded", async () => {
    const fromFile = await longestBlock(async () => {
      model = await loadModel(path, { threads: 1 });
    });
    expect(fromFile).toBeLessThan(alone / 3);
  });

  it("keeps it while long prompts are encoded, which are what the tokenizer makes of them here", async () => {
    const text = letters(400_000);
    const begin = threadTime();
    const { length } = model.tokenizer.encode(text);
    const alone = threadTime() - begin;
    const longest = await longestBlock(async () => {
      const message = `the prompt has ${length} tokens`;
      await expect(model.complete(text)).rejects.toThrow(message);
      await expect(model.embed([text])).rejects.toThrow(`input 0 has ${length} tokens`);
    });
    expect(longest).toBeLessThan(alone / 3);
  });

  it("keeps it while the sequence breakers of DRY are looked for", async () => {
    const longest = await longestBlock(() => model.complete("ab", { maxTokens: 1, dry: {} }));
    expect(longest).toBeLessThan(alone / 3);
  });
});
