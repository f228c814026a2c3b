import type { OracleCases } from "./case.js";

const yarn = {
  "rope.freq_base": 1e6,
  "rope.scaling.type": "yarn",
  "rope.scaling.factor": 16,
  "rope.scaling.original_context_length": 12,
  "rope.scaling.yarn_beta_fast": 0.75,
  "rope.scaling.yarn_beta_slow": 0.05,
};

export const cases: OracleCases = {
  "yarn without its magnitude, and a temperature": {
    keys: { ...yarn, "rope.scaling.yarn_log_multiplier": 1, "attention.temperature_scale": 0.5 },
  },
  "yarn without half of its magnitude": { keys: { ...yarn, "rope.scaling.yarn_log_multiplier": 0.5 } },
  "neither yarn nor a temperature, biases": { has: (name) => /attn_\w+\.bias$|^output\.weight$/.test(name) },
};
