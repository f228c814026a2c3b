// The smallest models that still run, of every architecture: a kilobyte or two, loaded in milliseconds. Their keys and tensors can be
// changed one by one.

import { type GgufInput, type GgufType, GgufWriter, openGguf } from "cria/gguf";
import { Random } from "../../bench/synthetic/random.js";
import { architectureNames, architectureOf, readModel } from "../../dist/model/architectures/table.js";
import { byteLetters, byteLevel, CONTROL, sentencePiece, wordPiece } from "./synthetic-vocabularies.js";

/** A value as the file has it. */
export interface Entry {
  readonly type: GgufType;
  readonly value: GgufInput;
}

export interface MicroModel {
  readonly entries: ReadonlyMap<string, Entry>;
  /** (columns) or (columns, rows), F32 */
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Uint8Array }>;
}

/** All that the engine runs. */
export const microArchitectures = architectureNames;

const isEncoder = (architecture: string): boolean => /bert|embedding/.test(architecture);

/** Whether the model answers `generate`; the others answer `embed`. */
export function generates(architecture: string): boolean {
  return !isEncoder(architecture);
}

const number = (value: number): Entry => ({ type: Number.isInteger(value) ? "uint32" : "float32", value });
const text = (value: string): Entry => ({ type: "string", value });

/** A chat template of three lines. */
export const microTemplate =
  "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>{% endif %}";

/** A model of one layer, (8) wide, with two heads of 4. `rope` sets the scaling, whose keys are then read. */
export async function microModel(architecture: string, rope: "none" | "linear" | "yarn" = "none"): Promise<MicroModel> {
  const entries = new Map<string, Entry>([["general.architecture", text(architecture)]]);
  const keys: Readonly<Record<string, number>> = {
    block_count: 1,
    context_length: 64,
    embedding_length: 8,
    feed_forward_length: 8,
    "attention.head_count": 2,
    "attention.head_count_kv": /bert|phi3/.test(architecture) ? 2 : 1,
    "attention.key_length": 4,
    "attention.value_length": 4,
    "attention.layer_norm_epsilon": 1e-5,
    "attention.layer_norm_rms_epsilon": 1e-5,
    ...(/oss|cohere2/.test(architecture) && { "attention.sliding_window": 4 }),
    ...(architecture === "cohere2" && { logit_scale: 0.25 }),
    ...(architecture === "lfm2" && { block_count: 2, "shortconv.l_cache": 2 }),
    ...(architecture === "gemma4" && {
      ...{ "attention.sliding_window": 4, "attention.key_length_swa": 4, "attention.value_length_swa": 4 },
      embedding_length_per_layer_input: 8,
    }),
    ...(/qwen35|qwen3next/.test(architecture) && {
      ...{ block_count: 2, full_attention_interval: 2, "ssm.conv_kernel": 2, "ssm.state_size": 16 },
      ...{ "ssm.group_count": 1, "ssm.time_step_rank": 1, "ssm.inner_size": 16 },
    }),
    ...(/moe|oss|qwen3next/.test(architecture) && {
      expert_count: 2,
      expert_used_count: 1,
      expert_feed_forward_length: 8,
      expert_shared_feed_forward_length: 8,
    }),
    ...(architecture === "nomic-bert-moe" && { block_count: 2, moe_every_n_layers: 2 }),
  };
  for (const [key, value] of Object.entries(keys)) entries.set(`${architecture}.${key}`, number(value));
  if (architecture === "gemma4") {
    entries.set("gemma4.attention.sliding_window_pattern", { type: "bool[]", value: [true] });
  }
  if (architecture === "lfm2") entries.set("lfm2.attention.head_count_kv", { type: "int32[]", value: [0, 1] });
  if (rope !== "none") {
    entries.set(`${architecture}.rope.scaling.type`, text(rope));
    entries.set(`${architecture}.rope.scaling.factor`, number(2));
  }
  for (const [key, value] of vocabularyOf(architecture)) entries.set(key, entryOf(value));
  if (isEncoder(architecture)) {
    entries.set(`${architecture}.pooling_type`, number(1));
    if (architecture !== "gemma-embedding")
      entries.set(`${architecture}.attention.causal`, { type: "bool", value: false });
  } else entries.set("tokenizer.chat_template", text(microTemplate));
  if (architecture.includes("bert")) entries.set("tokenizer.ggml.token_type_count", number(2));

  const rows = (entries.get("tokenizer.ggml.tokens")!.value as readonly string[]).length;
  const embedding = { shape: [8, rows], data: new Uint8Array(rows * 32) };
  const header = await openGguf(await microBytes({ entries, tensors: new Map([["token_embd.weight", embedding]]) }));
  const random = new Random(1);
  const tensors = new Map<string, { shape: number[]; data: Uint8Array }>();
  for (const spec of architectureOf(architecture).weights(readModel(header).hyperparameters, () => false)) {
    if (spec.optional) continue;
    const value = /norm\.weight$|^rope_freqs/.test(spec.name) ? () => 1 : () => random.normal() / 2;
    const data = new Uint8Array(Float32Array.from({ length: spec.rows * spec.columns }, value).buffer);
    const { role, rows, columns, matrices = 1 } = spec;
    const shape = role === "vector" && rows === 1 ? [columns] : [columns, rows / matrices, matrices];
    while (shape.length > 2 && shape.at(-1) === 1) shape.pop();
    tensors.set(spec.name, { shape, data });
  }
  return { entries, tensors };
}

