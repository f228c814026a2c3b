// Quantising whole models: which tensor gets which type, the same bytes whoever encodes them, files that run, and errors that leave nothing.

import { spawnSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadModel } from "cria";
import { FileError, GgufWriter, openGguf, type TensorTypeName, tensorTypeByName } from "cria/gguf";
import { type FileTypeName, fileTypes, type QuantizeOptions, quantizedType, quantizeModel } from "cria/quantize";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { architectureModel } from "../support/architecture-model.js";
import { dequantize } from "../support/dequantize.js";
import { withFullDisk } from "../support/disks.js";
import { fixtureModel, randomIds } from "../support/fixture-model.js";
import { loadWith } from "../support/kernel-builds.js";
import { instantiate } from "../support/kernel-module.js";
import { divergence } from "../support/reference/divergence.js";
import { hasReferenceData, referenceData } from "../support/reference-data.js";

const folder = mkdtempSync(join(tmpdir(), "cria-quantize-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const cli = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));

const names = fileTypes.map(({ name }) => name);
const byName = (name: string) => fileTypes.find((type) => type.name === name)!;
const VOCAB = 1100;
const ids = randomIds(40, VOCAB);

// Rows of 256 and of 288, which is not a multiple of a super-block; token_embd takes two pieces.
const shape = { dim: 256, layers: 3, heads: 4, kvHeads: 2, ffn: 288, vocab: VOCAB, tied: false, biases: true };

let floats: string;
beforeAll(async () => {
  floats = at("floats.gguf");
  writeFileSync(floats, await fixtureModel({ ...shape, format: () => "F32" }));
});

/** Quantises a file to a new one beside it; answers the new one's path. */
async function quantized(path: string, type: FileTypeName, options: Partial<QuantizeOptions> = {}): Promise<string> {
  const output = at(`${Math.random()}.gguf`);
  await quantizeModel(path, output, { type, ...options });
  return output;
}

async function typesOf(path: string): Promise<ReadonlyMap<string, TensorTypeName>> {
  const gguf = await openGguf(path);
  await gguf.close();
  return new Map(gguf.tensors.map(({ name, type }) => [name, type]));
}

describe("the types of a mixture", () => {
  const references: readonly (readonly [string, FileTypeName])[] = [
    ...names
      .filter((name) => name !== "F32" && !name.endsWith("_S"))
      .map((name) => [`micro/${name}.gguf`, name] as const),
    ...["bert", "gemma-embedding-dense", "nomic-bert", "qwen2", "qwen3"].map(
      (name) => [`architectures/${name}/Q8_0.gguf`, "Q8_0"] as const,
    ),
    ["stories260k/stories260K-q8_0.gguf", "Q8_0"],
    ["../models/cria-demo-Q4_K_M.gguf", "Q4_K_M"],
  ];

  it.skipIf(!hasReferenceData).each(references)("%s: those that llama.cpp chose", async (path, name) => {
    const gguf = await openGguf(referenceData(path));
    await gguf.close();
    const architecture = gguf.metadata.getString("general.architecture");
    const model = {
      layers: gguf.metadata.getNumber(`${architecture}.block_count`)!,
      tied: gguf.tensor("output.weight") === undefined,
    };
    expect(gguf.metadata.getNumber("general.file_type")).toBe(byName(name).id);
    const chosen = gguf.tensors.map((tensor) => [tensor.name, tensor.type]);
    const ours = gguf.tensors.map((tensor) => [
      tensor.name,
      quantizedType(byName(name), tensor.name, tensor.shape, model) ?? "F32",
    ]);
    expect(ours).toEqual(chosen);
  });

  /** The layers, of `layers`, in which a matrix gets this type. */
  const layersOf = (file: FileTypeName, matrix: string, type: TensorTypeName, layers: number) =>
    Array.from({ length: layers }, (_, layer) => layer).filter((layer) => {
      const name = `blk.${layer}.${matrix}.weight`;
      return quantizedType(byName(file), name, [2048, 2048], { layers, tied: true }) === type;
    });

  it("experts: as a dense layer's matrices; routers stay; of 8 experts the attention has more bits", () => {
    const typeOf = (file: FileTypeName, name: string, experts: number) =>
      quantizedType(byName(file), name, [2048, 768, experts], { layers: 16, tied: false, experts });
    for (const file of ["Q4_K_M", "Q8_0", "F16"] as const) {
      expect(typeOf(file, "blk.3.ffn_gate_inp.weight", 128)).toBeUndefined();
      expect(typeOf(file, "blk.3.ffn_gate_exps.bias", 128)).toBeUndefined();
    }
    expect(typeOf("Q4_K_M", "blk.4.ffn_down_exps.weight", 128)).toBe("Q6_K");
    expect(typeOf("Q4_K_M", "blk.5.ffn_down_exps.weight", 128)).toBe("Q4_K");
    expect(typeOf("Q4_K_M", "blk.4.ffn_up_exps.weight", 128)).toBe("Q4_K");
    const attention = ["attn_q", "attn_k", "attn_v", "attn_output"].map((name) => `blk.5.${name}.weight`);
    expect(attention.map((name) => typeOf("Q4_K_M", name, 128))).toEqual(["Q4_K", "Q4_K", "Q4_K", "Q4_K"]);
    expect(attention.map((name) => typeOf("Q4_K_M", name, 8))).toEqual(["Q4_K", "Q8_0", "Q8_0", "Q5_K"]);
    expect(attention.map((name) => typeOf("Q5_K_M", name, 8))).toEqual(["Q5_K", "Q8_0", "Q8_0", "Q5_K"]);
  });

  it("a mixture of experts is written, and loads", async () => {
    const keys = { expert_count: 4, expert_used_count: 2, expert_feed_forward_length: 256, embedding_length: 256 };
    const [input, output] = [at("experts.gguf"), at("experts-q.gguf")];
    writeFileSync(input, await architectureModel({ architecture: "qwen3moe", keys }));
    await quantizeModel(input, output, { type: "Q4_K_M" });
    const gguf = await openGguf(output);
    await gguf.close();
    expect(gguf.tensor("blk.0.ffn_gate_exps.weight")).toMatchObject({ type: "Q4_K", shape: [256, 256, 4] });
    expect(gguf.tensor("blk.0.ffn_gate_inp.weight")).toMatchObject({ type: "F32", shape: [256, 4] });
    const model = await loadModel(output, { threads: 1 });
    expect((await model.createSequence().evaluate([1, 2])).every(Number.isFinite)).toBe(true);
    await model.dispose();
  });

  it("better types for V and ffn_down in some layers", () => {
    const better = [0, 1, 4, 7, 10, 13, 14, 15];
    for (const matrix of ["attn_v", "attn_qkv", "ffn_down"]) {
      expect(layersOf("Q4_K_M", matrix, "Q6_K", 16)).toEqual(better);
      expect(layersOf("Q5_K_M", matrix, "Q6_K", 16)).toEqual(better);
    }
    expect(layersOf("Q4_K_M", "attn_v", "Q4_K", 16)).toHaveLength(8);
    expect(layersOf("Q5_K_M", "attn_v", "Q5_K", 16)).toHaveLength(8);
    expect(layersOf("Q4_K_S", "attn_v", "Q5_K", 16)).toEqual([0, 1, 2, 3]);
    expect(layersOf("Q4_K_S", "ffn_down", "Q5_K", 16)).toEqual([0, 1]);
    expect(layersOf("Q5_K_S", "ffn_down", "Q5_K", 16)).toHaveLength(16);
    for (const matrix of ["attn_q", "attn_k", "attn_output", "ffn_gate", "ffn_up"]) {
      expect(layersOf("Q4_K_M", matrix, "Q4_K", 16)).toHaveLength(16);
    }
  });

  const typeOf = (file: FileTypeName, name: string, shape: readonly number[], tied = false) =>
    quantizedType(byName(file), name, shape, { layers: 30, tied });

  it("Q6_K for the output matrix", () => {
    for (const file of ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K_M", "Q5_K_S", "Q6_K"] as const) {
      expect(typeOf(file, "output.weight", [2048, 32000])).toBe("Q6_K");
      expect(typeOf(file, "token_embd.weight", [2048, 32000], true)).toBe("Q6_K");
    }
    expect(typeOf("Q4_0", "token_embd.weight", [2048, 32000])).toBe("Q4_0");
    for (const file of ["F32", "F16", "BF16", "Q8_0"] as const) {
      expect(typeOf(file, "output.weight", [2048, 32000])).toBe(file);
    }
  });

  it("another type for rows that are not a whole number of blocks", () => {
    expect(typeOf("Q4_K_M", "blk.5.attn_q.weight", [576, 576])).toBe("Q5_0");
    expect(typeOf("Q5_K_M", "blk.5.attn_q.weight", [576, 576])).toBe("Q5_1");
    expect(typeOf("Q4_K_M", "blk.0.attn_v.weight", [576, 192])).toBe("Q8_0");
    expect(typeOf("Q4_0", "output.weight", [576, 49152])).toBe("Q8_0");
    for (const file of ["Q4_0", "Q8_0", "Q4_K_M", "Q6_K"] as const) {
      expect(typeOf(file, "blk.0.ffn_down.weight", [172, 64])).toBe("F16");
    }
    expect(typeOf("BF16", "blk.0.ffn_down.weight", [172, 64])).toBe("BF16");
  });

  it("none for vectors, norms, biases, and BERT's small embeddings", () => {
    for (const name of ["output_norm.weight", "blk.0.attn_q.bias", "rope_freqs.weight"]) {
      expect(typeOf("Q4_0", name, [256])).toBeUndefined();
    }
    expect(typeOf("Q4_0", "blk.0.attn_q_norm.weight", [64, 4])).toBeUndefined();
    expect(typeOf("Q4_0", "blk.0.conv.weight", [64, 1])).toBeUndefined();
    expect(typeOf("Q8_0", "position_embd.weight", [256, 512])).toBeUndefined();
    expect(typeOf("Q8_0", "token_types.weight", [256, 2])).toBeUndefined();
    expect(typeOf("Q8_0", "per_layer_model_proj.weight", [256, 512])).toBeUndefined();
  });
});

describe("a quantised model", () => {
  // Mean KL divergence from the logits of the floats, by the build that multiplies alike on every machine: measured, and a half more.
  const most: Readonly<Record<FileTypeName, number>> = {
    F32: 0,
    F16: 8e-8,
    BF16: 4.2e-6,
    Q8_0: 3.6e-5,
    Q6_K: 4.6e-4,
    Q5_K_M: 1.25e-3,
    Q5_K_S: 1.3e-3,
    Q5_1: 1.4e-3,
    Q5_0: 1.9e-3,
    Q4_K_M: 4e-3,
    Q4_K_S: 4e-3,
    Q4_1: 5.6e-3,
    Q4_0: 7e-3,
  };
  let exact: Float32Array;
  async function logitsOf(path: string): Promise<Float32Array> {
    const model = await loadWith("simd", path, { kvCache: "f32" });
    try {
      return await model.createSequence().evaluate(ids, { logits: "all" });
    } finally {
      await model.dispose();
    }
  }
  beforeAll(async () => {
    exact = await logitsOf(floats);
  });

  it.each(names)("%s: loads, and says nearly what the floats say", async (type) => {
    const path = await quantized(floats, type);
    const { klMean } = divergence(exact, await logitsOf(path), VOCAB);
    expect(klMean).toBeLessThanOrEqual(most[type]);
  });

  it("has the metadata and the tensors of the floats, in their order, and says what it is", async () => {
    const path = await quantized(floats, "Q4_K_M");
    const [before, after] = await Promise.all([openGguf(floats), openGguf(path)]);
    for (const [key, value] of before.metadata) {
      expect(after.metadata.typeOf(key)).toBe(before.metadata.typeOf(key));
      expect(JSON.stringify(after.metadata.get(key))).toBe(JSON.stringify(value));
    }
    const added = [...after.metadata.keys()].filter((key) => !before.metadata.has(key));
    expect(added).toEqual(["general.file_type", "general.quantization_version"]);
    expect(after.metadata.get("general.file_type")).toBe(15);
    expect(after.metadata.get("general.quantization_version")).toBe(2);
    expect(after.tensors.map(({ name, shape }) => [name, shape])).toEqual(
      before.tensors.map(({ name, shape }) => [name, shape]),
    );
    for (const name of ["blk.0.attn_norm.weight", "blk.2.attn_q.bias"]) {
      const [a, b] = await Promise.all([before, after].map((gguf) => gguf.readTensor(gguf.tensor(name)!)));
      expect(b).toEqual(a);
    }
    await Promise.all([before.close(), after.close()]);
  });

  it("is described by the summary", async () => {
    const output = at("summary.gguf");
    const fractions: number[] = [];
    const summary = await quantizeModel(floats, output, { type: "Q8_0", onProgress: (f) => fractions.push(f) });
    const gguf = await openGguf(output);
    await gguf.close();
    expect(summary.inputBytes).toBe(readFileSync(floats).length);
    expect(summary.outputBytes).toBe(readFileSync(output).length);
    expect(summary.tensors.get("Q8_0")).toBe(gguf.tensors.filter(({ type }) => type === "Q8_0").length);
    expect(summary.tensors.get("F32")).toBe(gguf.tensors.filter(({ type }) => type === "F32").length);
    expect(summary.bitsPerWeight).toBeGreaterThan(8.5);
    expect(summary.bitsPerWeight).toBeLessThan(8.6);
    expect(fractions.at(-1)).toBe(1);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  });

  it("has the bytes that the kernels give for each tensor as a whole", async () => {
    const path = await quantized(floats, "Q4_K_M");
    const [before, after] = await Promise.all([openGguf(floats), openGguf(path)]);
    const { kernels, bytes } = instantiate("simd", 4 * 2 ** 20);
    for (const tensor of after.tensors) {
      const source = await before.readTensor(before.tensor(tensor.name)!);
      const [from, to, scratch] = [2 ** 16, 2 ** 16 + source.length, 64];
      bytes.set(source, from);
      kernels.quantizeRow(tensorTypeByName(tensor.type)!.id, from, source.length / 4, to, scratch);
      expect(Buffer.compare(await after.readTensor(tensor), bytes.slice(to, to + tensor.bytes))).toBe(0);
    }
    await Promise.all([before.close(), after.close()]);
  });

  it.each(["F16", "BF16"] as const)("of %s is that of the same weights as F32", async (type) => {
    const half = await quantized(floats, type);
    const gguf = await openGguf(half);
    const writer = new GgufWriter();
    for (const [key, value] of gguf.metadata) writer.set(key, gguf.metadata.typeOf(key)!, value);
    for (const { name, shape } of gguf.tensors) writer.addTensor(name, "F32", shape);
    const path = at(`same-${type}.gguf`);
    await writer.writeFile(path, async ({ name, bytes }) => {
      const tensor = gguf.tensor(name)!;
      return new Uint8Array(dequantize(tensor.type, await gguf.readTensor(tensor), bytes / 4).buffer);
    });
    await gguf.close();
    const [a, b] = [await quantized(half, "Q4_K_M"), await quantized(path, "Q4_K_M")];
    expect(Buffer.compare(readFileSync(a), readFileSync(b))).toBe(0);
  });

  it("is the same file for any number of threads and in any build of the kernels", async () => {
    const files = [
      await quantized(floats, "Q5_K_M", { threads: 1 }),
      await quantized(floats, "Q5_K_M", { threads: 3 }),
    ];
    const before = process.env["CRIA_KERNELS"];
    for (const build of ["simd", "relaxed"]) {
      process.env["CRIA_KERNELS"] = build;
      files.push(await quantized(floats, "Q5_K_M"));
    }
    if (before === undefined) delete process.env["CRIA_KERNELS"];
    else process.env["CRIA_KERNELS"] = before;
    for (const file of files) expect(Buffer.compare(readFileSync(file), readFileSync(files[0]!))).toBe(0);
  });

  it("of a split model is one file", async () => {
    const gguf = await openGguf(floats);
    const half = Math.floor(gguf.tensors.length / 2);
    for (const part of [0, 1]) {
      const writer = new GgufWriter();
      if (part === 0) for (const [key, value] of gguf.metadata) writer.set(key, gguf.metadata.typeOf(key)!, value);
      writer.set("split.no", "uint16", part).set("split.count", "uint16", 2);
      writer.set("split.tensors.count", "int32", gguf.tensors.length);
      const tensors = part === 0 ? gguf.tensors.slice(0, half) : gguf.tensors.slice(half);
      for (const { name, type, shape } of tensors) writer.addTensor(name, type, shape);
      await writer.writeFile(at(`split-0000${part + 1}-of-00002.gguf`), ({ name }) =>
        gguf.readTensor(gguf.tensor(name)!),
      );
    }
    await gguf.close();
    const joined = await quantized(at("split-00001-of-00002.gguf"), "Q4_0");
    expect(Buffer.compare(readFileSync(joined), readFileSync(await quantized(floats, "Q4_0")))).toBe(0);
  });

  it("keeps tensors that are not weights as they are, of whatever type", async () => {
    const path = at("integers.gguf");
    const integers = Int32Array.from({ length: 300_000 }, (_, i) => i * 7919);
    await new GgufWriter()
      .set("general.architecture", "string", "llama")
      .addTensor("indices", "I32", [integers.length])
      .addTensor("empty.weight", "F32", [0, 4])
      .addTensor("blk.0.ffn_up.weight", "Q8_0", [32, 2])
      .writeFile(path, ({ name, bytes }) =>
        name === "indices" ? new Uint8Array(integers.buffer) : new Uint8Array(bytes).fill(7),
      );
    const gguf = await openGguf(await quantized(path, "Q8_0"));
    expect(await gguf.readTensor(gguf.tensor("indices")!)).toEqual(new Uint8Array(integers.buffer));
    expect(await gguf.readTensor(gguf.tensor("blk.0.ffn_up.weight")!)).toEqual(new Uint8Array(68).fill(7));
    await gguf.close();
  });
});

describe("what cannot be quantised", () => {
  /** A file with one matrix of 256 x 1100 ones, in which weight `index` is `value`. */
  async function withWeight(index: number, value: number): Promise<string> {
    const path = at(`weight-${index}-${value}.gguf`);
    const weights = new Float32Array(256 * 1100).fill(1);
    weights[index] = value;
    await new GgufWriter()
      .set("general.architecture", "string", "llama")
      .addTensor("blk.0.ffn_up.weight", "F32", [256, 1100])
      .writeFile(path, () => new Uint8Array(weights.buffer));
    return path;
  }

  it.each([
    [270_000, Number.NaN, "Q4_K_M", "weight 270000 is NaN, not a finite number"],
    [0, Number.POSITIVE_INFINITY, "Q8_0", "weight 0 is Infinity, not a finite number"],
    [281_599, Number.NEGATIVE_INFINITY, "F16", "weight 281599 is -Infinity, not a finite number"],
    [5, Number.NaN, "F32", "weight 5 is NaN, not a finite number"],
    [7, 1e6, "F16", "weight 7 is 1000000, beyond the largest that F16 can hold: 65504"],
    [262_144, -1e9, "Q8_0", "weight 262144 is -1000000000, beyond the largest that Q8_0 can hold: 8319008"],
  ] as const)("weight %i = %d, to %s", async (index, value, type, message) => {
    const path = await withWeight(index, value);
    const output = at("refused.gguf");
    writeFileSync(output, "a file that was there");
    await expect(quantizeModel(path, output, { type })).rejects.toMatchObject({
      name: "GgufError",
      code: "GGUF_TENSOR_VALUE",
      message: `${message} ("blk.0.ffn_up.weight")`,
      subject: "blk.0.ffn_up.weight",
    });
    expect(readFileSync(output, "utf8")).toBe("a file that was there");
    expect(readdirSync(dirname(output)).filter((name) => name.endsWith(".partial"))).toEqual([]);
  });

  it("a model that is quantised already", async () => {
    const path = await quantized(floats, "Q4_0");
    await expect(quantized(path, "Q8_0")).rejects.toMatchObject({
      name: "UnsupportedError",
      message: expect.stringMatching(/"token_embd.weight" is Q4_0.*supported: F32, F16, BF16/),
    });
  });

  it("its own input, by whatever name", async () => {
    const bytes = readFileSync(floats);
    linkSync(floats, at("hard.gguf"));
    symlinkSync(floats, at("soft.gguf"));
    const indirect = join(folder, "..", basename(folder), "floats.gguf");
    for (const output of [floats, indirect, at("hard.gguf"), at("soft.gguf")]) {
      await expect(quantizeModel(floats, output, { type: "Q8_0" })).rejects.toMatchObject({
        code: "INVALID_OPTION",
        message: expect.stringContaining("outputPath must be another file than the input; it is "),
      });
    }
    expect(Buffer.compare(readFileSync(floats), bytes)).toBe(0);
  });

  it("to something that is not a file, or to a folder that does not exist", async () => {
    mkdirSync(at("folder"));
    await expect(quantizeModel(floats, at("folder"), { type: "Q8_0" })).rejects.toThrow(
      "outputPath must be a file, or a name that is free; it is ",
    );
    await expect(quantizeModel(floats, at("nowhere/x.gguf"), { type: "Q8_0" })).rejects.toThrow("ENOENT");
  });

  it("to a place that cannot be written: one typed error, and what was there stays", async () => {
    mkdirSync(at("places"));
    writeFileSync(at("places/good"), "a file that was there");
    for (const [name, code, system] of [
      ["absent/x.gguf", "FILE_NOT_FOUND", "ENOENT"],
      ["good/x.gguf", "FILE_UNWRITABLE", "ENOTDIR"],
    ] as const) {
      const path = at(join("places", name));
      const error: unknown = await quantizeModel(floats, path, { type: "Q8_0" }).catch((error) => error);
      expect(error).toBeInstanceOf(FileError);
      expect(error).toMatchObject({ name: "FileError", code, path, cause: { code: system } });
    }
    for (const name of ["good", "new.gguf"]) {
      const path = at(join("places", name));
      const quantizing = withFullDisk(200_000, () => quantizeModel(floats, path, { type: "Q8_0" }));
      await expect(quantizing).rejects.toMatchObject({ name: "FileError", code: "FILE_NO_SPACE", path });
    }
    expect(readdirSync(at("places"))).toEqual(["good"]);
    expect(readFileSync(at("places/good"), "utf8")).toBe("a file that was there");
  });

  it("from or to what is not a path", async () => {
    for (const path of [undefined, null, 5, "", Object.create(null), new Uint8Array(8)] as unknown as string[]) {
      for (const [input, output] of [
        [path, at("x.gguf")],
        [floats, path],
      ] as const) {
        await expect(quantizeModel(input, output, { type: "Q8_0" })).rejects.toMatchObject({
          code: "INVALID_OPTION",
          message: expect.stringMatching(/^(in|out)putPath must be a string of at least 1 character; it is /),
        });
      }
    }
  });

  it("to a type that there is not, or with options that there are not", async () => {
    const options = { type: "Q7_K" } as unknown as QuantizeOptions;
    await expect(quantizeModel(floats, at("x.gguf"), options)).rejects.toThrow(
      /^type must be one of F32, F16, BF16, Q8_0, .*; it is "Q7_K"$/,
    );
    for (const wrong of [{ threads: 0 }, { threads: 1.5 }, { thread: 1 }]) {
      await expect(quantizeModel(floats, at("x.gguf"), { type: "Q8_0", ...wrong })).rejects.toMatchObject({
        code: "INVALID_OPTION",
      });
    }
    expect(existsSync(at("x.gguf"))).toBe(false);
  });

  it("a header without its data", async () => {
    const gguf = await openGguf(floats);
    await gguf.close();
    const path = at("header.gguf");
    writeFileSync(path, readFileSync(floats).subarray(0, gguf.parts[0]!.dataOffset));
    await expect(quantized(path, "Q8_0")).rejects.toMatchObject({ code: "GGUF_NO_DATA" });
  });

  it("after it was aborted: nothing is left, and what was there stays", async () => {
    const output = at("aborted.gguf");
    writeFileSync(output, "a file that was there");
    const reason = new Error("enough");
    for (const when of [-1, 0, 0.5]) {
      const controller = new AbortController();
      if (when < 0) controller.abort(reason);
      const quantizing = quantizeModel(floats, output, {
        type: "Q4_K_M",
        signal: controller.signal,
        onProgress: (fraction) => {
          if (fraction >= when) controller.abort(reason);
        },
      });
      await expect(quantizing).rejects.toBe(reason);
      expect(readFileSync(output, "utf8")).toBe("a file that was there");
      expect(readdirSync(dirname(output)).filter((name) => name.endsWith(".partial"))).toEqual([]);
    }
  });
});

describe("cria quantize", () => {
  const run = (...args: string[]) => spawnSync(process.execPath, [cli, "quantize", ...args], { encoding: "utf8" });

  it("writes the file, and tells the sizes and the bits per weight", async () => {
    const output = at("cli.gguf");
    const { status, stdout, stderr } = run(floats, output, "q4_k_m", "-t", "1");
    expect([status, stderr]).toEqual([0, ""]);
    expect(await typesOf(output)).toEqual(await typesOf(await quantized(floats, "Q4_K_M")));
    const bytes = readFileSync(output).length;
    expect(stdout).toContain(`${output}: ${bytes} bytes`);
    expect(stdout).toMatch(/ 5\.16 bits per weight: 18 Q4_K, 19 F32, 2 Q5_0, 2 Q6_K, 1 Q8_0$/m);
    // Of 288 x 256 weights each: 5.5 bits in place of 4.5, and 8.5 in place of 6.5625.
    expect(stdout).toMatch(/^fallback types: 3 tensors, 36288 bytes \(0\.0 MiB more than without, \d+\.\d %\)$/m);
    expect(stdout).toMatch(
      /^ {2}2 tensors Q5_0 in place of Q4_K: rows of 288 are not a multiple of 256; 0\.0 MiB more$/m,
    );
    expect(stdout).toMatch(/^ {2}1 tensor Q8_0 in place of Q6_K: rows of 288 are not a multiple of 256; /m);
  });

  it("says nothing of fallbacks where all rows fit", async () => {
    const { stdout } = run(floats, at("cli-q8.gguf"), "Q8_0", "-t", "1");
    expect(stdout.trimEnd().split("\n")).toHaveLength(2);
  });

  it.each([
    [2, ["in.gguf"], "quantize takes in.gguf, out.gguf and one of F32"],
    [2, ["floats.gguf", "out.gguf", "Q9_9"], '; it is "Q9_9"'],
    [2, ["floats.gguf", "floats.gguf", "Q8_0"], "outputPath must be another file than the input"],
    [1, ["missing.gguf", "out.gguf", "Q8_0"], "missing.gguf does not exist"],
  ])("exits with %i for %j", (code, args, message) => {
    const { status, stdout, stderr } = run(...args.map((arg) => (arg.endsWith(".gguf") ? at(arg) : arg)));
    expect([status, stdout]).toEqual([code, ""]);
    expect(stderr).toContain(message);
    expect(stderr.trim()).not.toContain("\n");
  });
});
