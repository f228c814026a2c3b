import type { OracleCases } from "./case.js";

export const cases: OracleCases = {
  "norms after RoPE": {},
};
