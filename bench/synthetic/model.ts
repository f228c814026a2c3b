// Makes a GGUF model of random weights in the shape of a real one: as fast and as large as the real one, and its logits are
// finite and differ, but it says nothing. Weights are slices at random places of one pool of random blocks per type, so a file
// is written about as fast as the disk takes it.

import { type GgufMetadata, GgufWriter, tensorTypeByName } from "cria/gguf";
import { quantizedType } from "cria/quantize";
import { randomBlocks } from "./blocks.js";
import { addGemma4Tensors, proportionalFactors, setGemma4Keys } from "./gemma4.js";
import { Random } from "./random.js";
import { type Format, mixtureOf, type Shape, type ShapeName, shapes } from "./shapes.js";
import { setVocabulary } from "./vocabulary.js";
import { setWordPieces } from "./word-pieces.js";

const POOL_BYTES = 8 * 2 ** 20;
const SLICE_BYTES = 2 ** 18;
// In every so many bytes, one block is exchanged for another: a model has many times the rows that a pool has, and two equal
// rows would be two tokens with the same logit.
const EXCHANGE_BYTES = 512;

// Of a model with gated DeltaNet: every so many layers one attends, and so many weights of a channel.
const ATTENTION_INTERVAL = 4;
const CONVOLUTION_WIDTH = 4;

export interface SyntheticModel {
  readonly shape: ShapeName;
  readonly format: Format;
  /** The same seed gives the same file. */
  readonly seed: number;
  /** Of a real model with a vocabulary of the shape's size: its tokenizer in place of a synthetic one. */
  readonly tokenizer?: GgufMetadata | undefined;
  /** Layers from the first on say little: what they add to the residual stream is `scale` times what the others add. */
  readonly upper?: { readonly first: number; readonly scale: number } | undefined;
}

/** Writes the model to `path`, and returns the file's size in bytes. */
export async function writeSyntheticModel(
  { shape, format, seed, tokenizer, upper }: SyntheticModel,
  path: string,
): Promise<number> {
  const writer = describeModel(shape, format);
  if (tokenizer !== undefined) copyTokenizer(tokenizer, writer, shapes[shape].vocab);
  const { architecture }: Shape = shapes[shape];
  const random = new Random(seed);
  const pools = new Map<string, Uint8Array>();
  await writer.writeFile(path, ({ name, type, bytes }) => {
    if (name === "rope_freqs.weight") {
      return architecture === "gemma4" ? proportionalFactors(bytes / 4) : ropeFrequencies(shapes[shape]);
    }
    if (name.startsWith("rope_factors_")) return longRopeFactors(bytes / 4, name === "rope_factors_long.weight");
    if (/(norm|layer_output_scale)\.weight$/.test(name)) return normWeights(bytes / 4, random);
    if (name.endsWith("ssm_a")) return decayRates(bytes / 4, random);
    const scale = upper !== undefined && addsAbove(name, upper.first) ? upper.scale : 1;
    const key = `${type} ${scale}`;
    let pool = pools.get(key);
    if (pool === undefined) {
      pool = randomBlocks(type, Math.floor(POOL_BYTES / tensorTypeByName(type)!.blockBytes), random, scale);
      pools.set(key, pool);
    }
    return slices(pool, tensorTypeByName(type)!.blockBytes, bytes, random);
  });
  return writer.size;
}

/** Whether a tensor is the last matrix of a block in layer `first` or above it: what it computes is added to the residual stream. */
function addsAbove(name: string, first: number): boolean {
  const [, layer, part] = /^blk\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  return part !== undefined && Number(layer) >= first && ["attn_output", "ffn_down"].includes(part);
}

/** @throws RangeError when the vocabulary is of another size: the model would have no row for some token */
function copyTokenizer(tokenizer: GgufMetadata, writer: GgufWriter, vocab: number): void {
  const size = tokenizer.getStrings("tokenizer.ggml.tokens")?.length;
  if (size !== vocab) throw new RangeError(`the vocabulary has ${size} tokens; the model needs ${vocab}`);
  for (const [key, value] of tokenizer) {
    if (key.startsWith("tokenizer.")) writer.set(key, tokenizer.typeOf(key)!, value);
  }
}

/** `pooling_type` of rerankers. */
const RANK = 4;

/** Columns that a convolution sees. */
const CONVOLUTION_COLUMNS = 3;

