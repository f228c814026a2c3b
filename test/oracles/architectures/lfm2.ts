import type { OracleCases } from "./case.js";

const heads = { "attention.key_length": 16, "attention.value_length": 16, "rope.dimension_count": 16 };

export const cases: OracleCases = {
  "convolutions and attention": {
    keys: { ...heads, "attention.head_count_kv": [0, 2, 0, 2], "shortconv.l_cache": 3, "rope.freq_base": 1e6 },
  },
  "an output matrix, and a first layer that attends": {
    keys: { ...heads, "attention.head_count_kv": [4, 0, 0, 2], "shortconv.l_cache": 4 },
    has: (name) => name === "output.weight",
  },
};
