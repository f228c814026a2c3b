import type { OracleCases } from "./case.js";

export const cases: OracleCases = {
  "RoPE in sections, deepstack, and experts": {
    keys: {
      "rope.dimension_sections": [6, 5, 5, 0],
      "rope.freq_base": 1e4,
      n_deepstack_layers: 3,
      expert_count: 6,
      expert_used_count: 2,
      expert_feed_forward_length: 64,
    },
  },
};
