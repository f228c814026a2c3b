// What `model.info` says about a loaded model.

import type { Gguf } from "../../gguf/index.js";
import { defaultPooling } from "../../protocol/pooling.js";
import type { ModelInfo } from "../model-info.js";
import { familyOf } from "../vectors/purposes.js";
import type { PlannedModel } from "./plan-model.js";

/** What is known once the team runs. */
type Started = Pick<ModelInfo, "kernels" | "pinning" | "hugePageBytes">;

export function describe(gguf: Gguf, planned: PlannedModel, started: Started): ModelInfo {
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
      pooling: defaultPooling(gguf.metadata.getNumber(`${h.architecture}.pooling_type`)),
      family: familyOf(name, h.architecture),
    },
    threads: workers.threads,
    threadsBatch: workers.threadsBatch,
    threadsReason: workers.reason,
    memory: plan,
    ...started,
  };
}
