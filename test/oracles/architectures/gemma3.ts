import type { OracleCases } from "./case.js";

export const cases: OracleCases = {
  windows: {
    keys: { "attention.sliding_window": 9, "rope.freq_base": 1e6 },
    bar: 1e-3, // llama.cpp takes GELU from a table in f16
  },
  // Scores are divided by the root of 64 / 4, and not by that of 32.
  "27B": { keys: { block_count: 62, "attention.sliding_window": 9 }, bar: 1e-3 },
};
