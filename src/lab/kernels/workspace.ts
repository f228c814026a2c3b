// One kernel's memory: everything that it reads and writes lies in a shared memory of its own, just large enough.

import { MemoryError } from "../../errors.js";
import { instantiateKernels, type KernelModule, type Kernels } from "../../machine/kernels.js";
import { allocateMemory, LARGEST_MEMORY, WASM_PAGE } from "../../machine/shared-memory.js";

const CACHE_LINE = 64;

/** A shared memory in which every buffer has a name. */
export interface Workspace<Name extends string> {
  /** The kernels over this memory. */
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  /** Byte offset of each buffer, a multiple of 64. */
  readonly at: Readonly<Record<Name, number>>;
}

/** Allocates zeroed buffers, `sizes` in bytes. @throws MemoryError when they do not fit into one WebAssembly memory */
export function openWorkspace<Name extends string>(
  { module, wide }: Pick<KernelModule, "module" | "wide">,
  sizes: Readonly<Record<Name, number>>,
): Workspace<Name> {
  const at = {} as Record<Name, number>;
  let end = CACHE_LINE; // address 0 stays unused
  for (const name of Object.keys(sizes) as Name[]) {
    at[name] = end;
    end += Math.ceil(sizes[name] / CACHE_LINE) * CACHE_LINE;
  }
  const pages = Math.ceil(end / WASM_PAGE);
  const parts = Object.entries<number>(sizes).map(([name, bytes]) => `${name} ${bytes}`);
  if (pages * WASM_PAGE > LARGEST_MEMORY) {
    throw new MemoryError(
      "MEMORY_PLAN",
      `${parts.join(" + ")} = ${end} bytes; one WebAssembly memory holds ${LARGEST_MEMORY}`,
    );
  }
  const memory = allocateMemory(pages, `a kernel's buffers (${parts.join(" + ")})`);
  return { kernels: instantiateKernels(module, memory, wide), memory, at };
}
