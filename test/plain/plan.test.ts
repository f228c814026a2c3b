// `cria plan` without a measurement: what a step asks of a machine, how that becomes seconds, what fits, and how other machines' cores are
// divided.

import { openGguf } from "cria/gguf";
import { plan } from "cria/lab";
import { describe, expect, it } from "vitest";
import { planModel } from "../../dist/api/load/plan-model.js";
import { sizeOf } from "../../dist/cli/plan.js";
import { type MachineProfile, ROWS, rateOf, threadsOf } from "../../dist/lab/plan/machine-profile.js";
import { ModelCost } from "../../dist/lab/plan/model-cost.js";
import { decodeRate, prefillRate, stepSeconds } from "../../dist/lab/plan/predict.js";
import { compileKernels } from "../../dist/machine/kernels.js";
import { allowed, cgroup2, epyc, laptop, type MachineFiles, meminfo, withMachine } from "../support/cpu-machines.js";
import { fixtureModel } from "../support/fixture-model.js";

const GIB = 2 ** 30;
const shape = {
  ...{ dim: 64, layers: 4, heads: 2, kvHeads: 1, headDim: 32, ffn: 96, vocab: 512 },
  format: () => "Q8_0" as const,
} as const;
const file = await fixtureModel(shape);
const planned = async (changes = {}) =>
  planModel(await openGguf(file), { threads: 1, ...changes }, await compileKernels());

/** A machine on which everything is round: 10 GB/s and 100 GOP/s a thread. */
const profile: MachineProfile = {
  threads: [1, 2, 8].map((threads) => ({
    ...{ threads, bandwidth: Math.min(threads, 4) * 10e9, int8: threads * 200e9, f32: threads * 50e9 },
    ...{ layerSeconds: threads * 1e-6, textSeconds: 0, elementSeconds: 1e-9 / threads },
  })),
  formats: { Q8_0: { rates: ROWS.map((rows) => Math.min(rows, 4) * 25e9) } },
  cacheBytes: 0,
};

describe("what a step asks for", () => {
  it("reads all matrices once, whatever its rows, and multiplies by them for each", async () => {
    const cost = new ModelCost(await planned());
    const gguf = await openGguf(file);
    const matrices = gguf.tensors.filter(({ shape, name }) => shape.length === 2 && !name.includes("norm"));
    const bytes = matrices.reduce((sum, tensor) => sum + tensor.bytes, 0);
    const weights = matrices.reduce((sum, { shape }) => sum + shape[0]! * shape[1]!, 0);
    const one = cost.step({ rows: 1, texts: 1, depth: 0, logits: 1 });
    const many = cost.step({ rows: 1, texts: 8, depth: 0, logits: 8 });
    expect(cost.formats).toEqual(["Q8_0"]);
    expect(one.products["Q8_0"]).toBe(2 * weights);
    expect(many.products["Q8_0"]).toBe(16 * weights);
    const caches = many.bytes - one.bytes;
    expect(one.bytes - caches / 7).toBeCloseTo(bytes, 6);
  });

  it("a prompt wants logits of its last row only", async () => {
    const cost = new ModelCost(await planned());
    const without = cost.step({ rows: 128, texts: 1, depth: 0, logits: 0 });
    const last = cost.step({ rows: 128, texts: 1, depth: 0, logits: 1 });
    expect(last.products["Q8_0"]! - without.products["Q8_0"]!).toBe(2 * shape.vocab * shape.dim);
  });
});

