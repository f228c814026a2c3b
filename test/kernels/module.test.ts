// The kernel modules as files: what a worker may count on when it instantiates one over memory that others are using.

import { describe, expect, it } from "vitest";
import { kernelBuilds } from "../../dist/machine/kernels.js";
import { instantiate, kernelBytes } from "../support/kernel-module.js";

const wideBuilds = ["wide-vnni", "wide-relaxed"] as const;

const DATA_SECTION = 11;

describe.each([...kernelBuilds, ...wideBuilds])("the module %s", (build) => {
  it("has no data: an instance that comes later writes nothing into the memory", () => {
    expect(sections(kernelBytes(build))).not.toContain(DATA_SECTION);
    expect(instantiate(build, 65536).bytes.every((byte) => byte === 0)).toBe(true);
  });

  it("imports a memory and nothing else, and exports functions alone", () => {
    instantiate(build, 65536); // switches relaxed SIMD on, where that takes a flag
    const module = new WebAssembly.Module(kernelBytes(build));
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
    expect(new Set(WebAssembly.Module.exports(module).map(({ kind }) => kind))).toEqual(new Set(["function"]));
  });
});

const exportsOf = (build: Parameters<typeof instantiate>[0]) => Object.keys(instantiate(build, 65536).kernels).sort();

it("all builds export the same kernels", () => {
  const [first, ...others] = kernelBuilds.map(exportsOf);
  expect(first!.length).toBeGreaterThan(20);
  for (const names of others) expect(names).toEqual(first);
});

it("the wide modules export some of these", () => {
  const [first, second] = wideBuilds.map(exportsOf);
  expect(first).toContain("matmul");
  expect(exportsOf("vnni")).toEqual(expect.arrayContaining(first!));
  expect(second).toEqual(first);
});

/** The numbers of a module's sections: after 8 bytes, each is its number, its size in LEB128, and that many bytes. */
function sections(module: Uint8Array): number[] {
  const numbers: number[] = [];
  for (let at = 8; at < module.length; ) {
    numbers.push(module[at++]!);
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++]!;
      size |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    at += size;
  }
  return numbers;
}
