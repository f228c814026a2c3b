// Vectors of texts by ONNX Runtime, native or WebAssembly, as the feature-extraction pipeline of transformers.js makes them: texts that are
// asked for at once are padded to the longest, the model gives a vector for each token, and JavaScript pools and normalises.

import type { Tokenizer } from "@huggingface/tokenizers";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { openGguf } from "../../../dist/gguf/index.js";
import { type BertModel, bertModel } from "./bert-model.js";
import { bertTokenizer } from "./bert-tokenizer.js";
import { type EmbeddingSubject, type Prepared, preparedEmbedding } from "./peer.js";

/** What both packages export. */
interface Runtime {
  readonly Tensor: typeof Tensor;
}

/** @param open makes a session of a model */
export async function prepareEmbedding(
  { Tensor }: Runtime,
  { file, precision }: EmbeddingSubject,
  open: (model: Uint8Array) => Promise<InferenceSession>,
): Promise<Prepared> {
  const gguf = await openGguf(file);
  const tokenizer = bertTokenizer(gguf.metadata);
  await gguf.close();
  const model = await bertModel(file, precision);
  const session = await open(model.bytes);

  async function embed(texts: readonly string[]): Promise<Float32Array[]> {
    const { inputs, lengths, longest } = padded(texts, tokenizer);
    const dims = [texts.length, longest];
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, values]) => [name, new Tensor("int64", values, dims)]),
    );
    const { last_hidden_state: states } = await session.run(feeds);
    return pooled(states!.data as Float32Array, lengths, longest, model);
  }

  return preparedEmbedding(precision, embed);
}

/** The ids of texts, each padded to the length of the longest. */
function padded(texts: readonly string[], tokenizer: Tokenizer) {
  const encoded = texts.map((text): number[] => tokenizer.encode(text).ids);
  const lengths = encoded.map((ids) => ids.length);
  const longest = Math.max(...lengths);
  const zeros = () => new BigInt64Array(texts.length * longest); // 0 is [PAD]
  const inputs = { input_ids: zeros(), attention_mask: zeros(), token_type_ids: zeros() };
  encoded.forEach((ids, text) => {
    ids.forEach((id, i) => {
      inputs.input_ids[text * longest + i] = BigInt(id);
    });
    inputs.attention_mask.fill(1n, text * longest, text * longest + ids.length);
  });
  return { inputs, lengths, longest };
}

/** One vector of length 1 for each text, of `states` (texts, longest, dim). */
function pooled(
  states: Float32Array,
  lengths: readonly number[],
  longest: number,
  { dim, pooling }: Omit<BertModel, "bytes">,
): Float32Array[] {
  return lengths.map((length, text) => {
    const vector = new Float32Array(dim);
    const tokens = pooling === "mean" ? length : 1;
    for (let token = 0; token < tokens; token++) {
      const row = (text * longest + token) * dim;
      for (let i = 0; i < dim; i++) vector[i]! += states[row + i]!;
    }
    let squares = 0;
    for (const value of vector) squares += value * value;
    const scale = 1 / Math.sqrt(squares);
    for (let i = 0; i < dim; i++) vector[i]! *= scale;
    return vector;
  });
}