describe("seconds", () => {
  it("between measured numbers of threads are taken in proportion; beyond them the last counts", () => {
    const four = threadsOf(profile, 4);
    expect([four.threads, four.layerSeconds]).toEqual([4, 4e-6]);
    expect(four.bandwidth).toBeCloseTo(20e9 + (20e9 * 2) / 6, -1);
    expect(threadsOf(profile, 16)).toMatchObject({ threads: 16, bandwidth: 40e9 });
    expect(threadsOf(profile, 2)).toEqual(profile.threads[1]);
  });

  it("rates between measured rows rise from one to the next", () => {
    const { Q8_0 } = profile.formats;
    const rates = [1, 2, 3, 4, 6, 64, 128, 500].map((rows) => rateOf(Q8_0!, rows));
    expect(rates).toEqual([...rates].sort((a, b) => a - b));
    expect([rates[0], rates.at(-1)]).toEqual([25e9, 100e9]);
  });

  it("are those of the memory where it takes longest, and of the arithmetic where the weights fit into the caches", () => {
    const cost = { bytes: 1e9, products: { Q8_0: 1e6 }, attention: 0, elements: 0, rows: 1, layers: 0 };
    expect(stepSeconds(cost, 1, profile, 1)).toBeCloseTo(0.1, 4);
    expect(stepSeconds(cost, 1, { ...profile, cacheBytes: 2e9 }, 1)).toBeCloseTo(1e6 / 25e9, 9);
    // Eight read from memory that gives no more than four threads can take.
    expect(stepSeconds(cost, 1, profile, 8)).toBeCloseTo(0.2, 4);
  });

  it("instances: clients are shared out, and those that are idle leave the memory to the others", async () => {
    const cost = new ModelCost(await planned());
    const instance = { threads: 1, threadsBatch: 1, batchRows: 2 };
    const rate = (instances: number, clients: number) =>
      decodeRate(cost, profile, instance, { instances, clients, depth: 0 });
    expect(rate(2, 1)).toBe(rate(1, 1));
    expect(rate(2, 2)).toBeCloseTo(2 * rate(1, 1), 6);
    expect(rate(8, 8)).toBeLessThan(8 * rate(1, 1));
    expect(rate(2, 3)).toBeGreaterThan(rate(2, 2));
    expect(prefillRate(cost, profile, instance, { instances: 2, tokens: 200 })).toBeGreaterThan(
      1.9 * prefillRate(cost, profile, instance, { instances: 1, tokens: 200 }),
    );
  });
});

describe("what fits", () => {
  const budget = async (memory: number) => plan(file, { memory, threads: 1, contextSize: 512, predict: false });

  it("is the largest that does: one page or one sequence more does not", async () => {
    const tight = await budget(52 * 2 ** 20);
    expect(tight.need.fits).toBe(true);
    for (const { kvCache, contextSize, sequences } of tight.fitting) {
      const needs = async (changes: object) => {
        const { need } = await plan(file, { kvCache, threads: 1, contextSize: 512, predict: false, ...changes });
        return need.memory.total + need.besides;
      };
      expect(await needs({ sequences })).toBeLessThanOrEqual(52 * 2 ** 20);
      expect(await needs({ sequences: sequences + 1 })).toBeGreaterThan(52 * 2 ** 20);
      if (contextSize < tight.trainedContextSize) {
        expect(await needs({ contextSize: contextSize + 64 })).toBeGreaterThan(52 * 2 ** 20);
      }
    }
  });

  it("is nothing where the weights alone are too large", async () => {
    const none = await budget(40 * 2 ** 20);
    expect(none.need.fits).toBe(false);
    expect(none.fitting.map(({ contextSize, sequences }) => [contextSize, sequences])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  it.each([
    ["4G", 4 * GIB],
    ["4GiB", 4 * GIB],
    ["512m", 2 ** 29],
    ["1.5gb", 1.5 * GIB],
    ["65536", 65536],
  ])("--memory %s", (text, bytes) => {
    expect(sizeOf("--memory", text)).toBe(bytes);
  });

  it.each(["", "4X", "-1G", "0", "G"])('--memory "%s" is refused', (text) => {
    expect(() => sizeOf("--memory", text)).toThrow(/--memory must be a size such as 4G or 512M; it is/);
  });
});

describe("other machines", () => {
  const on = (files: MachineFiles, options = {}) => {
    return withMachine({ ...meminfo(8 * GIB), ...files }, (root) => plan(file, { root, ...options }));
  };
  const ways = async (files: MachineFiles, options = {}) => {
    const { splits } = await on(files, options);
    return splits.map(({ instances, threads }) => `${instances} x ${threads}`);
  };

  it("the cores of a laptop, not its hardware threads", async () => {
    expect(await ways(laptop)).toEqual(["1 x 4", "2 x 2", "4 x 1"]);
  });

  it("two sockets, eight nodes and 16 caches", async () => {
    expect(await ways(epyc)).toEqual(["1 x 32", "2 x 16", "4 x 8", "8 x 4", "16 x 2", "32 x 1"]);
  });

  it("a quota of one and a half processors, shared by two", async () => {
    expect(await ways({ ...laptop, ...cgroup2(["max", "150000 100000"]) })).toEqual(["1 x 2", "2 x 1"]);
  });

  it("an affinity of three", async () => {
    expect(await ways({ ...laptop, ...allowed("0-2") })).toEqual(["1 x 3", "2 x 1", "3 x 1"]);
  });

  it("predict nothing, and say what may be taken of their memory", async () => {
    const { splits, profile, budget } = await on(laptop);
    expect([profile, budget]).toEqual([undefined, { bytes: 8 * GIB, source: "MemAvailable" }]);
    expect(splits.every(({ decode, prefill }) => decode === undefined && prefill === undefined)).toBe(true);
  });
});
