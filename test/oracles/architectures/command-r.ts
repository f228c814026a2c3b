import type { OracleCases } from "./case.js";

// llama.cpp reads heads that are as wide together as the model, and norms of heads in models of 64 layers and more.
const heads = { "attention.key_length": 16, "attention.value_length": 16, "rope.dimension_count": 16 };
const keys = { ...heads, "rope.scaling.type": "none", logit_scale: 0.0625 };

export const cases: OracleCases = {
  "Command R": { keys },
  "without a scale": { keys: heads },
  "Command R+": {
    keys: { ...keys, block_count: 64, feed_forward_length: 32 },
    has: (name) => /attn_[qk]_norm/.test(name),
  },
};
