import type { OracleCases } from "./case.js";

export const cases: OracleCases = {
  mean: {
    encoder: true,
    keys: {
      "attention.causal": false,
      "attention.head_count_kv": 4,
      "attention.key_length": 16,
      "attention.value_length": 16,
      "rope.dimension_count": 16,
      pooling_type: 1,
    },
    has: (name) => !name.startsWith("cls"),
    bar: 1e-3, // llama.cpp takes GELU from a table in f16
  },
};
