// What the KV cache comes in: assembly/kernels/kv_page.ts draws its pages.

import { KV_F16, KV_F32, KV_Q8_0 } from "#abi";
import { CriaError } from "../../errors.js";
import { checkChoice } from "../../options.js";

/** An element type of the KV cache. */
export type KvCacheName = keyof typeof kvKinds;

export const kvKinds = { f16: KV_F16, f32: KV_F32, q8_0: KV_Q8_0 } as const;

/** All element types of the KV cache. */
export const kvCaches: readonly KvCacheName[] = ["f16", "f32", "q8_0"];

/** @throws CriaError INVALID_OPTION for an unknown type, INVALID_SHAPE for heads that are not whole blocks of it */
export function checkKvCache(name: KvCacheName, headDim: number): KvCacheName {
  const kvCache = checkChoice("kvCache", name, kvCaches);
  const unit = kvCache === "q8_0" ? 32 : 4;
  if (headDim % unit === 0) return kvCache;
  throw new CriaError("INVALID_SHAPE", `headDim ${headDim} is no multiple of ${unit}, which ${kvCache} needs`);
}
