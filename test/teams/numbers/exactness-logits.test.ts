// The engine on random-weight models against exact logits and hidden states: float64 results that other programs computed. The bars
// are set by how far llama.cpp's CPU engine is from them.

import { describe, expect, it } from "vitest";
import { kernelBuilds, loadWith } from "../../support/kernel-builds.js";
import { divergence } from "../../support/reference/divergence.js";
import { hasReferenceData, readFloats, readJson, referenceData } from "../../support/reference-data.js";

interface MicroRow {
  readonly type: string;
  readonly reference_engine_kl_mean: number;
  readonly reference_engine_top1: number;
}

const micro = hasReferenceData
  ? readJson<{ readonly vocab: number; readonly rows: readonly MicroRow[] }>("micro/index.json")
  : { vocab: 0, rows: [] };

describe.skipIf(!hasReferenceData).each(kernelBuilds)("micro models, kernels %s", (build) => {
  const ids = hasReferenceData ? readJson<number[]>("micro/tokens.json") : [];

  async function evaluate(type: string, kvCache: "f16" | "f32") {
    const model = await loadWith(build, referenceData(`micro/${type}.gguf`), { kvCache, threads: 2 });
    try {
      const logits = await model.createSequence().evaluate(ids, { logits: "all" });
      return divergence(readFloats(`micro/${type}.logits.f32`), logits, micro.vocab);
    } finally {
      await model.dispose();
    }
  }

  it("F32 with an f32 cache is exact except for the rounding of 32-bit floats", async () => {
    const { klMean, top1, maxAbs } = await evaluate("F32", "f32");
    expect(klMean).toBeLessThan(1e-8);
    expect(maxAbs).toBeLessThan(1e-4);
    expect(top1).toBe(1);
  });

  const quantised = micro.rows.filter(({ type }) => type !== "F32");
  const ratios: number[] = [];
  let top1Sum = 0;

  it.each(quantised)("$type with default settings is as near as the reference engine", async (row) => {
    const { klMean, top1 } = await evaluate(row.type, "f16");
    const ratio = klMean / row.reference_engine_kl_mean;
    expect(ratio).toBeLessThan(1.35);
    ratios.push(ratio);
    top1Sum += top1;
  });

  it("all files that the tests above have measured are, together, as near as the reference engine", () => {
    expect(ratios.length).toBe(quantised.length);
    expect(Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)).toBeLessThan(1.1);
    const theirs = quantised.reduce((sum, row) => sum + row.reference_engine_top1, 0);
    expect(top1Sum).toBeGreaterThanOrEqual(0.98 * theirs);
  });
});
