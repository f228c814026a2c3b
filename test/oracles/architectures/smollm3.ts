import type { OracleCases } from "./case.js";

export const cases: OracleCases = {
  "5 layers, of which the fourth does not rotate": { keys: { block_count: 5, "rope.freq_base": 1e4 } },
};
