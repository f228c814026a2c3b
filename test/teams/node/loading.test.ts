// loadModel: where a model may come from, what it reports, and that a load that fails leaves nothing behind.

import { renameSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Worker } from "node:worker_threads";
import { CriaError, GgufError, type LoadSource, loadModel, MemoryError, UnsupportedError } from "cria";
import { GgufWriter, openGguf } from "cria/gguf";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { modelSource } from "../../../dist/api/load/model-source.js";
import { type FixtureShape, fixtureModel, randomIds } from "../../support/fixture-model.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const shape: FixtureShape = {
  ...{ dim: 128, layers: 3, heads: 4, kvHeads: 2, ffn: 256, vocab: 2048, tied: false },
  format: (name) => (name.includes("attn") ? "F32" : "Q8_0"),
};

const folder = temporaryFolder();
let file: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  file = await fixtureModel(shape);
  writeFileSync(folder.path("model.gguf"), file);
});

let workers: Worker[] = [];
const remember = (worker: Worker) => void workers.push(worker);
beforeEach(() => {
  workers = [];
  process.on("worker", remember);
});
afterEach(() => {
  process.off("worker", remember);
  expect(workers.every(({ threadId }) => threadId === -1)).toBe(true);
});

async function logitsOf(source: LoadSource): Promise<Float32Array> {
  const model = await loadModel(source, { threads: 3 });
  const logits = await model.createSequence().evaluate(randomIds(20, shape.vocab), { logits: "all" });
  await model.dispose();
  return logits;
}

/** Writes the model as parts that each hold every n-th tensor; returns the first one's path. */
async function writeSplit(parts: number): Promise<string> {
  const gguf = await openGguf(file);
  const name = (part: number) => {
    return folder.path(`split-${`${part + 1}`.padStart(5, "0")}-of-${`${parts}`.padStart(5, "0")}.gguf`);
  };
  for (let part = 0; part < parts; part++) {
    const writer = new GgufWriter();
    if (part === 0) for (const [key, value] of gguf.metadata) writer.set(key, gguf.metadata.typeOf(key)!, value);
    writer
      .set("split.no", "uint16", part)
      .set("split.count", "uint16", parts)
      .set("split.tensors.count", "int32", gguf.tensors.length);
    const data = new Map<string, Uint8Array>();
    for (const tensor of gguf.tensors.filter((_, i) => i % parts === part)) {
      writer.addTensor(tensor.name, tensor.type, tensor.shape);
      data.set(tensor.name, await gguf.readTensor(tensor));
    }
    writeFileSync(name(part), await writer.toBytes(data));
  }
  return name(0);
}

it("starts workers whose young objects have little room, so that a busy model's memory soon stops growing", async () => {
  const model = await loadModel(folder.path("model.gguf"), { threads: 2 });
  expect(workers.length).toBeGreaterThanOrEqual(2);
  for (const { resourceLimits } of workers) expect(resourceLimits!.maxYoungGenerationSizeMb).toBe(48);
  await model.dispose();
});

describe("a model from", () => {
  it.each<[string, () => LoadSource | Promise<LoadSource>]>([
    ["a file: URL", () => pathToFileURL(folder.path("model.gguf"))],
    ["a Uint8Array", () => file],
    ["a part of a larger buffer", () => new Uint8Array([...new Uint8Array(40), ...file, 1, 2, 3]).subarray(40, -3)],
    ["a Blob", () => new Blob([file.subarray(0, 1000), file.subarray(1000)])],
    ["a file split in three", () => writeSplit(3)],
  ])("%s gives the logits of its path", async (_, source) => {
    expect(await logitsOf(await source())).toEqual(await logitsOf(folder.path("model.gguf")));
  });
});

describe("progress", () => {
  it.each([1, 3])("is told from 0 to 1, %i threads", async (threads) => {
    const reports: number[] = [];
    const model = await loadModel(folder.path("model.gguf"), {
      threads,
      onProgress: (fraction) => reports.push(fraction),
    });
    expect(reports[0]).toBe(0);
    expect(reports.at(-1)).toBe(1);
    expect(reports).toEqual(reports.toSorted((a, b) => a - b));
    const count = reports.length;
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(reports.length).toBe(count); // no more of it, once the model is there
    await model.dispose();
  });
});

describe("a progress callback that throws", () => {
  it.each([1, 2])("at call %i: the load is rejected with that error, and the team ends", async (failing) => {
    const mine = new RangeError("mine");
    let calls = 0;
    const onProgress = () => {
      if (++calls >= failing) throw mine;
    };
    await expect(loadModel(folder.path("model.gguf"), { threads: 2, onProgress })).rejects.toBe(mine);
    expect(calls).toBe(failing);
    expect(workers.length).toBeGreaterThan(1);
  });
});

