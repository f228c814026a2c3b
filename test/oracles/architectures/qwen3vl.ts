import type { OracleCases } from "./case.js";

export const cases: OracleCases = {
  "RoPE in sections, and deepstack": {
    keys: { "rope.dimension_sections": [6, 5, 5, 0], "rope.freq_base": 1e4, n_deepstack_layers: 3 },
  },
};
