import type { OracleCases } from "./case.js";

/** Heads of 16, so that all of them are as wide as the model, which llama.cpp expects here. */
const heads = { "attention.key_length": 16, "attention.value_length": 16, "rope.dimension_count": 16 };

export const cases: OracleCases = {
  "biases, and RoPE in sections": {
    keys: {
      ...heads,
      "rope.dimension_sections": [2, 3, 3, 0],
      "rope.freq_base": 1e4,
      "attention.layer_norm_rms_epsilon": 1e-12, // llama.cpp 0.5.0 does not read it for this architecture, and takes 0
    },
    has: (name) => /attn_[qkv]\.bias$/.test(name),
  },
};
