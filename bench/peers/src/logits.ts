// node-llama-cpp's logits of every token of a text, vectors of texts, or scores of a reranker, as a second oracle: `node logits.js` takes one
// JSON argument, a Question, and writes f32 to a file: the logits, (tokens, vocabulary), the vectors, (texts, width), or the scores.

import { writeFileSync } from "node:fs";
import { getLlama, type Token } from "node-llama-cpp";

interface Question {
  readonly model: string;
  readonly ids?: readonly number[];
  /** Whose vectors are asked for, in place of logits. */
  readonly texts?: readonly (string | readonly number[])[];
  /** What a reranker scores. */
  readonly pairs?: { readonly query: string; readonly documents: readonly string[] };
  /** LoRA adapters on the model, for logits. */
  readonly lora?: readonly { readonly filePath: string; readonly scale: number }[];
  readonly output: string;
  /** Element type of the KV cache. */
  readonly kvCache: "F32" | "F16";
}

const { model: modelPath, ids, texts, pairs, lora = [], output, kvCache } = JSON.parse(process.argv[2]!) as Question;
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "error" as never });
// Contexts for vectors and scores take these from their model. Flash attention rounds k and v to f16.
const ofContexts = {
  defaultContextFlashAttention: false,
  experimentalDefaultContextKvCacheKeyType: kvCache,
  experimentalDefaultContextKvCacheValueType: kvCache,
} as const;
const model = await llama.loadModel({ modelPath, ...(ids === undefined && ofContexts) });
const rows =
  pairs !== undefined ? await scores(pairs) : texts !== undefined ? await vectors(texts) : await logits(ids!);
writeFileSync(output, Buffer.concat(rows.map((row) => new Uint8Array(row.buffer))));
await llama.dispose();

async function logits(ids: readonly number[]): Promise<Float32Array[]> {
  const context = await model.createContext({
    contextSize: 256,
    threads: 1,
    flashAttention: false,
    ...(lora.length > 0 && { lora: { adapters: [...lora] } }),
    experimentalKvCacheKeyType: kvCache,
    experimentalKvCacheValueType: kvCache,
  });
  const results = await context
    .getSequence()
    .controlledEvaluate(ids.map((id) => [id as Token, { generateNext: { logits: true } }]));
  return results.map((result) => {
    const logits = result!.next.logits!;
    return Float32Array.from({ length: logits.size }, (_, id) => logits.get(id as Token)!);
  });
}

async function vectors(texts: readonly (string | readonly number[])[]): Promise<Float32Array[]> {
  const context = await model.createEmbeddingContext({ contextSize: 256, batchSize: 256, threads: 1 });
  const rows: Float32Array[] = [];
  const { bos, eos } = model.tokens;
  for (const text of texts) {
    // Of unigram vocabularies llama.cpp puts BOS before a text, and node-llama-cpp does not.
    const ids = typeof text === "string" ? [bos!, ...model.tokenize(text), eos!] : (text as Token[]);
    rows.push(Float32Array.from((await context.getEmbeddingFor(ids)).vector));
  }
  return rows;
}

async function scores({ query, documents }: NonNullable<Question["pairs"]>): Promise<Float32Array[]> {
  const context = await model.createRankingContext({ contextSize: 512, batchSize: 512, threads: 1 });
  return [Float32Array.from(await context.rankAll(query, [...documents]))];
}
