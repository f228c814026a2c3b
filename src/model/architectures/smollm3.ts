// SmolLM3 (Hugging Face 2025): Llama's forward pass, but every fourth layer does not rotate q and k (Yang et al. 2025, "RNoPE").

import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Architecture } from "./architecture.js";
import { llama } from "./llama.js";

/** The common keys. Files have no key for the layers without RoPE. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "neighbours", norm: "rms" });
  return {
    ...h,
    attention: h.attention.map((rotated, layer) => (layer % 4 === 3 ? { ...rotated, rope: undefined } : rotated)),
  };
}

export const smolLm3: Architecture = { ...llama, hyperparameters };
