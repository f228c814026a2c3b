// LoRA adapters as callers know them: the option, what is refused and how, sessions, memory, and the command line.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { CriaError, type LoadOptions, type LoraOptions, loadModel, type Model } from "cria";
import { GgufWriter, openGguf, type TensorTypeName, tensorTypeByName } from "cria/gguf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomBlocks } from "../../../bench/synthetic/blocks.js";
import { Random } from "../../../bench/synthetic/random.js";
import { checkLora, openLoras, readLora } from "../../../dist/api/load/lora-files.js";
import { planModel } from "../../../dist/api/load/plan-model.js";
import { compileKernels } from "../../../dist/machine/kernels.js";
import { architectureModel } from "../../support/architecture-model.js";
import { dequantize } from "../../support/dequantize.js";
import { randomIds } from "../../support/fixture-model.js";
import { type AdapterParts, adapterFile, adapterParts, loraAdapter } from "../../support/lora-adapter.js";
import { rewritten } from "../../support/rewrite-model.js";
import { randomStream } from "../../support/seed.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const entry = fileURLToPath(new URL("../../../dist/bin/main.js", import.meta.url));
const folder = temporaryFolder();
const ids = randomIds(80, 512);

let file: Uint8Array<ArrayBuffer>;
let parts: AdapterParts;
let adapter: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  file = await architectureModel({ architecture: "llama" });
  parts = await adapterParts(file, { rank: 5, alpha: 10, targets: (name) => /attn_[qv]\.weight|ffn_/.test(name) });
  adapter = await adapterFile(parts);
  writeFileSync(folder.path("model.gguf"), file);
  writeFileSync(folder.path("adapter.gguf"), adapter);
});

const load = (lora: readonly LoraOptions[] | undefined, more: LoadOptions = {}): Promise<Model> =>
  loadModel(file, { threads: 2, contextSize: 192, lora, ...more });

async function logitsOf(model: Model): Promise<Float32Array> {
  try {
    return await model.createSequence().evaluate(ids, { logits: "all" });
  } finally {
    await model.dispose();
  }
}