/** The file, with some entries changed; undefined takes one out. @throws GgufError where a value is not of its type */
export async function microBytes(
  { entries, tensors }: MicroModel,
  changes: Readonly<Record<string, Entry | undefined>> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new GgufWriter();
  for (const [key, entry] of Object.entries({ ...Object.fromEntries(entries), ...changes })) {
    if (entry !== undefined) writer.set(key, entry.type, entry.value);
  }
  for (const [name, { shape }] of tensors) writer.addTensor(name, "F32", shape);
  return writer.toBytes(new Map([...tensors].map(([name, { data }]) => [name, data])));
}

function vocabularyOf(architecture: string): Map<string, unknown> {
  if (/^(?:nomic-|jina-)?bert/.test(architecture)) return wordPiece(["a", "##a", "b", "ab", "!"]);
  if (architecture === "llama") {
    // A vocabulary without most of its bytes is small.
    const metadata = sentencePiece(["▁", "a", "b", "ab", "▁a"], { bos_token_id: 1, eos_token_id: 2 });
    return withoutBytes(metadata);
  }
  if (architecture.startsWith("gemma")) {
    const ids = { bos_token_id: 1, eos_token_id: 2, add_bos_token: true };
    return withoutBytes(sentencePiece(["▁", "a", "b", "ab"], ids));
  }
  const metadata = byteLevel(["a b", "Ġ a"], [["<|end|>", CONTROL]]);
  const kept = [" ", "\n", "a", "b", "0", "{", "}", '"', ":"].map((letter) => byteLetters[letter.charCodeAt(0)]!);
  return only(metadata, (token) => kept.includes(token) || token.length > 1, { eos_token_id: kept.length + 2 });
}

const withoutBytes = (metadata: Map<string, unknown>) => {
  return only(metadata, (token) => !/^<0x(?!0A|20|61)..>$/.test(token), {});
};

/** A vocabulary of some of the tokens. */
function only(metadata: Map<string, unknown>, keeps: (token: string) => boolean, ids: Record<string, number>) {
  const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
  const kept = tokens.map((_, id) => id).filter((id) => keeps(tokens[id]!));
  const types = metadata.get("tokenizer.ggml.token_type") as Int32Array;
  const scores = metadata.get("tokenizer.ggml.scores") as Float32Array;
  metadata.set(
    "tokenizer.ggml.tokens",
    kept.map((id) => tokens[id]),
  );
  metadata.set(
    "tokenizer.ggml.token_type",
    Int32Array.from(kept, (id) => types[id]!),
  );
  metadata.set(
    "tokenizer.ggml.scores",
    Float32Array.from(kept, (id) => scores[id]!),
  );
  for (const [key, id] of Object.entries(ids)) metadata.set(`tokenizer.ggml.${key}`, id);
  return metadata;
}

function entryOf(value: unknown): Entry {
  if (typeof value === "number") return number(value);
  if (typeof value === "string") return text(value);
  if (typeof value === "boolean") return { type: "bool", value };
  if (value instanceof Int32Array) return { type: "int32[]", value };
  if (value instanceof Float32Array) return { type: "float32[]", value };
  return { type: "string[]", value: value as string[] };
}
