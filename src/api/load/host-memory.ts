// Shared memory: whether this host has it, and how a model gets it.

import { MemoryError, UnsupportedError } from "../../errors.js";
import { WASM_PAGE } from "../../machine/shared-memory.js";
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

/** Allocates the memories of a plan, all of them at once: they never grow. @throws MemoryError MEMORY_REFUSED */
export function allocate(plan: MemoryPlan): WebAssembly.Memory[] {
  try {
    return plan.shards.map(({ total }) => {
      const pages = total / WASM_PAGE;
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    });
  } catch (cause) {
    throw new MemoryError(
      "MEMORY_REFUSED",
      `the host refused ${plan.total} bytes of shared memory (weights ${plan.weights} + KV cache ${plan.kvCache} + activations ` +
        `${plan.activations} + scratch ${plan.scratch}); an address space limit (ulimit -v) is a common cause`,
      { cause },
    );
  }
}