describe("the option lora", () => {
  it("takes a path, a URL, bytes or a Blob, and says in the model's info what it took", async () => {
    const path = folder.path("adapter.gguf");
    const model = await load([{ path }, { path: adapter, scale: 0 }]);
    expect(model.info.lora).toEqual([
      { file: "adapter.gguf", name: undefined, scale: 1 },
      { file: "Uint8Array", name: undefined, scale: 0 },
    ]);
    const expected = await logitsOf(model);
    for (const one of [adapter, pathToFileURL(path), new Blob([adapter])]) {
      expect(await logitsOf(await load([{ path: one, scale: 1 }]))).toEqual(expected);
    }
    expect(await logitsOf(await load([]))).toEqual(await logitsOf(await load(undefined)));
    expect(await logitsOf(await load(undefined))).not.toEqual(expected);
  });

  it("of scale 0 changes nothing, and of scale s is alpha times s", async () => {
    const plain = await logitsOf(await load(undefined));
    expect(await logitsOf(await load([{ path: adapter, scale: 0 }]))).toEqual(plain);
    const doubled = await adapterFile({ ...parts, keys: { ...parts.keys, "adapter.lora.alpha": 20 } });
    expect(await logitsOf(await load([{ path: adapter, scale: 2 }]))).toEqual(
      await logitsOf(await load([{ path: doubled }])),
    );
    // Without alpha, or with 0, the scale is the caller's: 10 / 5 of it make up for that.
    for (const alpha of [undefined, 0]) {
      const bare = await adapterFile({ ...parts, keys: { ...parts.keys, "adapter.lora.alpha": alpha } });
      expect(await logitsOf(await load([{ path: bare, scale: 2 }]))).toEqual(
        await logitsOf(await load([{ path: adapter }])),
      );
    }
  });

  it.each<[TensorTypeName]>([["F16"], ["BF16"], ["Q8_0"]])("takes adapters of %s", async (type) => {
    const wide = {
      embedding_length: 64,
      feed_forward_length: 64,
      "attention.key_length": 16,
      "attention.value_length": 16,
    };
    const model = await architectureModel({ architecture: "llama", keys: wide });
    const { keys, tensors } = await adapterParts(model, { rank: 32, alpha: 8 });
    const random = new Random(4);
    const [rounded, exact] = [new GgufWriter(), new Map<string, { shape: readonly number[]; values: Float32Array }>()];
    for (const [key, value] of Object.entries(keys)) {
      if (value !== undefined) rounded.set(key, typeof value === "number" ? "float32" : "string", value);
    }
    const data = new Map<string, Uint8Array>();
    for (const [name, { shape, values }] of tensors) {
      const blocks = randomBlocks(type, values.length / tensorTypeByName(type)!.blockSize, random);
      rounded.addTensor(name, type, shape);
      data.set(name, blocks);
      exact.set(name, { shape, values: dequantize(type, blocks, values.length) });
    }
    const logits = async (path: Uint8Array) => logitsOf(await loadModel(model, { threads: 2, lora: [{ path }] }));
    expect(await logits(await rounded.toBytes(data))).toEqual(
      await logits(await adapterFile({ keys, tensors: exact })),
    );
  });

  it.each<[unknown, string]>([
    ["adapter.gguf", 'lora must be an array of objects { path, scale }; it is "adapter.gguf"'],
    [["adapter.gguf"], 'lora[0] must be an object { path, scale }; it is "adapter.gguf"'],
    [[{ scale: 1 }], "lora[0].path must be the path of a GGUF file; it is undefined"],
    [
      [{ path: "a" }, { path: "b", scale: Number.NaN }],
      "lora[1].scale must be a number in -1000000 .. 1000000; it is NaN",
    ],
    [[{ path: "a", weight: 1 }], 'lora[0] has no option "weight"; it has path, scale'],
  ])("refuses %j", async (lora, message) => {
    await expect(load(lora as never)).rejects.toMatchObject({ code: "INVALID_OPTION", message });
  });

  it("plans the memory of what adapters add", async () => {
    const [plain, adapted] = [await load(undefined), await load([{ path: adapter }])];
    const added = adapted.info.memory.weights - plain.info.memory.weights;
    const aligned = (bytes: number) => Math.ceil(bytes / 64) * 64;
    const expected = [...parts.tensors].map(([, { shape }]) => aligned(shape[0]! * Math.ceil(shape[1]! / 8) * 8 * 4));
    expect(added).toBe(expected.reduce((sum, bytes) => sum + bytes));
    await Promise.all([plain.dispose(), adapted.dispose()]);
  });
});

