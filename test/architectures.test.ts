// Every architecture on random-weight models against exact logits and hidden states: float64 results that other programs computed. The
// bars are those of the reference engine, llama.cpp on a CPU, whose own distance the data give.

import { existsSync } from "node:fs";
import type { Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kernelBuilds, loadWith } from "./kernel-builds.js";
import { divergence } from "./reference/divergence.js";
import { relativeError } from "./reference/relative-error.js";
import { hasReferenceData, readFloats, readJson, referenceData } from "./reference-data.js";

interface Agreement {
  readonly rel_rms: number;
  readonly kl_mean?: number;
}

interface Index {
  readonly rows: readonly { readonly type: string; readonly native_vs_exact: Readonly<Record<string, Agreement>> }[];
}

interface Text {
  readonly text: string;
  readonly ids: readonly number[];
}

const names = hasReferenceData ? ["llama-gqa8", "llama-yarn", "qwen2", "qwen3", "gemma3"] : [];
const files = names.flatMap((name) =>
  ["F32", "Q8_0"]
    .filter((type) => existsSync(referenceData(`architectures/${name}/${type}.gguf`)))
    .map((type) => ({ name, type })),
);

describe.skipIf(!hasReferenceData).each(kernelBuilds)("kernels %s", (build) => {
  describe.each(files)("$name $type", ({ name, type }) => {
    const folder = `architectures/${name}`;
    let model: Model;
    let ids: number[];
    let bars: Readonly<Record<string, Agreement>>;

    beforeAll(async () => {
      ids = readJson<number[]>(`${folder}/tokens.json`);
      bars = readJson<Index>(`${folder}/index.json`).rows.find((row) => row.type === type)!.native_vs_exact;
      // F32 is held to the rounding of 32-bit floats, in the cache as well.
      model = await loadWith(build, referenceData(`${folder}/${type}.gguf`), {
        threads: 2,
        kvCache: type === "F32" ? "f32" : "f16",
      });
    });
    afterAll(() => model.dispose());

    const exact = (output: string) => readFloats(`${folder}/${type}.${output}.f32`);
    const has = (output: string) => existsSync(referenceData(`${folder}/${type}.${output}.f32`));

    function expectNear(output: string, ours: Float32Array): void {
      const error = relativeError(exact(output), ours);
      if (type === "F32") {
        expect(error).toBeLessThan(1e-5);
        expect(cosine(exact(output), ours)).toBeGreaterThan(0.999999);
      } else {
        expect(error).toBeLessThan(1.1 * bars[output].rel_rms);
      }
    }

    it.skipIf(!has("logits"))("logits", async () => {
      const logits = await model.createSequence().evaluate(ids, { logits: "all" });
      expectNear("logits", logits);
      if (type !== "F32") {
        const { klMean } = divergence(exact("logits"), logits, model.info.vocabularySize);
        expect(klMean).toBeLessThan(1.1 * bars["logits"].kl_mean!);
      }
    });

    it.skipIf(!has("logits"))("logits are the same token by token, and on one thread", async () => {
      const logits = await model.createSequence().evaluate(ids, { logits: "all" });
      const sequence = model.createSequence();
      const rows: number[] = [];
      for (const id of ids) rows.push(...(await sequence.evaluate([id])));
      expect(Float32Array.from(rows)).toEqual(logits);
      const other = await loadWith(build, referenceData(`${folder}/${type}.gguf`), {
        threads: 1,
        kvCache: type === "F32" ? "f32" : "f16",
      });
      try {
        expect(await other.createSequence().evaluate(ids, { logits: "all" })).toEqual(logits);
      } finally {
        await other.dispose();
      }
    });

    it.each(["mean", "last"] as const)("the vector of pooling %s", async (pooling) => {
      if (!has(pooling)) return;
      const [vector] = await model.embed([ids], { pooling, normalize: false });
      expectNear(pooling, vector);
    });

    it("tokens of texts", () => {
      for (const { text, ids } of readJson<Text[]>(`${folder}/texts.json`)) {
        expect([...model.tokenizer.encode(text)]).toEqual(ids);
      }
    });
  });
});

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
