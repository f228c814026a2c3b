// The language model of Qwen3-VL (Qwen Team 2025): Qwen3's forward pass, with RoPE in sections as in Qwen2-VL, which take turns from pair
// to pair. Layers 0 .. n_deepstack_layers - 1 add what the picture's encoder says of a token; a token of a text has nothing to add.
//
// The sections of 24, 20 and 20 pairs take turns for 60 pairs. Of the last four, the original gives all to the first section, llama.cpp two
// to a fourth one, in which the position of a text's token is always 0. This is the original's reading.

import type { Architecture } from "./architecture.js";
import { readSectioned } from "./qwen2vl.js";
import { qwen3 } from "./qwen3.js";

export const qwen3Vl: Architecture = {
  ...qwen3,
  hyperparameters(reader) {
    reader.ignore("n_deepstack_layers");
    return readSectioned(reader);
  },
};