describe("adapters that are refused", () => {
  const of = (keys: AdapterParts["keys"], tensors = parts.tensors) =>
    adapterFile({ keys: { ...parts.keys, ...keys }, tensors });
  const only = (name: string, shape: readonly number[], ...others: [string, readonly number[]][]) =>
    new Map(
      [[name, shape] as const, ...others].map(([one, dimensions]) => {
        return [one, { shape: dimensions, values: new Float32Array(dimensions.reduce((product, n) => product * n)) }];
      }),
    );

  const cases: Readonly<Record<string, readonly [file: () => Promise<Uint8Array>, code: string, message: RegExp]>> = {
    "a model": [async () => file, "UNSUPPORTED_LORA", /is not an adapter: its general\.type is "\(none\)"/],
    "a control vector": [
      () => of({ "general.architecture": "controlvector", "general.type": undefined }),
      "UNSUPPORTED_LORA",
      /is a control vector; supported: LoRA adapters/,
    ],
    "another kind of adapter": [() => of({ "adapter.type": "ia3" }), "UNSUPPORTED_LORA", /has the adapter\.type "ia3"/],
    "an activated LoRA": [
      () => rewritten(adapter, { keys: { "adapter.alora.invocation_tokens": ["uint32[]", Uint32Array.of(1, 2)] } }),
      "UNSUPPORTED_LORA",
      /is an activated LoRA/,
    ],
    "another architecture": [
      () => of({ "general.architecture": "qwen3" }),
      "LORA_MISMATCH",
      /is for the architecture "qwen3"; the model's is "llama"/,
    ],
    "a matrix that the model lacks": [
      () => of({}, only("blk.9.attn_q.weight.lora_a", [40, 2], ["blk.9.attn_q.weight.lora_b", [2, 48]])),
      "LORA_MISMATCH",
      /adds to blk\.9\.attn_q\.weight, which the model does not have/,
    ],
    "a matrix of another shape": [
      () => of({}, only("blk.0.attn_q.weight.lora_a", [48, 2], ["blk.0.attn_q.weight.lora_b", [2, 48]])),
      "LORA_MISMATCH",
      /lora_a \(48, 2\) and lora_b \(2, 48\); the model's is \(40, 48\)/,
    ],
    "matrices that are transposed": [
      () => of({}, only("blk.0.attn_q.weight.lora_a", [2, 40], ["blk.0.attn_q.weight.lora_b", [48, 2]])),
      "GGUF_TENSOR_SHAPE",
      /do not go together/,
    ],
    "one matrix of a pair": [
      () => of({}, only("blk.0.attn_q.weight.lora_a", [40, 2])),
      "GGUF_TENSOR_MISSING",
      /lacks this tensor \("blk\.0\.attn_q\.weight\.lora_b"\)/,
    ],
    "no tensors": [() => of({}, new Map()), "GGUF_TENSOR_MISSING", /has no tensors/],
    "the embedding of tokens": [
      () => of({}, only("token_embd.weight.lora_a", [2, 512], ["token_embd.weight.lora_b", [2, 40]])),
      "UNSUPPORTED_LORA",
      /adds to token_embd\.weight, the embedding of tokens/,
    ],
    "a norm": [
      () => of({}, only("blk.0.attn_norm.weight", [40])),
      "UNSUPPORTED_LORA",
      /replaces blk\.0\.attn_norm\.weight as a whole/,
    ],
    "a bias by a pair": [
      () => of({}, only("blk.0.attn_norm.weight.lora_a", [40, 1], ["blk.0.attn_norm.weight.lora_b", [1, 1]])),
      "UNSUPPORTED_LORA",
      /which is not a matrix of a layer/,
    ],
  };

  it.each(Object.keys(cases))("%s", async (name) => {
    const [make, code, message] = cases[name]!;
    await expect(load([{ path: await make() }])).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it("the matrices of experts, and a ranking head", async () => {
    const keys = { expert_count: 4, expert_used_count: 2, expert_feed_forward_length: 48 };
    const mixture = await architectureModel({ architecture: "qwen3moe", keys });
    const moe = { ...parts.keys, "general.architecture": "qwen3moe" };
    const name = "blk.0.ffn_up_exps.weight";
    const tensors = only(`${name}.lora_a`, [40, 2], [`${name}.lora_b`, [2, 48]]);
    const path = await adapterFile({ keys: moe, tensors });
    await expect(loadModel(mixture, { lora: [{ path }] })).rejects.toMatchObject({
      code: "UNSUPPORTED_LORA",
      message: expect.stringContaining("the matrices of experts"),
    });
    const cls = { shape: [40, 2], values: new Float32Array(80) };
    const ranks = await rewritten(await architectureModel({ architecture: "qwen3" }), {
      tensors: { "cls.output.weight": cls },
    });
    const head = only("cls.output.weight.lora_a", [40, 1], ["cls.output.weight.lora_b", [1, 2]]);
    const onHead = await adapterFile({ keys: { ...parts.keys, "general.architecture": "qwen3" }, tensors: head });
    await expect(loadModel(ranks, { lora: [{ path: onHead }] })).rejects.toMatchObject({ code: "UNSUPPORTED_LORA" });
  });

  it("as a model", async () => {
    await expect(loadModel(adapter)).rejects.toMatchObject({
      code: "UNSUPPORTED_ARCHITECTURE",
      message: "the file is an adapter, not a model: load the model that it was made for, with the option lora",
    });
  });
});

it("any bytes that are changed in an adapter's header give a model, or a typed error", async () => {
  const gguf = await openGguf(file);
  const kernels = await compileKernels();
  const random = randomStream(6);
  const { dataOffset } = (await openGguf(adapter)).parts[0]!;
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    const bytes = adapter.slice();
    for (let n = random.below(3); n >= 0; n--) bytes[random.below(dataOffset)] = random.below(256);
    try {
      const loras = await openLoras(checkLora([{ path: bytes }]), {});
      const { lora } = await planModel(gguf, { threads: 1 }, kernels, loras);
      await readLora(lora, kernels);
    } catch (error) {
      expect(error).toBeInstanceOf(CriaError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(100);
});

describe("a session", () => {
  it("is restored with the same adapters only", async () => {
    const other = await loraAdapter(file, { rank: 5, alpha: 10, seed: 9 });
    const model = await load([{ path: adapter }]);
    const sequence = model.createSequence();
    await sequence.evaluate(ids);
    const session = await sequence.save();
    const next = await sequence.evaluate([7, 8]);
    await model.dispose();
    const again = await load([{ path: adapter }], { threads: 1 });
    expect(await (await again.restoreSequence(session)).evaluate([7, 8])).toEqual(next);
    await again.dispose();
    for (const lora of [
      undefined,
      [{ path: adapter, scale: 0.5 }],
      [{ path: other }],
      [{ path: adapter }, { path: other }],
    ]) {
      const stranger = await load(lora);
      await expect(stranger.restoreSequence(session)).rejects.toMatchObject({ code: "SESSION_MODEL_MISMATCH" });
      await stranger.dispose();
    }
  });
});

describe("cria", () => {
  const run = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], { encoding: "utf8" });
    return { code: status, out: stdout, err: stderr };
  };
  let models: Model[];
  beforeAll(async () => {
    models = [await load([{ path: adapter, scale: 2 }]), await load([{ path: adapter }])];
  });
  afterAll(() => Promise.all(models.map((model) => model.dispose())));

  it("takes --lora FILE and --lora FILE=SCALE", async () => {
    const path = folder.path("adapter.gguf");
    for (const [i, flag] of [`${path}=2`, path].entries()) {
      const { out } = run("run", "-m", folder.path("model.gguf"), "--lora", flag, "-n", "8", "--temp", "0", "a fox");
      expect(out).toContain((await models[i]!.complete("a fox", { maxTokens: 8, temperature: 0 })).text);
    }
    expect(run("run", "-m", folder.path("model.gguf"), "--lora", folder.path("none.gguf"), "a")).toMatchObject({
      code: 1,
    });
    expect(run("run", "--lora-scaled", "a", "b").err).toContain("--lora FILE=SCALE");
  });

  it("inspects a model with an adapter", () => {
    const plan = (...lora: readonly string[]) => {
      return /weights +(\d+) bytes/.exec(run("inspect", folder.path("model.gguf"), ...lora).out)?.[1];
    };
    expect(Number(plan("--lora", folder.path("adapter.gguf")))).toBe(models[0]!.info.memory.weights);
    expect(Number(plan())).toBeLessThan(models[0]!.info.memory.weights);
  });

  it("inspects an adapter", () => {
    const { code, out } = run("inspect", folder.path("adapter.gguf"));
    expect(code).toBe(0);
    expect(out).toContain(
      'a LoRA adapter for models of the architecture "llama": --lora, or loadModel\'s option lora, takes it',
    );
    expect(out).toMatch(/matrices {2}20: attn_q, attn_v, ffn_gate, ffn_up, ffn_down\n {2}rank {6}5\n {2}alpha {5}10\n/);
  });
});
