// Every export of the kernel module is measured by a row of `cria kernels`, or stands here with the reason why not. What a row runs is
// watched, not declared: the lab gets instances that note which of their exports are called.

import { type KernelLab, openKernels } from "cria/kernels";
import { type KernelName, kernelNames, kernelRows } from "cria/lab";
import { afterAll, beforeAll, expect, it } from "vitest";
import { instantiate } from "../support/kernel-module.js";

/** Exports that are not kernels. */
const notKernels = {
  "how large a buffer must be": [
    ...["activationBytes", "attentionScratchBytes", "kvTileBytes", "matmulScratchBytes", "quantizeScratchBytes"],
    ...["attentionPartBytes", "deltaRuleScratchBytes", "textAttentionScratchBytes"],
  ],
  "facts of a format, and of the processor": [
    ...["formatActivation", "formatBlockBytes", "formatBlockWeights", "formatLargest", "dotIsUnsigned", "dotIsSigned"],
  ],
  "what joins the workers of a team, which bench/barrier.ts measures": [
    ...["teamJoin", "announceStep", "awaitStep", "barrier", "ticket", "resetTickets"],
  ],
} as const;

const called = new Set<string>();

const { Instance } = WebAssembly;

/** An instance that notes which of its exports are called. */
class NotingInstance {
  readonly exports: WebAssembly.Exports;

  constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
    const noting = Object.entries(new Instance(module, imports).exports).map(([name, kernel]) => {
      const call = kernel as (...args: unknown[]) => unknown;
      const note = (...args: unknown[]) => {
        called.add(name);
        return call(...args);
      };
      return [name, note] as const;
    });
    this.exports = Object.fromEntries(noting);
  }
}

beforeAll(() => {
  WebAssembly.Instance = NotingInstance;
});
afterAll(() => {
  WebAssembly.Instance = Instance;
});

it("every export is timed by a row, or is not a kernel", async () => {
  const lab = await openKernels();
  const timed = new Set<string>();
  for (const name of kernelNames) {
    const row = kernelRows[name];
    for (const format of row.formats(lab)) {
      const [shape] = row.shapes(lab, format, { cachedBytes: 2 ** 12, cacheBytes: 2 ** 17, streamedBytes: 2 ** 19 });
      const { run } = row.prepare(lab, format, shape!);
      called.clear();
      run();
      expect([...called], `${name} ${format} times one kernel`).toHaveLength(1);
      timed.add([...called][0]!);
    }
  }
  const { kernels } = instantiate("simd", 65536);
  expect([...timed, ...Object.values(notKernels).flat()].sort()).toEqual(Object.keys(kernels).sort());
});

// The machine's limits write nothing, and ropeHalves is `rope` on other pairs. A row that `KernelLab` has no method for does not compile.
type Prepared = Exclude<KernelName, "read" | "peak" | "ropeHalves">;
type Methods = {
  readonly [Name in Prepared]: (typeof kernelRows)[Name]["make"] extends (
    lab: never,
    shape: infer Shape,
  ) => infer Kernel
    ? (shape: Shape) => Kernel
    : never;
};

it("every row that makes a kernel is a method of the lab", async () => {
  const lab: KernelLab & Methods = await openKernels();
  const makers = kernelNames.filter((name) => "make" in kernelRows[name] && name !== "ropeHalves");
  expect(makers.filter((name) => !(name in lab))).toEqual([]);
});
