// Small models of random 32-bit weights for every architecture: the tensors are those that its file in src/model asks for.

import { GgufWriter, openGguf, type TensorTypeName, tensorTypeByName } from "cria/gguf";
import { randomBlocks } from "../../bench/synthetic/blocks.js";
import { Random } from "../../bench/synthetic/random.js";
import { setVocabulary } from "../../bench/synthetic/vocabulary.js";
import { architectureOf, readModel } from "../../dist/model/architectures/table.js";
import { dequantize } from "./dequantize.js";
import { randomStream } from "./seed.js";

const VOCAB = 512;

/** Keys that are float32, whatever their value. */
const isFloat = (key: string): boolean => /freq_base|factor$|scale$|softcapping$|multiplier$|epsilon$|bias$/.test(key);

type Value = number | boolean | string | readonly number[] | readonly boolean[];

/** Sets a key in the type that its value has: arrays of numbers are int32, or float32 if the key is. */
function setKey(writer: GgufWriter, key: string, value: Value): void {
  if (typeof value === "boolean") writer.set(key, "bool", value);
  else if (typeof value === "string") writer.set(key, "string", value);
  else if (typeof value === "number") {
    const isCount = Number.isInteger(value) && value >= 0 && value < 2 ** 32 && !isFloat(key);
    writer.set(key, isCount ? "uint32" : "float32", value);
  } else if (typeof value[0] === "boolean") writer.set(key, "bool[]", value as readonly boolean[]);
  else if (isFloat(key)) writer.set(key, "float32[]", Float32Array.from(value as readonly number[]));
  else writer.set(key, "int32[]", Int32Array.from(value as readonly number[]));
}

/**
 * Weights in Q8_0: blocks of 32, each an f16 scale and 32 bytes. The scale is the largest weight over 127, in the 11 bits of an f16, rounded
 * up so that no weight is beyond 127.
 */
function roundToQ8(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array((values.length / 32) * 34);
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < values.length / 32; block++) {
    let largest = 2 ** -14;
    for (let i = block * 32; i < block * 32 + 32; i++) largest = Math.max(largest, Math.abs(values[i]!));
    const exponent = Math.floor(Math.log2(largest / 127));
    const mantissa = Math.ceil((largest / 127) * 2 ** (10 - exponent)); // 1024 .. 2048
    view.setUint16(block * 34, ((exponent + 15) << 10) + mantissa - 1024, true);
    const scale = mantissa * 2 ** (exponent - 10);
    for (let i = 0; i < 32; i++) view.setInt8(block * 34 + 2 + i, Math.round(values[block * 32 + i]! / scale));
  }
  return bytes;
}

/** What a file may say besides the common keys. */
export interface ArchitectureShape {
  readonly architecture: string;
  /** Keys of `<architecture>.`; numbers that are not integers are float32. */
  readonly keys?: Readonly<Record<string, Value>>;
  /** Other keys, by their whole names. */
  readonly metadata?: Readonly<Record<string, Value>>;
  /**
   * Matrices and embeddings whose rows are whole blocks in Q8_0, except those that llama.cpp never quantises; or the values that they then
   * have, in F32. Default F32, not rounded.
   */
  readonly rounding?: "Q8_0" | "Q8_0 in F32";
  /** Another stream, another model. Default 1. */
  readonly stream?: number;
  /** For a model that is the same in every run. */
  readonly seed?: number;
  /** The format of a matrix, by its name. Default F32. Matrices in blocks have a deviation of 0.02, for which norms make up. */
  readonly format?: (name: string) => TensorTypeName;
  /** Whether the file has a tensor that files may lack. Default: none of them. */
  readonly has?: (name: string) => boolean;
  /** Matrices by whose presence or shape an architecture knows which variant the file is: columns and rows. */
  readonly told?: Readonly<Record<string, readonly [columns: number, rows: number]>>;
  /** More tensors: vectors of 6 elements. */
  readonly tensors?: readonly string[];
  /** More tensors: vectors of these elements. */
  readonly vectors?: Readonly<Record<string, readonly number[]>>;
}

/**
 * A model file of width 40 and 4 layers, with heads of 12 of which two share k and v, unless the keys say otherwise. The same shape gives
 * the same file in one run.
 */
