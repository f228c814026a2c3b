// The language model of Qwen3-VL's mixtures of experts (Qwen Team 2025): Qwen3-MoE's forward pass, with Qwen3-VL's RoPE.

import type { Architecture } from "./architecture.js";
import { readSectioned } from "./qwen2vl.js";
import { qwen3Moe } from "./qwen3moe.js";

export const qwen3VlMoe: Architecture = {
  ...qwen3Moe,
  hyperparameters(reader) {
    reader.ignore("n_deepstack_layers");
    return readSectioned(reader, { width: "expert_feed_forward_length", shared: false, normalised: true });
  },
};
