// `cria tune` without a model: races between settings whose speeds are known, and what would be tried on other machines.

import { describe, expect, it } from "vitest";
import { axesOf, instanceCandidates, pinCandidates, threadCandidates } from "../../dist/lab/tune/candidates.js";
import { choose, Heat, race } from "../../dist/lab/tune/race.js";
import { cpuTopology } from "../../dist/machine/cpu/topology.js";
import { allowed, cgroup2, epyc, laptop, type MachineFiles, withMachine } from "../support/cpu-machines.js";
import { randomStream } from "../support/seed.js";

/** Numbers in 0 .. 1. */
const seededRandom = () => {
  const stream = randomStream(14);
  return () => stream.below(2 ** 20) / 2 ** 20;
};

describe("a race", () => {
  /** Runs a race of settings by their true speeds, in a noise of so much, on a machine that slows down by half and back. */
  async function run(speeds: Readonly<Record<string, number>>, noise: number, random = seededRandom()) {
    const names = Object.keys(speeds);
    const heat = new Heat(names[0]!, names.slice(1));
    let bursts = 0;
    await race(names, [heat], async (name) => {
      bursts++;
      const weather = 0.75 + 0.25 * Math.cos(bursts / 40);
      return speeds[name]! * weather * (1 + noise * (2 * random() - 1));
    });
    return { chosen: choose(names, (name) => heat.standing(name)), heat, bursts };
  }

  it("finds the fastest, and spends few bursts where it is clear", async () => {
    const { chosen, bursts } = await run({ a: 100, b: 50, c: 160, d: 70 }, 0.01);
    expect(chosen).toBe("c");
    expect(bursts).toBeLessThanOrEqual(4 * 4);
  });

  it("stays with the reference where nothing is faster by more than does not count", async () => {
    const random = seededRandom();
    let others = 0;
    for (let i = 0; i < 100; i++) {
      if ((await run({ a: 100, b: 100.5, c: 99.5 }, 0.02, random)).chosen !== "a") others++;
    }
    expect(others).toBeLessThanOrEqual(5);
  });

  it("takes the simpler of two that are as fast", async () => {
    expect((await run({ a: 100, b: 150, c: 151 }, 0.005)).chosen).toBe("b");
  });

  it("is within 3 % of the fastest, whatever the speeds, 19 times of 20", async () => {
    const random = seededRandom();
    let misses = 0;
    for (let i = 0; i < 100; i++) {
      const speeds = Object.fromEntries(["a", "b", "c", "d", "e", "f"].map((name) => [name, 60 + 80 * random()]));
      const { chosen } = await run(speeds, 0.01, random);
      if (speeds[chosen]! < 0.97 * Math.max(...Object.values(speeds))) misses++;
    }
    expect(misses).toBeLessThanOrEqual(5);
  });

  it("says how sure it is", async () => {
    const { heat } = await run({ a: 100, b: 120 }, 0.02);
    const { ratio, error } = heat.standing("b");
    expect(Math.abs(ratio / 1.2 - 1)).toBeLessThan(Math.max(0.05, 2 * error));
    expect(error).toBeGreaterThan(0);
  });

  it("one disturbed burst of many changes nothing", () => {
    const heat = new Heat("a", ["b"]);
    for (let round = 0; round < 7; round++) {
      heat.add("a", 100);
      heat.add("b", round === 3 ? 10 : 110);
    }
    expect(heat.standing("b").ratio).toBeCloseTo(1.1, 6);
  });
});

describe("what is tried", () => {
  const facts = { generates: true, threads: 4, threadsBatch: 4, contextSize: 1024, q8Cache: true };
  const on = <Result>(files: MachineFiles, use: (topology: Awaited<ReturnType<typeof cpuTopology>>) => Result) => {
    return withMachine(files, async (root) => use(await cpuTopology({ root })));
  };

  it("on a laptop: its cores, and their second hardware threads", async () => {
    expect(await on(laptop, (machine) => threadCandidates(machine, facts))).toEqual([1, 2, 4, 8]);
    expect(await on(laptop, pinCandidates)).toEqual(["physical"]);
    expect(await on(laptop, instanceCandidates)).toEqual([1, 2, 4]);
    const axes = await on(laptop, (machine) => axesOf(machine, facts));
    expect(axes.find(({ name }) => name === "threads")).toMatchObject({
      values: ["4", "1", "2", "8"],
      reason: "decode and prompts apart; 8 uses both hardware threads of each core (SMT)",
    });
  });

  it("on two sockets: what a cache, a node and a socket have", async () => {
    const large = { ...facts, threads: 32, threadsBatch: 32 };
    expect(await on(epyc, (machine) => threadCandidates(machine, large))).toEqual([1, 4, 8, 16, 32, 64]);
    expect(await on(epyc, pinCandidates)).toEqual(["physical", "l3:0", "node:0"]);
    expect(await on(epyc, instanceCandidates)).toEqual([1, 2, 8, 16]);
  });

  it("under a quota of one and a half processors: two threads, too", async () => {
    const one = { ...facts, threads: 1, threadsBatch: 1 };
    const quota = { ...laptop, ...cgroup2(["max", "150000 100000"]) };
    expect(await on(quota, (machine) => threadCandidates(machine, one))).toEqual([1, 2, 4]);
    expect(await on(quota, instanceCandidates)).toEqual([1, 2]);
  });

  it("on one processor: nothing to pin or to divide", async () => {
    const machine = { ...laptop, ...allowed("3") };
    const one = { ...facts, threads: 1, threadsBatch: 1 };
    expect(await on(machine, (topology) => threadCandidates(topology, one))).toEqual([1]);
    const axes = await on(machine, (topology) => axesOf(topology, one, "wide kernels do not run: they are for x86"));
    expect(axes.map(({ name, values }) => `${name}: ${values.join(", ")}`)).toEqual([
      "kernels: as they are",
      "threads: 1",
      "prefill chunk: 128, 64, 256",
      "pins: none",
      "KV cache: f16, q8_0, f32",
      "batch: 1, 2, 4, 8, 16, 32",
      "instances: 1 x 1",
    ]);
  });

  it("of an encoder: no decode, no chunk, no batch", async () => {
    const axes = await on(laptop, (machine) => axesOf(machine, { ...facts, generates: false }));
    const of = (name: string) => axes.find((axis) => axis.name === name)!.values;
    expect([of("prefill chunk").length, of("batch").length, of("KV cache")]).toEqual([1, 0, ["f32"]]);
  });
});
