// The engine on stories260K, a trained model, against llama2.c's greedy texts and logits and float64 perplexities.

import { readFileSync } from "node:fs";
import type { Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fastestBuild, loadWith } from "../../support/kernel-builds.js";
import { hasReferenceData, readFloats, readJson, referenceData } from "../../support/reference-data.js";

const prompts = ["00", "01", "02", "03", "04", "05"];
/** Where best and second are closer than this, another rounding may choose otherwise. */
const CLOSE = 0.002;

interface ExpectedTokens {
  readonly prompt: string;
  readonly prompt_tokens: readonly number[];
  /** For each position: the next token, the best one and its logit, the second and its logit. */
  readonly steps: readonly (readonly [number, number, number, number, number])[];
}

interface Sample {
  readonly tokens: readonly (readonly number[])[];
  readonly results: Readonly<Record<string, { readonly mean_nll: number; readonly per_story: readonly number[] }>>;
}

/** -log p of each token but the first, given those before it, from logits (n, vocab). */
function negativeLogLikelihoods(tokens: readonly number[], logits: Float32Array): number[] {
  const vocab = logits.length / tokens.length;
  return tokens.slice(1).map((token, position) => {
    const row = logits.subarray(position * vocab, (position + 1) * vocab);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0);
    return largest + Math.log(sum) - row[token]!;
  });
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe.skipIf(!hasReferenceData)(`stories260K, kernels ${fastestBuild}`, () => {
  describe("f32, f32 cache", () => {
    let model: Model;
    beforeAll(async () => {
      model = await loadWith(fastestBuild, referenceData("stories260k/stories260K-f32.gguf"), {
        kvCache: "f32",
        threads: 2,
      });
    });
    afterAll(() => model?.dispose());

    it.each(prompts)("writes the text of prompt %s", async (name) => {
      const expected = readJson<ExpectedTokens>(`stories260k/expected/${name}.tokens.json`);
      const { prompt, prompt_tokens, steps } = expected;
      const ids = [model.tokenizer.bosId!, ...model.tokenizer.encode(prompt, { bos: false })];
      if (prompt !== "") expect(ids).toEqual(prompt_tokens);
      const generated = steps.slice(prompt_tokens.length - 1);
      const { text, tokens } = await model.complete(ids, { temperature: 0, maxTokens: generated.length });
      const differs = generated.findIndex(([next], i) => tokens[i] !== next);
      if (differs >= 0) {
        const [, , best, second, secondLogit] = generated[differs]!;
        expect(best - secondLogit).toBeLessThan(CLOSE);
        expect(tokens[differs]).toBe(second);
        return;
      }
      expect(tokens.length).toBe(generated.length);
      // llama2.c leaves out bytes that are not printable; these texts have none.
      const greedy = readFileSync(referenceData(`stories260k/expected/${name}.greedy256.txt`), "utf8").trim();
      expect((prompt + text).trim()).toBe(greedy);
    });

    it.each(prompts)("gives the logits of the first 16 positions of prompt %s", async (name) => {
      const { steps, prompt_tokens } = readJson<ExpectedTokens>(`stories260k/expected/${name}.tokens.json`);
      const ids = [prompt_tokens[0]!, ...steps.slice(0, 15).map(([next]) => next)];
      const sequence = model.createSequence();
      const logits = await sequence.evaluate(ids, { logits: "all" });
      sequence.dispose();
      const expected = readFloats(`stories260k/expected/${name}.logits.f32`);
      expect(logits.length).toBe(expected.length);
      const largest = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - logits[i]!)), 0);
      expect(largest).toBeLessThan(1e-4); // llama2.c computes in 32-bit floats, too
    });
  });

  it.each([
    ["f32", 0.003],
    ["q8_0", 0.003],
    ["q4_0", 0.01],
  ] as const)("%s has the recorded perplexity", async (format, tolerance) => {
    const { tokens, results } = readJson<Sample>("stories260k/expected/tinystories_sample_ppl.json");
    const { mean_nll, per_story } = results[format]!;
    const path = referenceData(`stories260k/stories260K-${format}.gguf`);
    const model = await loadWith(fastestBuild, path, { kvCache: "f32", threads: 2 });
    try {
      const losses: number[][] = [];
      for (const story of tokens) {
        const sequence = model.createSequence();
        losses.push(negativeLogLikelihoods(story, await sequence.evaluate(story, { logits: "all" })));
        sequence.dispose();
      }
      const perplexity = Math.exp(mean(losses.flat()));
      expect(Math.abs(perplexity / Math.exp(mean_nll) - 1)).toBeLessThan(tolerance);
      for (const [i, loss] of losses.entries()) {
        expect(Math.abs(Math.exp(mean(loss)) / Math.exp(per_story[i]!) - 1)).toBeLessThan(2 * tolerance);
      }
    } finally {
      await model.dispose();
    }
  });
});
