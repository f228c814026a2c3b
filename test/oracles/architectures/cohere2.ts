import type { OracleCases } from "./case.js";

// llama.cpp reads heads that are as wide together as the model.
const heads = { "attention.key_length": 16, "attention.value_length": 16, "rope.dimension_count": 16 };
const keys = { ...heads, "rope.scaling.type": "none", logit_scale: 0.25, "attention.sliding_window": 9 };

export const cases: OracleCases = {
  "Command R7B": { keys },
  "a list of layers": { keys: { ...keys, "attention.sliding_window_pattern": [false, true, true, false] } },
};
