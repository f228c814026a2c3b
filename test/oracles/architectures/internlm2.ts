import type { OracleCases } from "./case.js";

export const cases: OracleCases = {
  "an output matrix": {
    keys: { "attention.key_length": 16, "attention.value_length": 16, "rope.dimension_count": 16 },
    has: (name) => name === "output.weight",
  },
};
