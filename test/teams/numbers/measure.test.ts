// What is measured of the machine and of the kernels: every kernel once, in small shapes. No figure is held to a time.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LabTeam } from "../../../dist/lab/lab-team.js";
import {
  type KernelChoice,
  type KernelMeasurement,
  kernelCases,
  measureKernels,
} from "../../../dist/lab/measure-kernels.js";
import { limitOf, measureRoofline, RooflineProbe } from "../../../dist/lab/roofline.js";
import { mean, median, standardDeviation } from "../../../dist/lab/statistics.js";

let team: LabTeam;
beforeAll(async () => {
  team = await LabTeam.open({ threads: 2 });
});
afterAll(() => team.close());

async function measure(choice: KernelChoice): Promise<KernelMeasurement[]> {
  const all: KernelMeasurement[] = [];
  for await (const one of measureKernels(team, await kernelCases(team, choice), 1)) all.push(one);
  return all;
}

const positive = (value: number) => expect(value > 0 && Number.isFinite(value)).toBe(true);

describe("the roofline", () => {
  it("is finite and positive", async () => {
    const { bandwidth, peaks } = await measureRoofline(team, 2);
    for (const rate of [bandwidth, peaks.int8, peaks.int16, peaks.f32]) positive(rate);
  });

  it("binds by memory or by arithmetic, whichever takes longer", () => {
    const roofline = { bandwidth: 10, peaks: { int8: 100, int16: 50, f32: 20 } };
    expect(limitOf({ bytes: 20, operations: { int8: 100 } }, roofline)).toEqual({ seconds: 2, boundBy: "memory" });
    expect(limitOf({ bytes: 20, operations: { int8: 100, f32: 40 } }, roofline)).toEqual({
      seconds: 3,
      boundBy: "f32",
    });
    expect(limitOf({ bytes: 0, operations: { int16: 5 } }, roofline)).toEqual({ seconds: 0.1, boundBy: "int16" });
  });
});

describe("the limit of what was measured", () => {
  /** A probe on a machine that others disturb in its first rounds: it takes these seconds for each measurement of a round. */
  const probeOf = (rounds: readonly number[]) => {
    let calls = 0;
    const time = async ({ kernel }: { kernel: string }) => {
      const seconds = [rounds[Math.floor(calls++ / 4)] ?? 1];
      return { bytes: kernel === "read" ? 1000 : 0, operations: kernel === "peak" ? 1000 : 0, seconds };
    };
    return new RooflineProbe({ time } as unknown as LabTeam);
  };
  const work = { bytes: 1000, operations: {} };

  it("is that of the medians, where these hold", async () => {
    const probe = probeOf([1, 3, 1]);
    for (let round = 0; round < 3; round++) await probe.round();
    expect(await probe.limit(work, 1)).toMatchObject({ limit: { seconds: 1, boundBy: "memory" }, bestOf: undefined });
    expect(probe.rounds).toBe(3);
  });

  it("is that of the best of more rounds, where the work was faster than the medians", async () => {
    const probe = probeOf([9, 4, 5, 3]);
    for (let round = 0; round < 4; round++) await probe.round();
    const { limit, roofline, bestOf } = await probe.limit(work, 2, 1);
    expect([limit.seconds, roofline.bandwidth, bestOf]).toEqual([1, 1000, 13]);
    expect((await probe.limit(work, 0.5, 1)).limit.seconds / 0.5).toBe(2); // 200 %: said in the noise
  });
});

