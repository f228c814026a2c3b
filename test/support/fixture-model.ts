// Small models of random weights, made in memory: any shape, any mix of formats, any of the variants that a file can ask for. They say
// nothing, but every part of the forward pass shows in their logits.

import type { GenerateOptions, Model } from "cria";
import { GgufWriter, openGguf, type TensorTypeName, tensorTypeByName } from "cria/gguf";
import { randomBlocks } from "../../bench/synthetic/blocks.js";
import { setVocabulary } from "../../bench/synthetic/vocabulary.js";
import { type ReferenceModel, readReferenceModel } from "./reference/forward.js";
import { randomStream } from "./seed.js";

export interface FixtureShape {
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Default dim / heads. */
  readonly headDim?: number;
  readonly ffn: number;
  /** At least 512. */
  readonly vocab: number;
  /** Ids that have a token. Default: all rows of the embedding. */
  readonly tokens?: number;
  /** The format of a matrix, by its name without `.weight`. */
  readonly format: (name: string) => TensorTypeName;
  /** Whether the embedding is the output matrix too. Default true. */
  readonly tied?: boolean;
  /** Biases on q, k, v and the attention's output. Default none. */
  readonly biases?: boolean;
  /** `rope_freqs.weight` */
  readonly ropeFactors?: readonly number[];
  /** Default llama. */
  readonly architecture?: "llama" | "qwen3";
  /** More keys of the architecture, by their names; numbers that are not integers are float32. */
  readonly keys?: Readonly<Record<string, number | string>>;
  /** More keys of the file. */
  readonly metadata?: Readonly<Record<string, string | boolean>>;
  /** More tensors, F32: columns, rows, and values. */
  readonly tensors?: Readonly<Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>>;
}

/** A model file. The same shape gives the same file in one run. */
export async function fixtureModel(shape: FixtureShape): Promise<Uint8Array<ArrayBuffer>> {
  const { dim, layers, heads, kvHeads, headDim = dim / heads, ffn, vocab, tied = true, biases = false } = shape;
  const { architecture = "llama" } = shape;
  const writer = new GgufWriter().set("general.architecture", "string", architecture);
  setVocabulary(writer, shape.tokens ?? vocab);
  for (const [key, value] of Object.entries(shape.metadata ?? {})) {
    if (typeof value === "string") writer.set(key, "string", value);
    else writer.set(key, "bool", value);
  }
  const keys: Record<string, number | string> = {
    block_count: layers,
    context_length: 1024,
    embedding_length: dim,
    feed_forward_length: ffn,
    "attention.head_count": heads,
    "attention.head_count_kv": kvHeads,
    "attention.key_length": headDim,
    "attention.value_length": headDim,
    "rope.dimension_count": headDim,
    ...shape.keys,
  };
  for (const [key, value] of Object.entries(keys)) {
    if (typeof value === "string") writer.set(`${architecture}.${key}`, "string", value);
    else writer.set(`${architecture}.${key}`, Number.isInteger(value) ? "uint32" : "float32", value);
  }
  writer.set(`${architecture}.attention.layer_norm_rms_epsilon`, "float32", 1e-5);

  const random = randomStream(1);
  const data = new Map<string, Uint8Array>();
  const add = (name: string, type: TensorTypeName, dimensions: readonly number[], bytes: Uint8Array) => {
    writer.addTensor(name, type, dimensions);
    data.set(name, bytes);
  };
  const matrix = (name: string, rows: number, columns: number) => {
    const type = shape.format(name);
    const blocks = (rows * columns) / tensorTypeByName(type)!.blockSize;
    add(`${name}.weight`, type, [columns, rows], randomBlocks(type, blocks, random));
  };
  const vector = (name: string, count: number, value: (_: undefined, i: number) => number) => {
    add(name, "F32", [count], new Uint8Array(Float32Array.from({ length: count }, value).buffer));
  };
  // Random weights have a deviation of 0.02: what is multiplied by `gain` first keeps its size, so that attention has peaks.
  const gain = 50 / Math.sqrt(dim);
  const norm = (name: string, size = dim) => vector(`${name}.weight`, size, () => gain * (1 + 0.1 * random.normal()));
  const bias = (name: string, count: number) => {
    if (biases) vector(`${name}.bias`, count, () => 0.5 * random.normal());
  };

  matrix("token_embd", vocab, dim);
  for (let layer = 0; layer < layers; layer++) {
    const blk = `blk.${layer}.`;
    norm(`${blk}attn_norm`);
    for (const [name, rows, columns] of [
      ["attn_q", heads * headDim, dim],
      ["attn_k", kvHeads * headDim, dim],
      ["attn_v", kvHeads * headDim, dim],
      ["attn_output", dim, heads * headDim],
    ] as const) {
      matrix(blk + name, rows, columns);
      bias(blk + name, rows);
    }
    if (architecture === "qwen3") for (const name of ["attn_q_norm", "attn_k_norm"]) norm(blk + name, headDim);
    norm(`${blk}ffn_norm`);
    matrix(`${blk}ffn_gate`, ffn, dim);
    matrix(`${blk}ffn_up`, ffn, dim);
    matrix(`${blk}ffn_down`, dim, ffn);
  }
  norm("output_norm");
  if (!tied) matrix("output", vocab, dim);
  const { ropeFactors } = shape;
  if (ropeFactors !== undefined) vector("rope_freqs.weight", ropeFactors.length, (_, i) => ropeFactors[i]!);
  for (const [name, tensor] of Object.entries(shape.tensors ?? {})) {
    add(name, "F32", tensor.shape, new Uint8Array(tensor.values.buffer));
  }
  return writer.toBytes(data);
}

/** The model as the scalar reference takes it. */
export async function referenceOf(file: Uint8Array<ArrayBuffer>): Promise<ReferenceModel> {
  const gguf = await openGguf(file);
  return readReferenceModel(gguf);
}

/** Options under which a generation does not end by itself, before `maxTokens`. */
export function endless(model: Model): GenerateOptions {
  return { logitBias: new Map([...model.tokenizer.endOfGenerationIds].map((id) => [id, Number.NEGATIVE_INFINITY])) };
}

/** `count` ids of a vocabulary, without a pattern; of another seed others. */
export function randomIds(count: number, vocab: number, seed = 1): number[] {
  const random = randomStream(seed);
  return Array.from({ length: count }, () => random.below(vocab));
}
