import type { OracleCases } from "./case.js";

// GELU of a table in f16.
const bar = 1e-3;

export const cases: OracleCases = {
  "limits and windows": {
    keys: { attn_logit_softcapping: 1.5, final_logit_softcapping: 2, "attention.sliding_window": 9 },
    bar,
  },
  "a window in two of three layers, with a base of its own": {
    keys: { "attention.sliding_window": 7, "attention.sliding_window_pattern": 3, "rope.freq_base_swa": 30 },
    bar,
  },
  // Scores are divided by the root of 64 / 4, and not by that of 32. What the table rounds adds up over 46 layers.
  "27B": { keys: { block_count: 46 }, bar: 4e-3 },
};
