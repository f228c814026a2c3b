import { encoderKeys, type OracleCases } from "./case.js";

const keys = {
  ...encoderKeys,
  block_count: 6,
  "attention.sliding_window": 10,
  "rope.freq_base": 160000,
  "rope.freq_base_swa": 300,
};

export const cases: OracleCases = {
  "SwiGLU, every third layer sees everything": {
    encoder: true,
    keys: { ...keys, hidden_activation: "silu" },
    tokens: 150,
  },
  "GeGLU, and the first token": {
    encoder: true,
    keys: { ...keys, pooling_type: 2, "attention.sliding_window_pattern": 2 },
    bar: 1e-3, // llama.cpp takes GELU from a table in f16
  },
};
