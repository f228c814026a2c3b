// node-llama-cpp's logits of every token of a text, as a second oracle: `node logits.js` takes one JSON argument, a Question, and writes the
// logits, (tokens, vocabulary) f32, to a file.

import { writeFileSync } from "node:fs";
import { getLlama, type Token } from "node-llama-cpp";

interface Question {
  readonly model: string;
  readonly ids: readonly number[];
  readonly output: string;
  /** Element type of the KV cache. */
  readonly kvCache: "F32" | "F16";
}

const { model: modelPath, ids, output, kvCache } = JSON.parse(process.argv[2]!) as Question;
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "error" as never });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  contextSize: 256,
  threads: 1,
  flashAttention: false,
  experimentalKvCacheKeyType: kvCache,
  experimentalKvCacheValueType: kvCache,
});
const results = await context
  .getSequence()
  .controlledEvaluate(ids.map((id) => [id as Token, { generateNext: { logits: true } }]));
const rows = results.map((result) => {
  const logits = result!.next.logits!;
  return Float32Array.from({ length: logits.size }, (_, id) => logits.get(id as Token)!);
});
writeFileSync(output, Buffer.concat(rows.map((row) => new Uint8Array(row.buffer))));
await llama.dispose();
