// Shared memory: whether this host has it, and how a model gets it.

import { UnsupportedError } from "../../errors.js";
import { allocateMemory, WASM_PAGE } from "../../machine/shared-memory.js";
import type { MemoryPlan } from "../../model/plan/memory-plan.js";

/** In a browser, only cross-origin isolated pages have shared memory. */
export function checkIsolation(): void {
  if (globalThis.crossOriginIsolated !== false) return;
  throw new UnsupportedError(
    "UNSUPPORTED_HOST",
    "this page is not cross-origin isolated, so it has no shared memory; serve it with Cross-Origin-Opener-Policy: same-origin " +
      "and Cross-Origin-Embedder-Policy: require-corp",
  );
}

/** WebAssembly is little endian, and so are files: numbers pass between both and JavaScript as they lie in memory. */
export function checkByteOrder(bytesOfOne = new Uint8Array(Uint32Array.of(1).buffer)): void {
  if (bytesOfOne[0] === 1) return;
  throw new UnsupportedError("BIG_ENDIAN", "this host's processor is big endian; cria runs on little endian ones");
}

/** Allocates the memories of a plan, all of them at once: they never grow. @throws MemoryError MEMORY_REFUSED */
export function allocate(plan: MemoryPlan): WebAssembly.Memory[] {
  const { weights, kvCache, activations, scratch } = plan;
  const what = `a model (weights ${weights} + KV cache ${kvCache} + activations ${activations} + scratch ${scratch})`;
  return plan.shards.map(({ total }) => allocateMemory(total / WASM_PAGE, what));
}
