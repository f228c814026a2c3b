// The host: whether it is one that a model runs on, and how a model gets its memory.

import { UnsupportedError } from "../../errors.js";
import { allocateMemory, WASM_PAGE } from "../../machine/shared-memory.js";
import type { Layout, MemoryPlan } from "../../model/plan/memory-plan.js";
import { sharesMemory } from "../../sharing.js";

/** WebAssembly is little endian, and so are files: numbers pass between both and JavaScript as they lie in memory. */
export function checkByteOrder(bytesOfOne = new Uint8Array(Uint32Array.of(1).buffer)): void {
  if (bytesOfOne[0] === 1) return;
  throw new UnsupportedError("BIG_ENDIAN", "this host's processor is big endian; cria runs on little endian ones");
}

/** Older ones lack parts of the language, each of which would fail somewhere else. Pages have no Node, Bun and Deno say which they are like. */
export function checkNode(version = typeof process === "undefined" ? undefined : process.versions?.node): void {
  if (version === undefined || Number.parseInt(version, 10) >= OLDEST_NODE) return;
  throw new UnsupportedError("UNSUPPORTED_HOST", `cria needs Node ${OLDEST_NODE} or later; this is Node ${version}`);
}

const OLDEST_NODE = 20;

/**
 * Allocates the memories of a plan, all of them at once: they never grow. Where threads share none, the worker does so, and this says how
 * many pages each has.
 *
 * @throws MemoryError MEMORY_REFUSED
 */
export function allocate(plan: MemoryPlan): readonly (WebAssembly.Memory | number)[] {
  const { weights, kvCache, activations, scratch } = plan;
  const what = `a model (weights ${weights} + KV cache ${kvCache} + activations ${activations} + scratch ${scratch})`;
  const pages = plan.shards.map(({ total }) => total / WASM_PAGE);
  return sharesMemory() ? pages.map((count) => allocateMemory(count, what)) : pages;
}

/** The memory of which the caller's thread sees the beginning, up to the step: the first of a model, or one for a copy of that. */
export function boardMemory([first]: readonly (WebAssembly.Memory | number)[], { step }: Layout): WebAssembly.Memory {
  return typeof first === "object"
    ? first
    : allocateMemory(Math.ceil(step / WASM_PAGE), "a copy of the worker's words");
}
