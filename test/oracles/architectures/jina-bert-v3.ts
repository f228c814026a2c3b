import { encoderKeys, type OracleCases } from "./case.js";

export const cases: OracleCases = {
  "mean, with biases": {
    encoder: true,
    keys: { ...encoderKeys, "rope.freq_base": 20000 },
    has: () => true,
    tokens: 150,
    bar: 1e-3, // llama.cpp takes GELU from a table in f16
  },
};
