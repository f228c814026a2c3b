import type { OracleCases } from "./case.js";

/** q is as wide as x. */
const wide = { embedding_length: 128 };

const pairs = Array.from({ length: 12 }, (_, i) => i);
const longKeys = { ...wide, "rope.dimension_count": 24, "rope.scaling.attn_factor": 1.19 };
const vectors = {
  "rope_factors_long.weight": pairs.map((i) => 1 + i * i * 0.25),
  "rope_factors_short.weight": pairs.map((i) => 1 + i * 0.05),
};

export const cases: OracleCases = {
  "a window as long as the context": { keys: { ...wide, "attention.sliding_window": 256 } },
  "an output matrix of its own, and a part of each head rotated": {
    keys: { ...wide, "rope.dimension_count": 24 },
    has: (name) => name === "output.weight",
  },
  // llama.cpp's context has 256 positions, as ours has.
  "LongRoPE, longer than the original context": {
    keys: { ...longKeys, "rope.scaling.original_context_length": 128 },
    vectors,
  },
  "LongRoPE within the original context": {
    keys: { ...longKeys, "rope.scaling.original_context_length": 256 },
    vectors,
  },
  "a LoRA adapter on fused matrices": {
    keys: wide,
    lora: [{ rank: 6, alpha: 12, scale: 0.75, targets: (name) => /attn_qkv|ffn_up/.test(name) }],
  },
};