function attends(shape: Shape, layer: number): boolean {
  if (shape.deltaNet !== undefined) return (layer + 1) % ATTENTION_INTERVAL === 0;
  return shape.attends?.includes(layer) ?? true;
}

/** The model's metadata and its tensors' names, types and shapes. */
export function describeModel(shapeName: ShapeName, format: Format): GgufWriter {
  const shape: Shape = shapes[shapeName];
  const { architecture = "llama", dim, layers, heads, kvHeads, ffn, vocab, pooling, ropeBase } = shape;
  const headDim = headDimOf(shape);
  const writer = new GgufWriter();
  const number = (key: string, value: number) => writer.set(`${architecture}.${key}`, "uint32", value);
  const float = (key: string, value: number) => writer.set(`${architecture}.${key}`, "float32", value);
  writer
    .set("general.architecture", "string", architecture)
    .set("general.name", "string", `synthetic ${shapeName} ${format}`)
    .set("general.quantization_version", "uint32", 2);
  number("vocab_size", vocab);
  number("context_length", shape.context);
  number("embedding_length", dim);
  number("block_count", layers);
  number("feed_forward_length", ffn);
  number("attention.head_count", heads);
  if (shape.attends === undefined) number("attention.head_count_kv", kvHeads);
  else {
    const heads = Int32Array.from({ length: layers }, (_, layer) => (attends(shape, layer) ? kvHeads : 0));
    writer.set(`${architecture}.attention.head_count_kv`, "int32[]", heads);
    number("shortconv.l_cache", CONVOLUTION_COLUMNS);
  }
  if (shape.headDim !== undefined) {
    number("attention.key_length", headDim);
    number("attention.value_length", headDim);
  }
  if (ropeBase !== undefined) {
    number("rope.dimension_count", shape.deltaNet?.rotated ?? shape.ropeDimensions ?? headDim);
    float("rope.freq_base", ropeBase);
  }
  if (shape.deltaNet !== undefined) {
    const { keyHeads, valueHeads, dims, rotated } = shape.deltaNet;
    const third = Math.ceil(rotated / 6);
    const sections = Int32Array.of(third, third, rotated / 2 - 2 * third, 0);
    writer.set(`${architecture}.rope.dimension_sections`, "int32[]", sections);
    number("full_attention_interval", ATTENTION_INTERVAL);
    number("ssm.conv_kernel", CONVOLUTION_WIDTH);
    number("ssm.state_size", dims);
    number("ssm.group_count", keyHeads);
    number("ssm.time_step_rank", valueHeads);
    number("ssm.inner_size", valueHeads * dims);
  }
  if (shape.yarnFactor !== undefined) {
    writer.set(`${architecture}.rope.scaling.type`, "string", "yarn");
    float("rope.scaling.factor", shape.yarnFactor);
    number("rope.scaling.original_context_length", 4096);
  }
  if (shape.longRope) {
    number("rope.scaling.original_context_length", 4096);
    float("rope.scaling.attn_factor", Math.sqrt(1 + Math.log(shape.context / 4096) / Math.log(4096)));
  }
  if (shape.window !== undefined) number("attention.sliding_window", shape.window);
  if (shape.experts !== undefined) {
    number("expert_count", shape.experts.count);
    number("expert_used_count", shape.experts.used);
    if (architecture !== "llama") number("expert_feed_forward_length", shape.experts.ffn);
  }
  if (pooling !== undefined) number("pooling_type", pooling);
  if (architecture === "bert") {
    float("attention.layer_norm_epsilon", 1e-12);
    writer.set("bert.attention.causal", "bool", false);
    setWordPieces(writer, vocab);
    writer.set("tokenizer.ggml.token_type_count", "uint32", shape.types ?? 2);
    addBertTensors(writer, shape, format);
  } else if (architecture === "modern-bert") {
    float("attention.layer_norm_epsilon", 1e-5);
    float("rope.freq_base_swa", 10000);
    writer.set("modern-bert.attention.causal", "bool", false);
    setVocabulary(writer, vocab);
    addModernBertTensors(writer, shape, format);
  } else {
    float("attention.layer_norm_rms_epsilon", 1e-5);
    setVocabulary(writer, vocab);
    if (shape.gemma4 !== undefined) {
      setGemma4Keys(writer, shape, shape.gemma4);
      addGemma4Tensors(writer, shape, shape.gemma4, matrixAdder(writer, shape, format));
    } else addDecoderTensors(writer, shape, format);
  }
  return writer;
}

