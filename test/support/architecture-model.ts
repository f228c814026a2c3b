// Small models of random 32-bit weights for every architecture: the tensors are those that its file in src/model asks for.

import { GgufWriter, openGguf } from "cria/gguf";
import { setVocabulary } from "../../bench/synthetic/vocabulary.js";
import { architectureOf, readModel } from "../../dist/model/architectures/table.js";
import { randomStream } from "./seed.js";

const VOCAB = 512;

/** What a file may say besides the common keys. */
export interface ArchitectureShape {
  readonly architecture: string;
  /** Keys of `<architecture>.`; numbers that are not integers are float32. */
  readonly keys?: Readonly<Record<string, number | boolean | string>>;
  /** Whether the file has a tensor that files may lack. Default: none of them. */
  readonly has?: (name: string) => boolean;
}

/** A model file of width 40 and 4 layers, with heads of 12 of which two share k and v. The same shape gives the same file in one run. */
export async function architectureModel(shape: ArchitectureShape): Promise<Uint8Array<ArrayBuffer>> {
  const { architecture, has = () => false } = shape;
  const writer = new GgufWriter().set("general.architecture", "string", architecture);
  setVocabulary(writer, VOCAB);
  const dim = 40;
  const keys: Record<string, number | boolean | string> = {
    block_count: 4,
    context_length: 256,
    embedding_length: dim,
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
        Number.isInteger(value) && value >= 0 && value < 2 ** 32 ? "uint32" : "float32",
        value,
      );
  }
  for (const key of ["layer_norm_epsilon", "layer_norm_rms_epsilon"]) {
    writer.set(`${architecture}.attention.${key}`, "float32", 1e-5);
  }
  writer.set("tokenizer.ggml.token_type_count", "uint32", 2);
  writer.addTensor("token_embd.weight", "F32", [dim, VOCAB]);
  const empty = new Map([["token_embd.weight", new Uint8Array(dim * VOCAB * 4)]]);
  const header = await openGguf(await writer.toBytes(empty));
  const specs = architectureOf(architecture).weights(readModel(header), has);

  const random = randomStream(1);
  const data = new Map<string, Uint8Array>();
  for (const { name, role, rows, columns, optional } of specs) {
    if (optional && !has(name)) continue;
    if (name !== "token_embd.weight") writer.addTensor(name, "F32", role === "vector" ? [columns] : [columns, rows]);
    // What keeps the size of what it is multiplied by, so that attention has peaks.
    const value = name.endsWith("norm.weight")
      ? () => 1 + 0.1 * random.normal()
      : () => random.normal() / (role === "matrix" ? Math.sqrt(columns / 2) : 2);
    data.set(name, new Uint8Array(Float32Array.from({ length: rows * columns }, value).buffer));
  }
  return writer.toBytes(data);
}
