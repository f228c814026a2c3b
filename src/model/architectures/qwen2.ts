// Qwen2 and Qwen2.5 (Yang et al. 2024): Llama's forward pass, with biases on q, k and v, and with RoPE on the halves of a head.

import { readHyperparameters } from "../hyperparameters.js";
import type { Architecture } from "./architecture.js";
import { llama } from "./llama.js";

export const qwen2: Architecture = {
  ...llama,
  hyperparameters: (reader) => readHyperparameters(reader, { ropePairs: "halves", norm: "rms" }),
};
