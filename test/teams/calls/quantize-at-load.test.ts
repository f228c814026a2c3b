// The option `quantize`: a file of floats becomes, while it is loaded, what `quantizeModel` makes of it.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GgufError, type LoadOptions, loadModel, type Model } from "cria";
import { openGguf } from "cria/gguf";
import { type FileTypeName, quantizeModel } from "cria/quantize";
import { beforeAll, describe, expect, it } from "vitest";
import { architectureModel } from "../../support/architecture-model.js";
import { fixtureModel, randomIds } from "../../support/fixture-model.js";
import { adapterFile, adapterParts } from "../../support/lora-adapter.js";
import { microBytes, microModel } from "../../support/micro-model.js";
import { rewritten } from "../../support/rewrite-model.js";
import { loadInShards } from "../../support/shards.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const entry = fileURLToPath(new URL("../../../dist/bin/main.js", import.meta.url));
const folder = temporaryFolder();
const ids = randomIds(70, 512);
// Rows of 96 are whole blocks of Q8_0; the vocabulary is not a multiple of 8 rows.
const shape = { dim: 96, layers: 3, heads: 4, kvHeads: 2, ffn: 160, vocab: 517, biases: true };

beforeAll(async () => {
  writeFileSync(folder.path("F32.gguf"), await fixtureModel({ ...shape, tied: false, format: () => "F32" }));
  writeFileSync(folder.path("tied.gguf"), await fixtureModel({ ...shape, tied: true, format: () => "F32" }));
  writeFileSync(
    folder.path("experts.gguf"),
    await architectureModel({
      architecture: "qwen3moe",
      keys: { expert_count: 4, expert_used_count: 2, expert_feed_forward_length: 64 },
    }),
  );
  for (const type of ["F16", "BF16"] as const) await encode("F32", type, type);
  for (const name of ["F32", "F16", "BF16", "tied", "experts"]) await encode(name, "Q8_0", `${name}-Q8_0`);
});

const encode = (name: string, type: FileTypeName, to: string) =>
  quantizeModel(folder.path(`${name}.gguf`), folder.path(`${to}.gguf`), { type });

const load = (name: string, options: LoadOptions = {}): Promise<Model> =>
  loadModel(folder.path(`${name}.gguf`), { threads: 2, contextSize: 128, ...options });

async function logitsOf(model: Model): Promise<Float32Array> {
  try {
    return await model.createSequence().evaluate(ids, { logits: "all" });
  } finally {
    await model.dispose();
  }
}

