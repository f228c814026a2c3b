// A kernel module by itself, over a memory of the test's own.

import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { instantiateKernels, type KernelBuild, type Kernels } from "../../dist/machine/kernels.js";

export interface TestKernels {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly floats: Float32Array;
}

/** A module of the package: a build of the kernels, or one of the wide modules, which have some of them. */
type ModuleName = KernelBuild | "wide-relaxed" | "wide-vnni";

/** Instantiates a module of the kernels with `size` bytes of memory, which is zero. */
export function instantiate(build: ModuleName, size: number): TestKernels {
  const pages = Math.ceil(size / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const kernels = instantiateKernels(compiled(build), memory);
  return { kernels, memory, bytes: new Uint8Array(memory.buffer), floats: new Float32Array(memory.buffer) };
}

const modules = new Map<ModuleName, WebAssembly.Module>();

/** The compiled module. */
export function compiled(build: ModuleName): WebAssembly.Module {
  let module = modules.get(build);
  if (module === undefined) {
    const bytes = kernelBytes(build);
    if (!WebAssembly.validate(bytes)) setFlagsFromString("--experimental-wasm-relaxed-simd");
    module = new WebAssembly.Module(bytes);
    modules.set(build, module);
  }
  return module;
}

/** The bytes of a module, as the package ships them. */
export function kernelBytes(build: ModuleName): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`../../dist/assets/kernels.${build}.wasm`, import.meta.url)));
}

/** The builds that this host runs, the fastest last: simd and relaxed everywhere, vnni or dotprod where processor and V8 have it. */
export const runnableBuilds: readonly KernelBuild[] = [
  ...(["simd", "relaxed"] as const),
  ...(instantiate("vnni", 65536).kernels.dotIsUnsigned() === 1 ? (["vnni"] as const) : []),
  ...(instantiate("dotprod", 65536).kernels.dotIsSigned() === 1 ? (["dotprod"] as const) : []),
];
