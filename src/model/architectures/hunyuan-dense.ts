// Hunyuan dense (Tencent 2025): like Qwen3, but heads of q and k are normalised after RoPE, not before. The converter has put the factor of
// its long contexts into the base of RoPE.

import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Architecture } from "./architecture.js";
import { qwen3 } from "./qwen3.js";

function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "rms" });
  return { ...h, attention: h.attention.map((layer) => ({ ...layer, normsAfterRope: true })) };
}

export const hunyuanDense: Architecture = { ...qwen3, hyperparameters };