describe("measured kernels", () => {
  const small = {
    matmul: [24, 512, 3],
    attention: [100, 3, 4, 2, 32],
    textAttention: [300, 4, 2, 32],
    storeKv: [4, 3, 32],
    encode: [8, 512],
    dequantize: [4, 512],
    quantize: [4, 512],
    pack: [12, 512],
    unpack: [12, 512],
    rmsNorm: [4, 300],
    layerNorm: [4, 300],
    meanRows: [4, 300],
    mergeAttention: [3, 2, 8],
    ropeTable: [4, 32],
    rope: [4, 2, 32],
    ropeHalves: [4, 2, 32],
    swiGlu: [4, 64],
    clampedSwiGlu: [4, 64],
    geGlu: [4, 64],
    gelu: [4, 64],
    geluRows: [4, 64],
    sigmoid: [4, 64],
    softcap: [4, 64],
    sigmoidGate: [4, 64],
    addBias: [4, 64],
    addBiasRows: [4, 64],
    scale: [4, 64],
    chooseExperts: [4, 30, 3],
    addWeightedRows: [4, 64, 3],
    siluConvolution: [5, 64],
    deltaRule: [20, 2, 32],
    read: [4096],
    peak: [10],
  } as const;

  /** What a format loses of numbers that are spread evenly. */
  const lostTo: Readonly<Record<string, number>> = { Q4_0: 0.07, Q6_K: 0.02, F16: 3e-4 };

  it.each(Object.entries(small))("%s", async (kernel, shape) => {
    const ofWeights = ["matmul", "dequantize", "quantize", "pack", "unpack"].includes(kernel);
    const formats = ofWeights ? ["Q4_0", "Q6_K", "F16"] : undefined;
    const all = await measure({ kernels: [kernel], formats, shapes: [shape] });
    expect(all.length).toBeGreaterThan(0);
    for (const one of all) {
      expect(one).toMatchObject({ kernel, shape, fromMemory: false });
      expect(one.dimensions).toHaveLength(shape.length);
      positive(one.seconds);
      if (one.boundBy !== undefined) positive(one.share!);
      const computed = one.format === "f32" || one.format === "F16" ? 1e-5 : one.format === "f16" ? 1e-3 : 0.02;
      const bound = kernel === "quantize" ? lostTo[one.format]! : computed;
      if (["encode", "dequantize", "read", "peak"].includes(kernel)) {
        expect(one.error).toBeUndefined();
      } else if (kernel === "pack" || kernel === "unpack" || (kernel === "storeKv" && one.format === "f32")) {
        expect(one.error).toBe(0);
      } else {
        expect(one.error).toBeGreaterThan(0);
        expect(one.error).toBeLessThan(bound);
        if (kernel === "matmul" && one.format !== "F16") expect(one.error).toBeGreaterThan(1e-5);
      }
    }
  });

  it("counts the work of all workers together", async () => {
    const [one] = await measure({ kernels: ["matmul"], formats: ["Q4_0"], shapes: [[40, 512, 3]] });
    expect(one!.bytesPerSecond * one!.seconds).toBeCloseTo(40 * 16 * 18, 3);
    expect(one!.operationsPerSecond * one!.seconds).toBeCloseTo(2 * 40 * 512 * 3, 3);
    const [single] = await measure({ kernels: ["matmul"], formats: ["F32"], shapes: [[8, 64, 1]] }); // one part, two workers
    expect(single!.bytesPerSecond * single!.seconds).toBeCloseTo(8 * 64 * 4, 3);
  });

  it("are refused by name", async () => {
    await expect(measure({ kernels: ["gemm"] })).rejects.toThrow(/kernel must be one of .*matmul.*; it is "gemm"/);
    await expect(measure({ kernels: ["matmul"], formats: ["Q9"] })).rejects.toThrow(
      /format must be one that matmul comes in; it is "Q9"/,
    );
    await expect(measure({ kernels: ["rope"], shapes: [[1, 2]] })).rejects.toThrow(
      /the shape of rope must be rowsxheadsxheadDim, each at least 1; it is "1x2"/,
    );
  });

  it.each([
    ["matmul", "Q4_K", [8, 300, 1]],
    ["dequantize", "Q4_0", [1, 33]],
    ["quantize", "Q6_K", [1, 128]],
    ["pack", "Q4_0", [8, 33]],
    ["unpack", "Q4_0", [8, 33]],
    ["encode", "q8_256", [4, 128]],
    ["attention", "q8_0", [64, 1, 2, 2, 48]],
    ["storeKv", "q8_0", [64, 2, 48]],
    ["storeKv", "f32", [64, 2, 6]],
    ["attention", "f16", [64, 1, 3, 2, 64]],
    ["textAttention", "f32", [64, 3, 2, 64]],
    ["textAttention", "f32", [64, 2, 2, 6]],
    ["ropeTable", "f32", [1, 5]],
    ["rope", "f32", [1, 1, 6]],
    ["ropeHalves", "f32", [1, 1, 6]],
    ["swiGlu", "f32", [1, 6]],
    ["clampedSwiGlu", "f32", [1, 6]],
    ["geGlu", "f32", [1, 6]],
    ["gelu", "f32", [1, 6]],
    ["geluRows", "f32", [1, 6]],
    ["addBias", "f32", [1, 6]],
    ["addBiasRows", "f32", [1, 6]],
    ["sigmoid", "f32", [1, 6]],
    ["softcap", "f32", [1, 6]],
    ["sigmoidGate", "f32", [1, 6]],
    ["siluConvolution", "f32", [1, 6]],
    ["deltaRule", "f32", [1, 1, 24]],
    ["scale", "f32", [1, 6]],
    ["addWeightedRows", "f32", [1, 6, 2]],
  ])("%s of %s refuses a shape that makes no sense", async (kernel, format, shape) => {
    await expect(measure({ kernels: [kernel], formats: [format], shapes: [shape] })).rejects.toMatchObject({
      code: "INVALID_SHAPE",
    });
  });

  it("do not answer when a worker dies", async () => {
    const other = await LabTeam.open({ threads: 2 });
    const lost = other.time({ kernel: "read", format: "v128", shape: [2 ** 34] }, 1); // more than a WebAssembly memory holds
    await expect(lost).rejects.toMatchObject({ code: "WORKER_DIED" });
    await expect(other.time({ kernel: "peak", format: "f32", shape: [10] }, 1)).rejects.toMatchObject({
      code: "WORKER_DIED",
    });
    await other.close();
  });
});

describe("statistics", () => {
  it("of samples", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(mean([1, 2, 6])).toBe(3);
    expect(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(2.138, 3);
    expect(standardDeviation([1])).toBe(0);
  });
});