describe("quantize: Q8_0", () => {
  it.each(["F32", "F16", "BF16", "tied", "experts"])(
    "%s: the bits of the file that quantizeModel writes",
    async (name) => {
      const expected = await logitsOf(await load(`${name}-Q8_0`));
      for (const threads of [1, 2, 3]) {
        expect(await logitsOf(await load(name, { quantize: "Q8_0", threads }))).toEqual(expected);
      }
      expect(await logitsOf(await load(name))).not.toEqual(expected);
    },
  );

  it("of an encoder, with its head: the vectors of the file that quantizeModel writes", async () => {
    const bytes = await microBytes(await microModel("bert"));
    writeFileSync(folder.path("bert.gguf"), bytes);
    await encode("bert", "Q8_0", "bert-Q8_0");
    const texts = ["a fox", "the train is late again"];
    const [own, expected] = await Promise.all(
      [load("bert", { quantize: "Q8_0", contextSize: 64 }), load("bert-Q8_0", { contextSize: 64 })].map(
        async (loading) => {
          const model = await loading;
          const vectors = await model.embed(texts);
          await model.dispose();
          return vectors;
        },
      ),
    );
    expect(own).toEqual(expected);
  });

  it("in as many bytes as that file, which model.info tells", async () => {
    const [own, file] = [await load("F16", { quantize: "Q8_0" }), await load("F16-Q8_0")];
    const { quantized, memory, format } = own.info;
    expect(memory.weights).toBe(file.info.memory.weights);
    expect(memory.total).toBeGreaterThanOrEqual(file.info.memory.total); // by its scratch
    expect(format).toBe("F16");
    const gguf = await openGguf(folder.path("F16-Q8_0.gguf"));
    const tensors = gguf.tensors.filter(({ type }) => type === "Q8_0");
    await gguf.close();
    const weights = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n), 0);
    expect(quantized).toMatchObject({ format: "Q8_0", tensors: tensors.length, fileBytes: 2 * weights });
    expect(quantized!.bytes).toBeGreaterThan((weights / 32) * 34); // matrices have whole groups of rows
    expect(quantized!.bytes).toBeLessThan((weights / 32) * 34 * 1.02);
    expect(file.info.quantized).toBeUndefined();
    await Promise.all([own.dispose(), file.dispose()]);
  });

  it("leaves what has fewer bits already", async () => {
    const model = await load("F32-Q8_0", { quantize: "Q8_0" });
    expect(model.info.quantized).toEqual({ format: "Q8_0", tensors: 0, fileBytes: 0, bytes: 0 });
    expect(await logitsOf(model)).toEqual(await logitsOf(await load("F32-Q8_0")));
  });

  it("over shards, with an adapter, and from bytes", async () => {
    const bytes = readFileSync(folder.path("F32.gguf"));
    const parts = await adapterParts(bytes, { rank: 3, alpha: 6, targets: (name) => /attn_[qv]\.weight/.test(name) });
    const lora = [{ path: await adapterFile(parts) }];
    const expected = await logitsOf(await load("F32-Q8_0", { lora }));
    expect(await logitsOf(await load("F32", { lora, quantize: "Q8_0" }))).toEqual(expected);
    const given = await loadModel(bytes, { threads: 2, contextSize: 128, lora, quantize: "Q8_0" });
    expect(await logitsOf(given)).toEqual(expected);
    const options: LoadOptions = { threads: 2, contextSize: 128, lora, quantize: "Q8_0" };
    const divided = await loadInShards(3, folder.path("F32.gguf"), options);
    expect(divided.info.memory.shards).toHaveLength(3);
    expect(await logitsOf(divided)).toEqual(expected);
  });

  it("an embedding that stays in the file stays as it is", async () => {
    process.env.CRIA_TABLE_BYTES = "0";
    try {
      const model = await load("F32", { quantize: "Q8_0" });
      expect(model.info.memory.inFile).toBe(shape.vocab * shape.dim * 4);
      expect((await logitsOf(model)).every(Number.isFinite)).toBe(true);
    } finally {
      delete process.env.CRIA_TABLE_BYTES;
    }
  });

  it("restores a session of the file that quantizeModel writes, for it is the same model", async () => {
    const [own, file] = [await load("F32", { quantize: "Q8_0" }), await load("F32-Q8_0")];
    const sequence = own.createSequence();
    await sequence.evaluate(ids.slice(0, 40));
    const restored = await file.restoreSequence(await sequence.save());
    expect(restored.position).toBe(40);
    await Promise.all([own.dispose(), file.dispose()]);
  });

  it.each([
    ["NaN", Number.NaN, "weight 7 is NaN, not a finite number"],
    ["too large", 1e9, "weight 7 is 1000000000, beyond the largest that Q8_0 can hold"],
  ])("refuses a weight that is %s by name, and the process goes on", async (_, value, message) => {
    const values = new Float32Array(shape.dim * shape.ffn).fill(0.01);
    values[7] = value;
    const tensors = { "blk.1.ffn_up.weight": { shape: [shape.dim, shape.ffn], values } };
    writeFileSync(folder.path("bad.gguf"), await rewritten(readFileSync(folder.path("F32.gguf")), { tensors }));
    const error = await load("bad", { quantize: "Q8_0" }).catch((one: unknown) => one);
    expect(error).toBeInstanceOf(GgufError);
    expect(error).toMatchObject({ code: "GGUF_TENSOR_VALUE" });
    expect((error as Error).message).toContain("blk.1.ffn_up.weight");
    expect((error as Error).message).toContain(message);
    await (await load("F32", { quantize: "Q8_0" })).dispose();
  });

  it("takes no other type", async () => {
    await expect(load("F32", { quantize: "Q4_0" as "Q8_0" })).rejects.toThrow(
      'quantize must be one of Q8_0; it is "Q4_0"',
    );
  });

  it("on the command line: inspect plans it, run loads it", () => {
    const cria = (...args: readonly string[]) => spawnSync(process.execPath, [entry, ...args], { encoding: "utf8" });
    const inspected = cria("inspect", folder.path("F16.gguf"), "--quantize", "Q8_0").stdout;
    expect(inspected).toMatch(/encoded in Q8_0 while it is loaded: \d+ tensors, \d+ bytes in the file, \d+ in memory/);
    expect(cria("inspect", folder.path("F16.gguf")).stdout).not.toContain("while it is loaded");
    expect(cria("inspect", folder.path("F16.gguf"), "--quantize", "Q5_K").stderr).toContain(
      "quantize must be one of Q8_0",
    );
  });
});