export async function architectureModel(shape: ArchitectureShape): Promise<Uint8Array<ArrayBuffer>> {
  const { architecture, stream = 1, has = () => false, format = () => "F32" } = shape;
  const writer = new GgufWriter().set("general.architecture", "string", architecture);
  setVocabulary(writer, VOCAB);
  const keys: Record<string, Value> = {
    block_count: 4,
    context_length: 256,
    embedding_length: 40,
    feed_forward_length: 52,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "attention.key_length": 12,
    "attention.value_length": 12,
    ...shape.keys,
  };
  for (const [key, value] of Object.entries(keys)) setKey(writer, `${architecture}.${key}`, value);
  for (const key of ["layer_norm_epsilon", "layer_norm_rms_epsilon"]) {
    const value = keys[`attention.${key}`] ?? 1e-5;
    writer.set(`${architecture}.attention.${key}`, "float32", value as number);
  }
  writer.set("tokenizer.ggml.token_type_count", "uint32", 2);
  for (const [key, value] of Object.entries(shape.metadata ?? {})) setKey(writer, key, value);
  const dim = keys["embedding_length"] as number;
  const bytesOf = (type: TensorTypeName, weights: number) => {
    const { blockSize, blockBytes } = tensorTypeByName(type)!;
    return (weights / blockSize) * blockBytes;
  };
  const isRounded = (name: string, columns: number) =>
    shape.rounding !== undefined && columns % 32 === 0 && !/ffn_gate_inp|position_embd|token_types/.test(name);
  const typeOf = (name: string, columns: number): TensorTypeName =>
    shape.rounding === "Q8_0" && isRounded(name, columns) ? "Q8_0" : format(name);
  const embedding = "token_embd.weight";
  const embeddingType = typeOf(embedding, dim);
  writer.addTensor(embedding, embeddingType, [dim, VOCAB]);
  const data = new Map<string, Uint8Array>([[embedding, new Uint8Array(bytesOf(embeddingType, dim * VOCAB))]]);
  for (const [name, [columns, rows]] of Object.entries(shape.told ?? {})) {
    writer.addTensor(name, typeOf(name, columns), [columns, rows]);
    data.set(name, new Uint8Array(bytesOf(typeOf(name, columns), columns * rows)));
  }
  for (const [name, values] of Object.entries(shape.vectors ?? {})) {
    writer.addTensor(name, "F32", [values.length]);
    data.set(name, new Uint8Array(Float32Array.from(values).buffer));
  }
  const header = await openGguf(await writer.toBytes(data)); // the embedding, as yet, is empty
  const specs = architectureOf(architecture).weights(readModel(header).hyperparameters, has);

  const gain = shape.format === undefined ? 1 : 50 / Math.sqrt(dim);
  const random = shape.seed === undefined ? randomStream(stream) : new Random(shape.seed);
  for (const { name, role, rows, columns, matrices = 1, optional } of specs) {
    if (optional && !has(name)) continue;
    const dimensions = role === "vector" && rows === 1 ? [columns] : [columns, rows / matrices, matrices];
    while (dimensions.length > 2 && dimensions.at(-1) === 1) dimensions.pop();
    const type = role === "vector" ? "F32" : typeOf(name, columns);
    if (!data.has(name)) writer.addTensor(name, type, dimensions);
    if (shape.format !== undefined && type !== "F32") {
      data.set(name, randomBlocks(type, (rows * columns) / tensorTypeByName(type)!.blockSize, random));
      continue;
    }
    // What keeps the size of what it is multiplied by, so that attention has peaks; and gates that reach gpt-oss's limits.
    const spread = name.includes("_exps.") ? 3 / Math.sqrt(columns) : Math.sqrt(2 / columns);
    const isAdded = /(attn_output|ffn_down_exps)\.bias$/.test(name); // to the residual stream
    const size = role === "matrix" ? spread / gain : isAdded ? 0.5 / gain ** 2 : 0.5;
    // Gemma 4 does not scale scores.
    const part = architecture === "gemma4" && name.endsWith("attn_q_norm.weight") ? 1 / Math.sqrt(columns) : 1;
    let value = (_: number) => size * random.normal();
    if (name.endsWith("norm.weight")) value = () => part * gain * (1 + 0.1 * random.normal());
    else if (name.endsWith("output_scale.weight")) value = () => 0.7 + 0.1 * random.normal();
    // Gemma 4's, which leaves pairs as they are, and the others a little stretched.
    else if (name === "rope_freqs.weight") value = (i) => (i < columns / 4 ? 1 + i / 8 : 1e30);
    else if (name.endsWith("ssm_a")) value = () => -Math.exp(random.normal()); // what is remembered fades
    const values = new Float32Array(rows * columns);
    for (let i = 0; i < values.length; i++) values[i] = value(i);
    if (role === "vector" || !isRounded(name, columns)) {
      data.set(name, new Uint8Array(values.buffer));
      continue;
    }
    const blocks = roundToQ8(values);
    const exact = () => new Uint8Array(dequantize("Q8_0", blocks, values.length).buffer);
    data.set(name, shape.rounding === "Q8_0" ? blocks : exact());
  }
  for (const name of shape.tensors ?? []) {
    writer.addTensor(name, "F32", [6]);
    data.set(name, new Uint8Array(24));
  }
  return writer.toBytes(data);
}
