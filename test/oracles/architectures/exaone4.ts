import type { OracleCases } from "./case.js";

// llama.cpp reads heads that are as wide together as the model, and windows in a model of 64 layers only.
const heads = { "attention.key_length": 16, "attention.value_length": 16, "rope.dimension_count": 16 };
const layers = { block_count: 64, feed_forward_length: 32 };

export const cases: OracleCases = {
  "1.2B": { keys: heads },
  "32B": {
    keys: { ...heads, ...layers, "attention.sliding_window": 9 },
    has: (name) => name === "output.weight",
  },
  "32B with a list of layers": {
    keys: {
      ...{ ...heads, ...layers, "attention.sliding_window": 5 },
      "attention.sliding_window_pattern": Array.from({ length: 64 }, (_, layer) => layer % 3 !== 1),
    },
  },
};
