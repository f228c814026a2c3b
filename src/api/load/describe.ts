// What `model.info` says about a loaded model.

import type { Gguf } from "../../gguf/index.js";
import { defaultPooling } from "../../protocol/pooling.js";
import type { Tokenizer } from "../../tokenizer/index.js";
import type { ModelInfo } from "../model-info.js";
import { familyOf } from "../vectors/purposes.js";
import type { PlannedModel } from "./plan-model.js";

/** What is known once the team runs. */
type Started = Pick<ModelInfo, "kernels" | "pinning" | "hugePageBytes">;

export function describe(gguf: Gguf, planned: PlannedModel, tokenizer: Tokenizer, started: Started): ModelInfo {
  const { hyperparameters: h, head, plan, contextSize, workers } = planned;
  let parameters = 0;
  const elements = new Map<string, number>();
  for (const tensor of gguf.tensors) {
    const count = tensor.shape.reduce((product, n) => product * n, 1);
    parameters += count;
    elements.set(tensor.type, (elements.get(tensor.type) ?? 0) + count);
  }
  const [format] = [...elements].reduce((most, one) => (one[1] > most[1] ? one : most));
  const name = gguf.metadata.getString("general.name");
  return {
    architecture: h.architecture,
    name,
    parameters,
    format,
    contextSize,
    trainedContextSize: h.context,
    vocabularySize: h.vocab,
    dim: h.dim,
    layers: h.layers,
    heads: h.heads,
    kvHeads: h.kvHeads,
    generates: h.causal,
    embedding: {
      dimensions: head.dimensions,
      reranks: head.scores > 0,
      pooling: defaultPooling(poolingTypeOf(gguf, h.architecture)),
      family: familyOf(name, h.architecture),
    },
    warnings: warningsOf(gguf, planned, tokenizer),
    threads: workers.threads,
    threadsBatch: workers.threadsBatch,
    threadsReason: workers.reason,
    memory: plan,
    ...started,
  };
}

/** All that was guessed about a model: of its shape, its tokenizer, and its vectors. */
export function warningsOf(gguf: Gguf, planned: PlannedModel, tokenizer: Tokenizer): readonly string[] {
  const { hyperparameters: h, head } = planned;
  const warnings = [...planned.warnings, ...tokenizer.warnings];
  // A model that generates text has no pooling of its own; one whose use is embeddings has.
  const type = poolingTypeOf(gguf, h.architecture);
  if (!h.causal && head.scores === 0 && (type === undefined || type === 0)) {
    const said = type === undefined ? "is missing" : "says none";
    warnings.push(
      `${h.architecture}.pooling_type ${said}: embeddings are the mean of all tokens unless told otherwise`,
    );
  }
  return warnings;
}

function poolingTypeOf(gguf: Gguf, architecture: string): number | undefined {
  return gguf.metadata.getNumber(`${architecture}.pooling_type`);
}
