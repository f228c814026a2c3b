import type { OracleCases } from "./case.js";

const windows = {
  "attention.key_length": 64,
  "attention.value_length": 64,
  "attention.key_length_swa": 32,
  "attention.value_length_swa": 32,
  "rope.dimension_count": 64,
  "rope.dimension_count_swa": 32,
  "rope.freq_base": 1e6,
  "rope.freq_base_swa": 500,
  "attention.sliding_window": 9,
};

export const cases: OracleCases = {
  // E2B and E4B: the last two layers read the keys of layers 3 and 4, and are twice as wide.
  "vectors for every layer, and shared keys": {
    keys: {
      ...windows,
      block_count: 7,
      "attention.sliding_window_pattern": [true, true, false, true, false, true, false],
      "attention.shared_kv_layers": 2,
      embedding_length_per_layer_input: 32,
      feed_forward_length: [96, 96, 96, 96, 96, 192, 192],
      final_logit_softcapping: 5,
    },
    has: (name) => /attn_v|layer_output_scale/.test(name),
    bar: 1e-3, // llama.cpp takes GELU from a table in f16
  },
  // 12B: layers that see everything have fewer KV heads and no matrix of v.
  "keys as values": {
    keys: {
      ...windows,
      block_count: 4,
      "attention.head_count_kv": [2, 2, 1, 2],
      "attention.sliding_window_pattern": [true, true, false, true],
      embedding_length_per_layer_input: 0,
    },
    has: (name) => /blk\.[013]\.attn_v|layer_output_scale/.test(name),
    bar: 1e-3, // llama.cpp takes GELU from a table in f16
  },
};
