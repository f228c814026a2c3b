import type { OracleCases } from "./case.js";

// llama.cpp reads heads that are as wide together as the model, and an output matrix.
const heads = { "attention.key_length": 16, "attention.value_length": 16, "rope.dimension_count": 16 };
const has = (name: string) => name === "output.weight";

const windows = {
  ...heads,
  "rope.freq_base": 500000,
  "rope.scaling.type": "yarn",
  "rope.scaling.factor": 8,
  "rope.scaling.original_context_length": 32,
  "rope.scaling.yarn_attn_factor": 1.2079441541679836,
  "attention.sliding_window": 9,
};

export const cases: OracleCases = {
  "OLMo 2": { keys: heads, has },
  "OLMo 3": { keys: { ...windows, "attention.sliding_window_pattern": [true, true, true, false] }, has },
  "OLMo 3, whose layers take turns": { keys: windows, has },
};
