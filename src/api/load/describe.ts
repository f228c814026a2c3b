// What `model.info` says about a loaded model.

import type { Gguf } from "../../gguf/index.js";
import type { HeadShape } from "../../model/head.js";
import type { Lora } from "../../model/plan/lora.js";
import type { PlacedWeight } from "../../model/plan/memory-plan.js";
import { defaultPooling, type Pooling } from "../../protocol/pooling.js";
import type { Tokenizer } from "../../tokenizer/index.js";
import type { DraftInfo, LoraInfo, ModelInfo, QuantizedInfo } from "../model-info.js";
import { familyOf } from "../vectors/purposes.js";
import { pairFormatOf } from "../vectors/reranking.js";
import type { PlannedModel } from "./plan-model.js";

/** What is known once the team runs. */
type Started = Pick<ModelInfo, "kernels" | "kernelsProblem" | "pinning" | "hugePageBytes" | "tuned" | "draft">;

export function describe(
  gguf: Gguf,
  planned: PlannedModel,
  loras: readonly Lora[],
  tokenizer: Tokenizer,
  started: Started,
): ModelInfo {
  const { hyperparameters: h, head, plan, contextSize, workers } = planned;
  const { parameters, format } = weightsOf(gguf);
  const name = gguf.metadata.getString("general.name");
  return {
    architecture: h.architecture,
    name,
    parameters,
    format,
    quantized: quantizedInfo(planned),
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
      pooling: poolingOf(gguf, h.architecture, head),
      family: familyOf(name, h.architecture),
      pairTemplate: pairFormatOf(gguf.metadata, head).template,
    },
    lora: loras.map(loraInfo),
    warnings: warningsOf(gguf, planned, tokenizer),
    threads: workers.threads,
    threadsBatch: workers.threadsBatch,
    threadsReason: workers.reason,
    memory: plan,
    ...started,
  };
}

/** How many weights a model has, and the format of most of them. */
function weightsOf(gguf: Gguf): { readonly parameters: number; readonly format: string } {
  let parameters = 0;
  const elements = new Map<string, number>();
  for (const tensor of gguf.tensors) {
    const count = tensor.shape.reduce((product, n) => product * n, 1);
    parameters += count;
    elements.set(tensor.type, (elements.get(tensor.type) ?? 0) + count);
  }
  const [format] = [...elements].reduce((most, one) => (one[1] > most[1] ? one : most));
  return { parameters, format };
}

/** What `model.info` says about a draft model. */
export function draftInfo(gguf: Gguf, { hyperparameters, plan }: PlannedModel): DraftInfo {
  return {
    file: gguf.parts[0]!.name,
    name: gguf.metadata.getString("general.name"),
    architecture: hyperparameters.architecture,
    ...weightsOf(gguf),
    memory: plan,
  };
}

function loraInfo({ gguf, scale }: Lora): LoraInfo {
  return { file: gguf.parts[0]!.name, name: gguf.metadata.getString("general.name"), scale };
}

/** What was encoded anew, if that was asked for. */
export function quantizedInfo({ quantize, layout }: PlannedModel): QuantizedInfo | undefined {
  if (quantize === undefined) return undefined;
  const encoded = layout.weights.filter(({ encodedFrom }) => encodedFrom !== undefined);
  const total = (bytes: (weight: PlacedWeight) => number) => encoded.reduce((sum, one) => sum + bytes(one), 0);
  return {
    format: quantize,
    tensors: encoded.length,
    fileBytes: total(({ rows, encodedFrom }) => rows * encodedFrom!.rowBytes),
    bytes: total(({ bytes }) => bytes),
  };
}

/** The file's pooling. Of a model that ranks by its answers, without saying so: rank. */
function poolingOf(gguf: Gguf, architecture: string, { gathered }: HeadShape): Exclude<Pooling, "none"> {
  const type = poolingTypeOf(gguf, architecture);
  return gathered && type === undefined ? "rank" : defaultPooling(type);
}

/** All that was guessed about a model: of its shape, its tokenizer, and its vectors. */
export function warningsOf(gguf: Gguf, planned: PlannedModel, tokenizer: Tokenizer): readonly string[] {
  const { hyperparameters: h, head } = planned;
  const warnings = [...planned.warnings, ...tokenizer.warnings];
  if (head.gathered) {
    warnings.push(
      'cls.output.weight is missing: scores are made of the rows for "yes" and "no" of the output matrix, as in Qwen3-Reranker',
    );
  }
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
