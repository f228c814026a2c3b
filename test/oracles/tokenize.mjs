// node-llama-cpp's ids of texts, for test/text/pretokenizers-oracle.test.ts. `node tokenize.mjs` takes one JSON argument, an object with
// `models`, paths of files that have a vocabulary, and `texts`, the path of a list of texts. It prints for each model whether its texts
// begin with BOS, and the ids of each text.

import { readFileSync } from "node:fs";

const peer = new URL("../../bench/peers/node_modules/node-llama-cpp/dist/index.js", import.meta.url);
const { getLlama } = await import(peer);
const { models, texts } = JSON.parse(process.argv[2]);
const list = JSON.parse(readFileSync(texts, "utf8"));
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "disabled" });
const results = [];
for (const modelPath of models) {
  const model = await llama.loadModel({ modelPath, vocabOnly: true });
  results.push({ addsBos: model.tokens.shouldPrependBosToken, ids: list.map((text) => model.tokenize(text)) });
  await model.dispose();
}
console.log(JSON.stringify(results));
await llama.dispose();