/** A function that adds a matrix, or one for each of `count` experts, in the type that the format gives it. */
function matrixAdder(writer: GgufWriter, { layers, tied, experts }: Shape, format: Format) {
  const mixture = mixtureOf(format);
  return (name: string, columns: number, rows: number, count?: number) => {
    const tensor = `${name}.weight`;
    const dimensions = count === undefined ? [columns, rows] : [columns, rows, count];
    const model = { layers, tied, experts: experts?.count ?? 0 };
    const isExperts = format === "MXFP4_MOE" && count !== undefined;
    const type = isExperts ? "MXFP4" : quantizedType(mixture, tensor, dimensions, model);
    writer.addTensor(tensor, type ?? "F32", dimensions); // routers stay as they are
  };
}

function addDecoderTensors(writer: GgufWriter, shape: Shape, format: Format): void {
  const { dim, layers, heads, kvHeads, ffn, vocab, tied, architecture, experts, deltaNet } = shape;
  const headDim = headDimOf(shape);
  const matrix = matrixAdder(writer, shape, format);
  const isGptOss = architecture === "gpt-oss";
  const isGemma = architecture === "gemma2" || architecture === "gemma-embedding"; // norms behind the blocks, too
  const isPhi = architecture === "phi3"; // one matrix for q, k and v, one for gate and up
  matrix("token_embd", dim, vocab);
  for (let layer = 0; layer < layers; layer++) {
    const inLayer = (name: string, columns: number, rows: number, count?: number) => {
      matrix(`blk.${layer}.${name}`, columns, rows, count);
      if (isGptOss) writer.addTensor(`blk.${layer}.${name}.bias`, "F32", count === undefined ? [rows] : [rows, count]);
    };
    const norm = (name: string, columns: number) => writer.addTensor(`blk.${layer}.${name}.weight`, "F32", [columns]);
    norm("attn_norm", dim);
    if (attends(shape, layer)) {
      const [q, kv] = [heads * headDim, kvHeads * headDim];
      const gated = deltaNet === undefined ? q : 2 * q;
      if (isPhi) inLayer("attn_qkv", dim, q + 2 * kv);
      else for (const name of ["attn_q", "attn_k", "attn_v"]) inLayer(name, dim, name === "attn_q" ? gated : kv);
      if (isGptOss) writer.addTensor(`blk.${layer}.attn_sinks.weight`, "F32", [heads]);
      if (architecture?.startsWith("qwen3") || architecture === "lfm2" || architecture === "gemma-embedding") {
        norm("attn_q_norm", headDim);
        norm("attn_k_norm", headDim);
      }
      inLayer("attn_output", q, dim);
      if (isGemma) norm("post_attention_norm", dim);
    } else if (deltaNet !== undefined) {
      const { keyHeads, valueHeads, dims } = deltaNet;
      const channels = (2 * keyHeads + valueHeads) * dims;
      const vector = (name: string, ...shape: number[]) => writer.addTensor(`blk.${layer}.${name}`, "F32", shape);
      inLayer("attn_qkv", dim, channels);
      inLayer("attn_gate", dim, valueHeads * dims);
      inLayer("ssm_alpha", dim, valueHeads);
      inLayer("ssm_beta", dim, valueHeads);
      inLayer("ssm_conv1d", CONVOLUTION_WIDTH, channels);
      vector("ssm_dt.bias", valueHeads);
      vector("ssm_a", valueHeads);
      norm("ssm_norm", dims);
      inLayer("ssm_out", valueHeads * dims, dim);
    } else {
      inLayer("shortconv.in_proj", dim, 3 * dim);
      inLayer("shortconv.conv", CONVOLUTION_COLUMNS, dim);
      inLayer("shortconv.out_proj", dim, dim);
    }
    norm(isGptOss || deltaNet !== undefined ? "post_attention_norm" : "ffn_norm", dim);
    if (experts !== undefined) {
      inLayer("ffn_gate_inp", dim, experts.count);
      inLayer("ffn_gate_exps", dim, experts.ffn, experts.count);
      inLayer("ffn_up_exps", dim, experts.ffn, experts.count);
      inLayer("ffn_down_exps", experts.ffn, dim, experts.count);
      continue;
    }
    if (!isPhi) inLayer("ffn_gate", dim, ffn);
    inLayer("ffn_up", dim, isPhi ? 2 * ffn : ffn);
    inLayer("ffn_down", ffn, dim);
    if (isGemma) norm("post_ffw_norm", dim);
  }
  writer.addTensor(architecture === "lfm2" ? "token_embd_norm.weight" : "output_norm.weight", "F32", [dim]);
  if (!tied) matrix("output", dim, vocab);
  if (shape.ropeFactor !== undefined) writer.addTensor("rope_freqs.weight", "F32", [headDim / 2]);
  if (shape.longRope) {
    for (const which of ["long", "short"]) {
      writer.addTensor(`rope_factors_${which}.weight`, "F32", [(shape.ropeDimensions ?? headDim) / 2]);
    }
  }
}

