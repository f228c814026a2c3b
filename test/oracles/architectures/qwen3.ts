import type { OracleCases } from "./case.js";

export const cases: OracleCases = {
  tied: {},
  "an output matrix": { has: (name) => name === "output.weight" },
};
