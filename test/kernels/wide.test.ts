// The wide kernels as V8 makes them where its flag joins pairs of operations: the bits of the build of the same dot product, over all formats
// and 1 to 33 tokens, all caches and numbers of queries, in a process of its own. And what V8 makes wrong, so that the kernels avoid it.

import { describe, expect, it } from "vitest";
import { lockManager } from "../../dist/machine/wide/compile.js";
import { formatNames } from "../support/dequantize.js";
import { runnableBuilds } from "../support/kernel-module.js";
import { runProgram } from "../support/run-program.js";

const programOf = (name: string) => new URL(`../support/programs/${name}.mjs`, import.meta.url);
const COUNTS = Array.from({ length: 33 }, (_, i) => String(i + 1));

// Node has locks from 24.5 on, and V8 the flag from some version before; it joins operations on x64 only.
const joins = lockManager() !== undefined && process.arch === "x64";

describe.skipIf(!joins).each(runnableBuilds.filter((build) => build !== "simd"))("wide kernels beside %s", (build) => {
  it("multiply to the same bits", () => {
    const { stdout } = runProgram(programOf("wide-matmul"), { args: [build, ...COUNTS] });
    const shapes = 3;
    expect(JSON.parse(stdout)).toEqual({ cases: formatNames.length * shapes * COUNTS.length * 2, different: [] });
  });

  it("attend to the same bits", () => {
    const { stdout } = runProgram(programOf("wide-attention"), { args: [build] });
    expect(JSON.parse(stdout)).toEqual({ cases: expect.any(Number), different: [] });
  });
});

describe.skipIf(!joins)("two loads that widen, the upper one first", () => {
  it("are wrong in V8 13, which loads from the upper address, and right later", () => {
    const { stdout } = runProgram(programOf("wide-load-order"), { args: [] });
    const first = Number.parseInt(process.versions.v8, 10) < 14 ? 4 : 0;
    expect(JSON.parse(stdout)).toEqual(Array.from({ length: 8 }, (_, i) => first + i));
  });
});
