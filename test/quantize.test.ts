// quantizeModel: whole files. Which tensor gets which type, that what comes out runs and says nearly the same, and what is refused.

import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CriaError, GgufError, loadModel, UnsupportedError } from "cria";
import { openGguf } from "cria/gguf";
import { type FileTypeName, fileTypes, quantizeModel } from "cria/quantize";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FixtureShape, fixtureModel, randomIds } from "./fixture-model.js";
import { hasReferenceData, referenceData } from "./reference-data.js";

const folder = mkdtempSync(join(tmpdir(), "cria-quantize-"));
const original = join(folder, "f32.gguf");
const shape = {
  dim: 256,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  ffn: 512,
  vocab: 600,
  format: () => "F32",
} satisfies FixtureShape;
const ids = randomIds(24, shape.vocab);

beforeAll(async () => writeFileSync(original, await fixtureModel(shape)));
afterAll(() => rmSync(folder, { recursive: true }));

async function logitsOf(path: string): Promise<Float32Array> {
  const model = await loadModel(path, { threads: 2 });
  try {
    return await model.createSequence().evaluate(ids, { logits: "all" });
  } finally {
    await model.dispose();
  }
}

/** Root mean square of the difference, by that of the exact values. */
function relativeError(exact: Float32Array, ours: Float32Array): number {
  const squares = exact.reduce((sum, value) => sum + value * value, 0);
  return Math.sqrt(exact.reduce((sum, value, i) => sum + (value - ours[i]!) ** 2, 0) / squares);
}

async function typesOf(path: string): Promise<Record<string, string>> {
  const gguf = await openGguf(path);
  try {
    return Object.fromEntries(gguf.tensors.map(({ name, type }) => [name, type]));
  } finally {
    await gguf.close();
  }
}

describe("a quantised file", () => {
  let exact: Float32Array;
  beforeAll(async () => {
    exact = await logitsOf(original);
  });

  // Each bit less about doubles the error of a weight; random weights say nothing that would survive it.
  const bounds: Readonly<Record<FileTypeName, number>> = {
    F32: 0,
    F16: 2e-3,
    BF16: 2e-2,
    Q8_0: 6e-2,
    Q6_K: 0.12,
    Q5_K_M: 0.2,
    Q5_K_S: 0.2,
    Q5_1: 0.2,
    Q5_0: 0.24,
    Q4_K_M: 0.36,
    Q4_K_S: 0.36,
    Q4_1: 0.38,
    Q4_0: 0.42,
  };

  it.each(fileTypes.map(({ name }) => name))(
    "of type %s runs, and its logits are near the original's",
    async (type) => {
      const path = join(folder, `${type}.gguf`);
      const seen: number[] = [];
      const summary = await quantizeModel(original, path, { type, threads: 2, onProgress: (done) => seen.push(done) });
      expect(summary.outputBytes).toBe((await readFile(path)).length);
      expect(seen.at(-1)).toBe(1);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
      expect(relativeError(exact, await logitsOf(path))).toBeLessThanOrEqual(bounds[type]);
    },
  );

  it("is the same whatever the number of workers, and keeps the metadata", async () => {
    const one = join(folder, "one.gguf");
    const three = join(folder, "three.gguf");
    await quantizeModel(original, one, { type: "Q4_K_M", threads: 1 });
    await quantizeModel(original, three, { type: "Q4_K_M", threads: 3 });
    expect((await readFile(one)).equals(await readFile(three))).toBe(true);
    const before = await openGguf(original);
    const after = await openGguf(one);
    for (const [key] of before.metadata) expect(after.metadata.typeOf(key)).toBe(before.metadata.typeOf(key));
    expect(after.metadata.getNumber("general.file_type")).toBe(15);
    expect(after.metadata.getNumber("general.quantization_version")).toBe(2);
    await before.close();
    await after.close();
  });

  it("mixes types as llama.cpp does", async () => {
    const path = join(folder, "mix.gguf");
    await quantizeModel(original, path, { type: "Q4_K_M" });
    const types = await typesOf(path);
    expect(types["token_embd.weight"]).toBe("Q6_K"); // tied: it is the output matrix too
    expect([0, 1, 2].map((layer) => types[`blk.${layer}.attn_v.weight`])).toEqual(["Q4_K", "Q4_K", "Q6_K"]);
    expect(types["blk.0.attn_q.weight"]).toBe("Q4_K");
    expect(types["blk.0.attn_norm.weight"]).toBe("F32");
  });
});

describe.skipIf(!hasReferenceData)("beside files of llama.cpp's quantiser", () => {
  const cases: readonly (readonly [string, string, FileTypeName])[] = [
    ...(["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K_M", "Q5_K_M", "Q6_K", "F16", "BF16"] as const).map(
      (type) => ["micro/F32.gguf", `micro/${type}.gguf`, type] as const,
    ),
    ["stories260k/stories260K-f32.gguf", "stories260k/stories260K-q8_0.gguf", "Q8_0"],
  ];

  it.each(cases)("%s as %s: every tensor has the same type", async (from, to, type) => {
    const path = join(folder, "same.gguf");
    await quantizeModel(referenceData(from), path, { type });
    expect(await typesOf(path)).toEqual(await typesOf(referenceData(to)));
  });
});

describe("what is refused leaves no file", () => {
  const output = join(folder, "none.gguf");
  const refused = async (input: string, options: Parameters<typeof quantizeModel>[2], to = output) => {
    const error: unknown = await quantizeModel(input, to, options).catch((reason: unknown) => reason);
    expect([existsSync(output), existsSync(`${output}.partial`)]).toEqual([false, false]);
    return error;
  };

  it("a type that does not exist", async () => {
    const error = await refused(original, { type: "Q9_K" as FileTypeName });
    expect(error).toBeInstanceOf(CriaError);
    expect((error as CriaError).code).toBe("INVALID_OPTION");
  });

  it("a file that is quantised", async () => {
    const quantised = join(folder, "quantised.gguf");
    await quantizeModel(original, quantised, { type: "Q8_0" });
    const error = await refused(quantised, { type: "Q4_0" });
    expect(error).toBeInstanceOf(UnsupportedError);
    expect((error as Error).message).toMatch(/is Q8_0: .*F32, F16, BF16/);
  });

  it("a weight that is not a number, by name", async () => {
    const bad = join(folder, "nan.gguf");
    const bytes = await fixtureModel(shape);
    const gguf = await openGguf(bytes);
    const { offset } = gguf.tensor("blk.1.ffn_up.weight")!;
    await gguf.close();
    new DataView(bytes.buffer, bytes.byteOffset).setFloat32(offset + 4 * 77, Number.NaN, true);
    writeFileSync(bad, bytes);
    const error = await refused(bad, { type: "Q4_K_M" });
    expect(error).toBeInstanceOf(GgufError);
    expect((error as Error).message).toMatch(/weight 77 is NaN.*blk\.1\.ffn_up\.weight/);
  });

  it("the input as the output, which stays as it is", async () => {
    const input = join(folder, "input.gguf");
    copyFileSync(original, input);
    const error = await refused(input, { type: "Q8_0" }, input);
    expect((error as CriaError).code).toBe("INVALID_OPTION");
    expect((await readFile(input)).equals(await readFile(original))).toBe(true);
  });

  it("an abort, with the signal's reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const abort = () => controller.abort(reason);
    expect(await refused(original, { type: "Q4_0", signal: controller.signal, onProgress: abort })).toBe(reason);
  });
});
