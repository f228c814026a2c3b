// The language models of Ministral 3 and Devstral Small 2 (Mistral AI 2025): Llama's forward pass, with yarn, whose magnitude
// `rope.scaling.yarn_log_multiplier` takes out again, and with a q that grows with its position: by 1 + scale * ln(1 + floor(p / n)), n the
// context before yarn (Llama 4's temperature).

import { type Hyperparameters, LARGEST, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Architecture } from "./architecture.js";
import { llama } from "./llama.js";

function hyperparameters(reader: KeyReader): Hyperparameters {
  const common = readHyperparameters(reader, { ropePairs: "neighbours", norm: "rms" });
  const logMultiplier = reader.factor("rope.scaling.yarn_log_multiplier", 0);
  const ropes = common.ropes.map(({ scaling, ...rope }) => ({
    ...rope,
    scaling: scaling.type === "yarn" ? { ...scaling, logMultiplier } : scaling,
  }));
  const h = { ...common, ropes };
  const growth = reader.factor("attention.temperature_scale", 0);
  if (growth === 0) return h;
  const length = reader.integer("rope.scaling.original_context_length", h.context, 1, LARGEST.context);
  return { ...h, attention: h.attention.map((layer) => ({ ...layer, temperature: { length, growth } })) };
}

export const mistral3: Architecture = { ...llama, hyperparameters };