/** BERT's, with a bias for everything. */
function addBertTensors(writer: GgufWriter, shape: Shape, format: Format): void {
  const { dim, layers, ffn, vocab, context, types = 2 } = shape;
  const matrix = matrixAdder(writer, shape, format);
  const vectors = (name: string, columns: number) => {
    for (const part of ["weight", "bias"]) writer.addTensor(`${name}.${part}`, "F32", [columns]);
  };
  matrix("token_embd", dim, vocab);
  writer.addTensor("token_types.weight", "F32", types === 1 ? [dim] : [dim, types]);
  writer.addTensor("position_embd.weight", "F32", [dim, context]);
  if (shape.pooling === RANK) writer.addTensor("cls.output.weight", "F32", [dim, 1]);
  vectors("token_embd_norm", dim);
  for (let layer = 0; layer < layers; layer++) {
    const inLayer = (name: string, columns: number, rows: number) => {
      matrix(`blk.${layer}.${name}`, columns, rows);
      writer.addTensor(`blk.${layer}.${name}.bias`, "F32", [rows]);
    };
    for (const name of ["attn_q", "attn_k", "attn_v", "attn_output"]) inLayer(name, dim, dim);
    vectors(`blk.${layer}.attn_output_norm`, dim);
    inLayer("ffn_up", dim, ffn);
    inLayer("ffn_down", ffn, dim);
    vectors(`blk.${layer}.layer_output_norm`, dim);
  }
}

/** ModernBERT's: one matrix for q, k and v, one for gate and up, and no norm before the first attention. */
function addModernBertTensors(writer: GgufWriter, shape: Shape, format: Format): void {
  const { dim, layers, ffn, vocab } = shape;
  const matrix = matrixAdder(writer, shape, format);
  const norm = (name: string) => writer.addTensor(`${name}.weight`, "F32", [dim]);
  matrix("token_embd", dim, vocab);
  norm("token_embd_norm");
  for (let layer = 0; layer < layers; layer++) {
    const blk = `blk.${layer}.`;
    if (layer > 0) norm(`${blk}attn_norm`);
    matrix(`${blk}attn_qkv`, dim, 3 * dim);
    matrix(`${blk}attn_output`, dim, dim);
    norm(`${blk}ffn_norm`);
    matrix(`${blk}ffn_up`, dim, 2 * ffn);
    matrix(`${blk}ffn_down`, ffn, dim);
  }
  norm("output_norm");
}

function headDimOf({ dim, heads, headDim = dim / heads }: Shape): number {
  return headDim;
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

// Low frequencies become lower with a long context, and none with a short one.
function longRopeFactors(pairs: number, isLong: boolean): Uint8Array {
  const factors = Float32Array.from({ length: pairs }, (_, pair) => (isLong ? 1 + (31 * pair) / pairs : 1));
  return new Uint8Array(factors.buffer);
}

/** Less than 0: what is remembered fades. */
function decayRates(count: number, random: Random): Uint8Array {
  return new Uint8Array(Float32Array.from({ length: count }, () => -Math.exp(random.normal())).buffer);
}

// Llama 3.1's scaling: long wavelengths are stretched by the factor, short ones kept, those between interpolated.
function ropeFrequencies(shape: Shape): Uint8Array {
  const { ropeBase = 10000, ropeFactor = 1 } = shape;
  const [lowFactor, highFactor, oldContext] = [1, 4, 8192];
  const headDim = headDimOf(shape);
  const factors = Float32Array.from({ length: headDim / 2 }, (_, index) => {
    const wavelength = 2 * Math.PI * ropeBase ** ((2 * index) / headDim);
    if (wavelength < oldContext / highFactor) return 1;
    if (wavelength > oldContext / lowFactor) return ropeFactor;
    const smooth = (oldContext / wavelength - lowFactor) / (highFactor - lowFactor);
    return 1 / ((1 - smooth) / ropeFactor + smooth);
  });
  return new Uint8Array(factors.buffer);
}
