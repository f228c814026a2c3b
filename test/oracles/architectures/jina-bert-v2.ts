import { encoderKeys, type OracleCases } from "./case.js";

const { "rope.dimension_count": _, ...keys } = encoderKeys;

const common = { encoder: true, tokens: 150, bar: 1e-3 } as const; // llama.cpp takes GELU from a table in f16

export const cases: OracleCases = {
  "a gate, and biases": {
    ...common,
    keys,
    told: { "blk.0.ffn_gate.weight": [64, 96] },
    has: (name) => /token_types|attn_[qkv].bias|attn_output.bias/.test(name),
  },
  "gate and up in one matrix, norms of q and k, and a second norm; six heads": {
    ...common,
    keys: { ...keys, embedding_length: 96, "attention.head_count": 6, "attention.head_count_kv": 6 },
    told: { "blk.0.ffn_up.weight": [96, 192] },
    has: () => true,
  },
  "no gate": { ...common, keys, has: () => true },
};
