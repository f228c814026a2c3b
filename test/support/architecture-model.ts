// Small models of random 32-bit weights for every architecture: the tensors are those that its file in src/model asks for.

import { GgufWriter, openGguf, type TensorTypeName, tensorTypeByName } from "cria/gguf";
import { randomBlocks } from "../../bench/synthetic/blocks.js";
import { Random } from "../../bench/synthetic/random.js";
import { setVocabulary } from "../../bench/synthetic/vocabulary.js";
import { architectureOf, readModel } from "../../dist/model/architectures/table.js";
import { randomStream } from "./seed.js";

const VOCAB = 512;

/** Keys that are float32, whatever their value. */
const isFloat = (key: string): boolean => /freq_base|scaling\.factor$/.test(key);

/** What a file may say besides the common keys. */
export interface ArchitectureShape {
  readonly architecture: string;
  /** Keys of `<architecture>.`; numbers that are not integers are float32. */
  readonly keys?: Readonly<Record<string, number | boolean | string>>;
  /** Another stream, another model. Default 1. */
  readonly stream?: number;
  /** For a model that is the same in every run. */
  readonly seed?: number;
  /** The format of a matrix, by its name. Default F32. Matrices in blocks have a deviation of 0.02, for which norms make up. */
  readonly format?: (name: string) => TensorTypeName;
  /** Whether the file has a tensor that files may lack. Default: none of them. */
  readonly has?: (name: string) => boolean;
  /** More tensors: vectors of 6 elements. */
  readonly tensors?: readonly string[];
}

/**
 * A model file of width 40 and 4 layers, with heads of 12 of which two share k and v, unless the keys say otherwise. The same shape gives
 * the same file in one run.
 */
export async function architectureModel(shape: ArchitectureShape): Promise<Uint8Array<ArrayBuffer>> {
  const { architecture, stream = 1, has = () => false, format = () => "F32" } = shape;
  const writer = new GgufWriter().set("general.architecture", "string", architecture);
  setVocabulary(writer, VOCAB);
  const keys: Record<string, number | boolean | string> = {
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
  for (const [key, value] of Object.entries(keys)) {
    if (typeof value === "boolean") writer.set(`${architecture}.${key}`, "bool", value);
    else if (typeof value === "string") writer.set(`${architecture}.${key}`, "string", value);
    else
      writer.set(
        `${architecture}.${key}`,
        Number.isInteger(value) && value >= 0 && value < 2 ** 32 && !isFloat(key) ? "uint32" : "float32",
        value,
      );
  }
  for (const key of ["layer_norm_epsilon", "layer_norm_rms_epsilon"]) {
    writer.set(`${architecture}.attention.${key}`, "float32", 1e-5);
  }
  writer.set("tokenizer.ggml.token_type_count", "uint32", 2);
  const dim = keys["embedding_length"] as number;
  const bytesOf = (type: TensorTypeName, weights: number) => {
    const { blockSize, blockBytes } = tensorTypeByName(type)!;
    return (weights / blockSize) * blockBytes;
  };
  const embedding = "token_embd.weight";
  writer.addTensor(embedding, format(embedding), [dim, VOCAB]);
  const empty = new Map([[embedding, new Uint8Array(bytesOf(format(embedding), dim * VOCAB))]]);
  const header = await openGguf(await writer.toBytes(empty));
  const specs = architectureOf(architecture).weights(readModel(header).hyperparameters, has);

  const gain = shape.format === undefined ? 1 : 50 / Math.sqrt(dim);
  const random = shape.seed === undefined ? randomStream(stream) : new Random(shape.seed);
  const data = new Map<string, Uint8Array>();
  for (const { name, role, rows, columns, matrices = 1, optional } of specs) {
    if (optional && !has(name)) continue;
    const dimensions = role === "vector" && rows === 1 ? [columns] : [columns, rows / matrices, matrices];
    while (dimensions.length > 2 && dimensions.at(-1) === 1) dimensions.pop();
    const type = role === "vector" ? "F32" : format(name);
    if (name !== embedding) writer.addTensor(name, type, dimensions);
    if (type !== "F32") {
      data.set(name, randomBlocks(type, (rows * columns) / tensorTypeByName(type)!.blockSize, random));
      continue;
    }
    // What keeps the size of what it is multiplied by, so that attention has peaks; and gates that reach gpt-oss's limits.
    const spread = name.includes("_exps.") ? 3 / Math.sqrt(columns) : Math.sqrt(2 / columns);
    const isAdded = /(attn_output|ffn_down_exps)\.bias$/.test(name); // to the residual stream
    const size = role === "matrix" ? spread / gain : isAdded ? 0.5 / gain ** 2 : 0.5;
    const value = name.endsWith("norm.weight")
      ? () => gain * (1 + 0.1 * random.normal())
      : () => size * random.normal();
    data.set(name, new Uint8Array(Float32Array.from({ length: rows * columns }, value).buffer));
  }
  for (const name of shape.tensors ?? []) {
    writer.addTensor(name, "F32", [6]);
    data.set(name, new Uint8Array(24));
  }
  return writer.toBytes(data);
}
