// What the KV cache comes in: assembly/kernels/kv_page.ts draws its pages.

import { KV_F16, KV_F32, KV_Q8_0 } from "#abi";
import { checkChoice } from "../../options.js";
import { checkMultiple } from "./buffers.js";

/** An element type of the KV cache. */
export type KvCacheName = "f16" | "f32" | "q8_0";

export const kvKinds: Readonly<Record<KvCacheName, number>> = { f16: KV_F16, f32: KV_F32, q8_0: KV_Q8_0 };

/** All element types of the KV cache. */
export const kvCaches = Object.keys(kvKinds) as readonly KvCacheName[];

/** Numbers of one position that have a scale in common. */
export const Q8_0_BLOCK = 32;

/** @throws CriaError INVALID_OPTION for an unknown type, INVALID_SHAPE for heads that are not whole blocks of it */
export function checkKvCache(name: KvCacheName, headDim: number): KvCacheName {
  const kvCache = checkChoice("kvCache", name, kvCaches);
  checkMultiple("headDim", headDim, kvCache === "q8_0" ? Q8_0_BLOCK : 4, ` with a cache of ${kvCache}`);
  return kvCache;
}
