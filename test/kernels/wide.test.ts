// The wide kernels as V8 makes them where its flag joins pairs of operations: the bits of the build of the same dot product, over all formats
// and 1 to 33 tokens, in a process of its own.

import { describe, expect, it } from "vitest";
import { lockManager } from "../../dist/machine/wide/compile.js";
import { formatNames } from "../support/dequantize.js";
import { runnableBuilds } from "../support/kernel-module.js";
import { runProgram } from "../support/run-program.js";

const program = new URL("../support/programs/wide-matmul.mjs", import.meta.url);
const COUNTS = Array.from({ length: 33 }, (_, i) => String(i + 1));

// Node has locks from 24.5 on, and V8 the flag from some version before; it joins operations on x64 only.
const joins = lockManager() !== undefined && process.arch === "x64";

describe.skipIf(!joins).each(runnableBuilds.filter((build) => build !== "simd"))("wide kernels beside %s", (build) => {
  it("have the same bits", () => {
    const { stdout } = runProgram(program, { args: [build, ...COUNTS] });
    const shapes = 3;
    expect(JSON.parse(stdout)).toEqual({ cases: formatNames.length * shapes * COUNTS.length * 2, different: [] });
  });
});
