// The wide modules, compiled as usual: they have the bits of the kernels that they stand for, whatever V8 makes of them.

import { describe, expect, it } from "vitest";
import { exportFunctions } from "../../dist/machine/wide/export-functions.js";
import { tryWide } from "../../dist/machine/wide/trial.js";
import { compiled, kernelBytes, runnableBuilds } from "../support/kernel-module.js";

const builds = runnableBuilds.filter((build) => build === "relaxed" || build === "vnni");

describe.each(builds)("beside %s", (build) => {
  it("the wide module has the same bits", () => {
    expect(tryWide(compiled(build), compiled(`wide-${build}`))).toEqual({ same: true, speedUp: expect.any(Number) });
  });

  it("a module with other bits is found out", () => {
    expect(tryWide(compiled(build), compiled("simd"))).toEqual({
      same: false,
      where: expect.stringMatching(/^matmul of type \d+, \d+ rows, \d+ tokens$/),
    });
  });
});

describe("the functions of a module", () => {
  it("are all exported, beside its exports", () => {
    compiled("wide-relaxed"); // switches relaxed SIMD on, where that takes a flag
    for (const name of ["simd", "wide-relaxed"] as const) {
      const { bytes, names } = exportFunctions(kernelBytes(name));
      const exports = WebAssembly.Module.exports(new WebAssembly.Module(bytes));
      const before = WebAssembly.Module.exports(new WebAssembly.Module(kernelBytes(name)));
      expect(exports).toEqual([...before, ...names.map((one) => ({ name: one, kind: "function" }))]);
      expect(names.length).toBeGreaterThan(before.length);
    }
  });

  it("are exported under names that they may be called by", () => {
    const { bytes, names } = exportFunctions(kernelBytes("simd"));
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    expect(names.map((name) => typeof exports[name])).toEqual(names.map(() => "function"));
    expect(names.some((name) => exports[name] === exports["matmul"])).toBe(true);
  });
});
