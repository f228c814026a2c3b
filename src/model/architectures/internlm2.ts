// InternLM2 and InternLM2.5 (Cai et al. 2024): Llama's forward pass. The converter has taken its one matrix for q, k and v apart.

import { readHyperparameters } from "../hyperparameters.js";
import type { Architecture } from "./architecture.js";
import { llama } from "./llama.js";

export const internLm2: Architecture = {
  ...llama,
  hyperparameters: (reader) => readHyperparameters(reader, { ropePairs: "neighbours", norm: "rms" }),
};