describe("a file that changes between its header and its weights", () => {
  const path = () => folder.path("changing.gguf");

  /** Loads a model whose file is changed as soon as the team's first worker is started. */
  async function loadWhile(change: () => void) {
    writeFileSync(path(), file);
    process.once("worker", change);
    try {
      return await loadModel(path(), { threads: 2 });
    } finally {
      process.off("worker", change);
    }
  }

  it.each<[string, () => void]>([
    [
      "another model has taken its name",
      () => {
        writeFileSync(folder.path("other.gguf"), file);
        renameSync(folder.path("other.gguf"), path());
      },
    ],
    ["it was cut", () => truncateSync(path(), file.length - 1000)],
    ["it was modified", () => utimesSync(path(), 1, 1)],
    ["it was removed", () => unlinkSync(path())],
  ])("%s: GGUF_CHANGED", async (_, change) => {
    await expect(loadWhile(change)).rejects.toMatchObject({ constructor: GgufError, code: "GGUF_CHANGED" });
    expect(workers.length).toBeGreaterThan(0);
  });

  it("a model in memory whose bytes are taken away", async () => {
    const bytes = new Uint8Array(file);
    const gguf = await openGguf(bytes);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    const changed = { constructor: GgufError, code: "GGUF_CHANGED" };
    await expect(modelSource(gguf, bytes)).rejects.toMatchObject(changed);
  });
});

describe("what cannot be loaded", () => {
  it("a vocabulary that is not supported: the workers end, and nothing else rejects", async () => {
    const bytes = Buffer.from(file);
    bytes.write("llama-xyz", bytes.indexOf("llama-bpe"));
    await expect(loadModel(new Uint8Array(bytes))).rejects.toBeInstanceOf(UnsupportedError);
    expect(workers.length).toBeGreaterThan(0);
  });

  it("a cache that does not fit: the plan is in the message", async () => {
    const loading = loadModel(file, { contextSize: 2 ** 20, sequences: 64 });
    await expect(loading).rejects.toBeInstanceOf(MemoryError);
    await expect(loading).rejects.toThrow(
      /weights [\d.]+ MiB \+ KV cache [\d.]+ MiB .* one WebAssembly memory holds 4095.9 MiB/,
    );
  });

  it("a q8_0 cache with heads of no multiple of 32", async () => {
    const odd = await fixtureModel({ ...shape, heads: 8, headDim: 24, format: () => "F32" });
    await expect(loadModel(odd, { kvCache: "q8_0" })).rejects.toMatchObject({ code: "UNSUPPORTED_KV_CACHE" });
  });

  it("a RoPE that is not supported", async () => {
    const other = await fixtureModel({ ...shape, keys: { "rope.scaling.type": "su" } });
    await expect(loadModel(other)).rejects.toMatchObject({ code: "UNSUPPORTED_ARCHITECTURE" });
  });

  it("a mixture that does not say how many of its experts are used", async () => {
    const other = await fixtureModel({ ...shape, keys: { expert_count: 8 } });
    await expect(loadModel(other)).rejects.toMatchObject({
      constructor: GgufError,
      subject: "llama.expert_used_count",
    });
  });

  it("options that nobody knows, and values that cannot be", async () => {
    const bad = [
      { thread: 2 },
      { threads: 0 },
      { threads: 1.5 },
      { contextSize: 0 },
      { sequences: -1 },
      { kvCache: "f8" },
    ];
    for (const options of bad) {
      await expect(loadModel(file, options as object)).rejects.toMatchObject({ code: "INVALID_OPTION" });
    }
    await expect(loadModel("hf:no-repository")).rejects.toMatchObject({ code: "DOWNLOAD_SOURCE" });
  });

  it("assets that are not the URL of a folder", async () => {
    for (const assets of ["./x", "", 5, {}, new URL("http://u:secret@h/x/"), new URL("file:///x"), "file:///x/"]) {
      const error: unknown = await loadModel(file, { assets: assets as URL }).catch((error) => error);
      expect(error).toMatchObject({ constructor: CriaError, code: "INVALID_OPTION" });
      expect(String(error)).toMatch(/assets must be the file: URL of a folder, with a slash at its end; it is /);
      expect(String(error)).not.toContain("secret");
    }
  });

  it("a folder of assets without them", async () => {
    const assets = pathToFileURL(folder.path("nowhere/"));
    await expect(loadModel(file, { assets })).rejects.toMatchObject({ constructor: CriaError, code: "ASSET_MISSING" });
  });

  it("a file that is cut off", async () => {
    writeFileSync(folder.path("cut.gguf"), file.subarray(0, -100));
    await expect(loadModel(folder.path("cut.gguf"))).rejects.toBeInstanceOf(GgufError);
  });
});
