import type { OracleCases } from "./case.js";

const half = { embedding_length: 128, "rope.dimension_count": 16 };

export const cases: OracleCases = {
  "half of each head rotated": { keys: half },
  "biases and an output matrix of its own": {
    keys: half,
    has: (name) => name === "output.weight" || /attn_[qkv]\.bias/.test(name),
  },
};
