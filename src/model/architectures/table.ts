// The architectures that the engine runs: one row each, one file each.

import { printable, UnsupportedError } from "../../errors.js";
import type { Gguf } from "../../gguf/index.js";
import { families } from "../families.js";
import type { Hyperparameters } from "../hyperparameters.js";
import { KeyReader } from "../key-reader.js";
import { checkUnreadKeys } from "../unread-keys.js";
import type { Architecture } from "./architecture.js";
import { bert } from "./bert.js";
import { cohere2 } from "./cohere2.js";
import { commandR } from "./command-r.js";
import { euroBert } from "./eurobert.js";
import { exaone4 } from "./exaone4.js";
import { gemmaEmbedding } from "./gemma-embedding.js";
import { gemma2 } from "./gemma2.js";
import { gemma3 } from "./gemma3.js";
import { gemma4 } from "./gemma4.js";
import { glm4 } from "./glm4.js";
import { gptOss } from "./gpt-oss.js";
import { granite } from "./granite.js";
import { hunyuanDense } from "./hunyuan-dense.js";
import { internLm2 } from "./internlm2.js";
import { jinaBertV2 } from "./jina-bert-v2.js";
import { jinaBertV3 } from "./jina-bert-v3.js";
import { lfm2 } from "./lfm2.js";
import { llama } from "./llama.js";
import { mistral3 } from "./mistral3.js";
import { modernBert } from "./modern-bert.js";
import { nomicBert } from "./nomic-bert.js";
import { nomicBertMoe } from "./nomic-bert-moe.js";
import { olmo2 } from "./olmo2.js";
import { phi3 } from "./phi3.js";
import { qwen2 } from "./qwen2.js";
import { qwen2Moe } from "./qwen2moe.js";
import { qwen2Vl } from "./qwen2vl.js";
import { qwen3 } from "./qwen3.js";
import { qwen3Moe } from "./qwen3moe.js";
import { qwen3Next } from "./qwen3next.js";
import { qwen3Vl } from "./qwen3vl.js";
import { qwen3VlMoe } from "./qwen3vlmoe.js";
import { qwen35 } from "./qwen35.js";
import { qwen35Moe } from "./qwen35moe.js";
import { smolLm3 } from "./smollm3.js";

const architectures: Readonly<Record<string, Architecture>> = {
  llama,
  qwen2,
  qwen2moe: qwen2Moe,
  qwen2vl: qwen2Vl,
  qwen3,
  qwen3moe: qwen3Moe,
  qwen3vl: qwen3Vl,
  qwen3vlmoe: qwen3VlMoe,
  qwen3next: qwen3Next,
  qwen35,
  qwen35moe: qwen35Moe,
  smollm3: smolLm3,
  granite,
  "hunyuan-dense": hunyuanDense,
  internlm2: internLm2,
  mistral3,
  "gpt-oss": gptOss,
  gemma2,
  gemma3,
  gemma4,
  olmo2,
  lfm2,
  exaone4,
  "command-r": commandR,
  cohere2,
  phi3,
  glm4,
  bert,
  "nomic-bert": nomicBert,
  "nomic-bert-moe": nomicBertMoe,
  "jina-bert-v2": jinaBertV2,
  "jina-bert-v3": jinaBertV3,
  "modern-bert": modernBert,
  eurobert: euroBert,
  "gemma-embedding": gemmaEmbedding,
};

/** The names of all. */
export const architectureNames: readonly string[] = Object.keys(architectures);

/** The architecture of this name, from `general.architecture`. */
export function architectureOf(name: string): Architecture {
  return architectures[name]!;
}

/** A model's numbers, and what the file does not say: a sentence each. */
export interface ModelReading {
  readonly hyperparameters: Hyperparameters;
  readonly warnings: readonly string[];
}

/**
 * Reads what kind of model a file holds.
 * @throws UnsupportedError for an architecture without a row here, or with a key that changes it and is not applied
 */
export function readModel(gguf: Gguf): ModelReading {
  if (gguf.metadata.getString("general.type") === "adapter") {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      "the file is an adapter, not a model: load the model that it was made for, with the option lora",
    );
  }
  const name = gguf.metadata.getString("general.architecture");
  if (name === undefined || !Object.hasOwn(architectures, name)) {
    const type = gguf.metadata.getString("general.type");
    const kind = type !== undefined && type !== "model" ? ` (a file of type "${printable(type)}")` : "";
    const family = families.find(
      ({ architectures, missing }) => missing !== undefined && architectures.includes(`${name}`),
    );
    const reason = family === undefined ? "" : ` (${family.name}): ${family.missing}`;
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `architecture "${printable(name ?? "(none)")}"${kind}${reason}; supported: ${architectureNames.join(", ")}`,
    );
  }
  const reader = new KeyReader(gguf, name);
  const hyperparameters = architectureOf(name).hyperparameters(reader);
  const unknown = checkUnreadKeys(reader, hyperparameters);
  return { hyperparameters, warnings: [...reader.warnings, ...unknown] };
}
