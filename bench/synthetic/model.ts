// Makes a GGUF model of random weights in the shape of a real one: as fast and as large as the real one, and its logits are
// finite and differ, but it says nothing. Weights are slices at random places of one pool of random blocks per type, so a file
// is written about as fast as the disk takes it.

import { GgufWriter, type TensorTypeName, tensorTypeByName } from "cria/gguf";
import { quantizedType } from "cria/quantize";
import { randomBlocks } from "./blocks.js";
import { Random } from "./random.js";
import { type Format, mixtureOf, type Shape, type ShapeName, shapes } from "./shapes.js";
import { setVocabulary } from "./vocabulary.js";

const POOL_BYTES = 8 * 2 ** 20;
const SLICE_BYTES = 2 ** 18;
// In every so many bytes, one block is exchanged for another: a model has many times the rows that a pool has, and two equal
// rows would be two tokens with the same logit.
const EXCHANGE_BYTES = 512;

export interface SyntheticModel {
  readonly shape: ShapeName;
  readonly format: Format;
  /** The same seed gives the same file. */
  readonly seed: number;
}

/** Writes the model to `path`, and returns the file's size in bytes. */
export async function writeSyntheticModel({ shape, format, seed }: SyntheticModel, path: string): Promise<number> {
  const writer = describeModel(shape, format);
  const random = new Random(seed);
  const pools = new Map<TensorTypeName, Uint8Array>();
  await writer.writeFile(path, ({ name, type, bytes }) => {
    if (name === "rope_freqs.weight") return ropeFrequencies(shapes[shape]);
    if (name.endsWith("norm.weight")) return normWeights(bytes / 4, random);
    let pool = pools.get(type);
    if (pool === undefined) {
      pool = randomBlocks(type, Math.floor(POOL_BYTES / tensorTypeByName(type)!.blockBytes), random);
      pools.set(type, pool);
    }
    return slices(pool, tensorTypeByName(type)!.blockBytes, bytes, random);
  });
  return writer.size;
}

function describeModel(shapeName: ShapeName, format: Format): GgufWriter {
  const shape: Shape = shapes[shapeName];
  const { dim, layers, heads, kvHeads, ffn, vocab, tied } = shape;
  const headDim = dim / heads;
  const writer = new GgufWriter()
    .set("general.architecture", "string", "llama")
    .set("general.name", "string", `synthetic ${shapeName} ${format}`)
    .set("general.quantization_version", "uint32", 2)
    .set("llama.vocab_size", "uint32", vocab)
    .set("llama.context_length", "uint32", shape.context)
    .set("llama.embedding_length", "uint32", dim)
    .set("llama.block_count", "uint32", layers)
    .set("llama.feed_forward_length", "uint32", ffn)
    .set("llama.attention.head_count", "uint32", heads)
    .set("llama.attention.head_count_kv", "uint32", kvHeads)
    .set("llama.attention.layer_norm_rms_epsilon", "float32", 1e-5)
    .set("llama.rope.dimension_count", "uint32", headDim)
    .set("llama.rope.freq_base", "float32", shape.ropeBase);
  setVocabulary(writer, vocab);

  const mixture = mixtureOf(format);
  const matrix = (name: string, columns: number, rows: number) => {
    const tensor = `${name}.weight`;
    writer.addTensor(tensor, quantizedType(mixture, tensor, [columns, rows], { layers, tied })!, [columns, rows]);
  };
  matrix("token_embd", dim, vocab);
  for (let layer = 0; layer < layers; layer++) {
    const inLayer = (name: string, columns: number, rows: number) => matrix(`blk.${layer}.${name}`, columns, rows);
    writer.addTensor(`blk.${layer}.attn_norm.weight`, "F32", [dim]);
    inLayer("attn_q", dim, heads * headDim);
    inLayer("attn_k", dim, kvHeads * headDim);
    inLayer("attn_v", dim, kvHeads * headDim);
    inLayer("attn_output", heads * headDim, dim);
    writer.addTensor(`blk.${layer}.ffn_norm.weight`, "F32", [dim]);
    inLayer("ffn_gate", dim, ffn);
    inLayer("ffn_up", dim, ffn);
    inLayer("ffn_down", ffn, dim);
  }
  writer.addTensor("output_norm.weight", "F32", [dim]);
  if (!tied) matrix("output", dim, vocab);
  if (shape.ropeFactor !== undefined) writer.addTensor("rope_freqs.weight", "F32", [headDim / 2]);
  return writer;
}

// Each slice is valid until the next is asked for.
function* slices(pool: Uint8Array, blockBytes: number, bytes: number, random: Random): Generator<Uint8Array> {
  const poolBlocks = pool.length / blockBytes;
  const sliceBlocks = Math.floor(SLICE_BYTES / blockBytes);
  const stride = Math.ceil(EXCHANGE_BYTES / blockBytes);
  const slice = new Uint8Array(sliceBlocks * blockBytes);
  for (let left = bytes / blockBytes; left > 0; ) {
    const blocks = Math.min(left, sliceBlocks);
    const first = random.below(poolBlocks - blocks + 1) * blockBytes;
    slice.set(pool.subarray(first, first + blocks * blockBytes));
    for (let at = random.below(stride); at < blocks; at += stride) {
      const other = random.below(poolBlocks) * blockBytes;
      slice.set(pool.subarray(other, other + blockBytes), at * blockBytes);
    }
    yield slice.subarray(0, blocks * blockBytes);
    left -= blocks;
  }
}

function normWeights(count: number, random: Random): Uint8Array {
  const weights = Float32Array.from({ length: count }, () => 1 + 0.1 * random.normal());
  return new Uint8Array(weights.buffer);
}

// Llama 3.1's scaling: long wavelengths are stretched by the factor, short ones kept, those between interpolated.
function ropeFrequencies({ dim, heads, ropeBase, ropeFactor = 1 }: Shape): Uint8Array {
  const [lowFactor, highFactor, oldContext] = [1, 4, 8192];
  const headDim = dim / heads;
  const factors = Float32Array.from({ length: headDim / 2 }, (_, index) => {
    const wavelength = 2 * Math.PI * ropeBase ** ((2 * index) / headDim);
    if (wavelength < oldContext / highFactor) return 1;
    if (wavelength > oldContext / lowFactor) return ropeFactor;
    const smooth = (oldContext / wavelength - lowFactor) / (highFactor - lowFactor);
    return 1 / ((1 - smooth) / ropeFactor + smooth);
  });
  return new Uint8Array(factors.buffer);
}
