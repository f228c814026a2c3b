import { encoderKeys, type OracleCases } from "./case.js";

export const cases: OracleCases = {
  "mean, and heads that share k and v": {
    encoder: true,
    keys: { ...encoderKeys, "attention.head_count_kv": 2, "rope.freq_base": 250000, "rope.scaling.type": "none" },
    tokens: 150,
  },
  "the last token": { encoder: true, keys: { ...encoderKeys, pooling_type: 3, "rope.freq_base": 500 } },
};
