// Every architecture on random-weight models against exact logits, hidden states and vectors: float64 results that other programs computed.
// The bars are those of the reference engine, llama.cpp on a CPU, whose own distance the data give.

import { existsSync } from "node:fs";
import type { LoadOptions, LoadSource, Model } from "cria";
import { GgufWriter, openGguf } from "cria/gguf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dequantize } from "../../support/dequantize.js";
import { fastestBuild, loadWith } from "../../support/kernel-builds.js";
import { divergence } from "../../support/reference/divergence.js";
import { relativeError } from "../../support/reference/relative-error.js";
import { hasReferenceData, readFloats, readJson, referenceData } from "../../support/reference-data.js";

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

const decoders = ["llama-gqa8", "llama-yarn", "qwen2", "qwen3", "gemma3"];
const encoders = ["bert", "nomic-bert", "gemma-embedding", "gemma-embedding-dense"];
const names = hasReferenceData ? [...decoders, ...encoders] : [];

const folderOf = (name: string) => `architectures/${name}`;
const idsOf = (name: string) => readJson<number[]>(`${folderOf(name)}/tokens.json`);

/** The exact results for a file, if the data have them. */
function exact(name: string, type: string, output: string): Float32Array | undefined {
  const path = `${folderOf(name)}/${type}.${output}.f32`;
  return existsSync(referenceData(path)) ? readFloats(path) : undefined;
}

/** All outputs of a model that the data have. */
async function outputsOf(model: Model, ids: readonly number[]): Promise<Record<string, Float32Array>> {
  const options = { normalize: false };
  const [hidden] = await model.embed([ids], { ...options, pooling: "none" });
  const outputs: Record<string, Float32Array> = {
    hidden: Float32Array.from(hidden!.flatMap((vector) => [...vector])),
  };
  for (const pooling of ["mean", "cls", "last"] as const) {
    outputs[pooling] = (await model.embed([ids], { ...options, pooling }))[0]!;
  }
  if (model.info.generates) outputs["logits"] = await model.createSequence().evaluate(ids, { logits: "all" });
  return outputs;
}

/** The same model, whose weights are 32-bit floats of the same values. */
async function inFloats(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const gguf = await openGguf(path);
  try {
    const writer = new GgufWriter();
    for (const [key, value] of gguf.metadata) writer.set(key, gguf.metadata.typeOf(key)!, value);
    const data = new Map<string, Uint8Array>();
    for (const tensor of gguf.tensors) {
      const count = tensor.shape.reduce((product, n) => product * n, 1);
      writer.addTensor(tensor.name, "F32", tensor.shape);
      data.set(tensor.name, new Uint8Array(dequantize(tensor.type, await gguf.readTensor(tensor), count).buffer));
    }
    return await writer.toBytes(data);
  } finally {
    await gguf.close();
  }
}

describe.skipIf(!hasReferenceData)(`kernels ${fastestBuild}`, () => {
  describe.each(names)("%s", (name) => {
    const path = referenceData(`${folderOf(name)}/Q8_0.gguf`);
    let model: Model;
    let outputs: Readonly<Record<string, Float32Array>>;

    beforeAll(async () => {
      model = await loadWith(fastestBuild, path, { threads: 2 });
      outputs = await outputsOf(model, idsOf(name));
    });
    afterAll(() => model.dispose());

    it("Q8_0 is as near as the reference engine", () => {
      const { native_vs_exact: bars } = readJson<Index>(`${folderOf(name)}/index.json`).rows.find(
        ({ type }) => type === "Q8_0",
      )!;
      expect(Object.keys(bars).length).toBeGreaterThan(2);
      for (const [output, { rel_rms, kl_mean }] of Object.entries(bars)) {
        const expected = exact(name, "Q8_0", output)!;
        expect(relativeError(expected, outputs[output]!), output).toBeLessThan(1.1 * rel_rms);
        if (kl_mean === undefined) continue;
        expect(divergence(expected, outputs[output]!, model.info.vocabularySize).klMean).toBeLessThan(1.1 * kl_mean);
      }
    });

    it("is exact in 32-bit floats, except for their rounding", async () => {
      await expectExact(await inFloats(path), "Q8_0");
      const floats = referenceData(`${folderOf(name)}/F32.gguf`);
      if (existsSync(floats)) await expectExact(floats, "F32");
    });

    async function expectExact(source: LoadSource, type: string): Promise<void> {
      const model = await loadWith(fastestBuild, source, { threads: 2, kvCache: "f32" });
      try {
        for (const [output, ours] of Object.entries(await outputsOf(model, idsOf(name)))) {
          const expected = exact(name, type, output);
          if (expected === undefined) continue;
          expect(relativeError(expected, ours), output).toBeLessThan(1e-5);
          expect(cosine(expected, ours), output).toBeGreaterThan(0.999999);
        }
      } finally {
        await model.dispose();
      }
    }

    it("is the same on one thread, and token by token", async () => {
      const options: LoadOptions = { threads: 1 };
      const alone = await loadWith(fastestBuild, path, options);
      try {
        expect(await outputsOf(alone, idsOf(name))).toEqual(outputs);
        if (!alone.info.generates) return;
        const sequence = alone.createSequence();
        const rows: number[] = [];
        for (const id of idsOf(name)) rows.push(...(await sequence.evaluate([id])));
        expect(Float32Array.from(rows)).toEqual(outputs["logits"]);
      } finally {
        await alone.dispose();
      }
    });

    it("makes the reference tokenizer's tokens of texts", () => {
      for (const { text, ids } of readJson<Text[]>(`${folderOf(name)}/texts.json`)) {
        expect([...model.tokenizer.encode(text)]).toEqual(ids);
      }
    });
  });
});

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
