import type { OracleCases } from "./case.js";

const scales = { embedding_scale: 12, residual_scale: 0.22, "attention.scale": 0.3, logit_scale: 6 };

export const cases: OracleCases = {
  "four scales": { keys: { ...scales, "rope.freq_base": 1e4 } },
  "no RoPE, biases and an output matrix": {
    keys: { ...scales, "rope.scaling.finetuned": false },
    has: (name) => /attn_\w+\.bias$|^output\.weight$/.test(name),
  },
};
