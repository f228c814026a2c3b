import { encoderKeys, type OracleCases } from "./case.js";

const keys = { ...encoderKeys, expert_count: 6, expert_used_count: 2 };

export const cases: OracleCases = {
  "experts in every second layer": {
    encoder: true,
    keys: { ...keys, moe_every_n_layers: 2 },
    has: () => true,
    bar: 1e-3, // llama.cpp takes GELU from a table in f16
  },
  "experts in one layer of three": {
    encoder: true,
    keys: { ...keys, block_count: 5, moe_every_n_layers: 3, expert_used_count: 3 },
    bar: 1e-3,
  },
};
