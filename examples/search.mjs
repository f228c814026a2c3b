// Semantic search: texts become vectors, and those that point the same way belong together. Here: which of the questions that have been
// answered is the one that somebody asks in other words? `node examples/search.mjs [model.gguf]`
//
// The demo model tells stories and was not made for this: it knows what kind of question is asked, and little more. A model that was made
// for it finds texts by what they mean. It is downloaded once, 0.15 GB:
//
//   node examples/search.mjs hf:nomic-ai/nomic-embed-text-v1.5-GGUF:Q8_0

import { cosineSimilarity, demoModel, loadModel } from "cria";

const known = ["What does the cow say?", "What is 3 + 4?", "What is a baby llama called?", "Tell me a story."];
const asked = ["Which animal says moo?", "What is 2 + 5?", "Tell a tale of a fox."];

const model = await loadModel(process.argv[2] ?? demoModel, {
  onDownload: ({ file, receivedBytes, totalBytes }) => {
    const done = receivedBytes === totalBytes;
    process.stderr.write(`\r${file}: ${Math.floor((100 * receivedBytes) / totalBytes)} %${done ? "\n" : ""}`);
  },
});
// Models that were trained for search want words of their own before queries and documents.
const hasPurposes = model.info.embedding.family !== undefined;
const documents = await model.embed(known, hasPurposes ? { purpose: "document" } : {});
const queries = await model.embed(asked, hasPurposes ? { purpose: "query" } : {});

for (const [i, query] of queries.entries()) {
  const ranked = documents
    .map((document, j) => ({ text: known[j], score: cosineSimilarity(query, document) }))
    .sort((a, b) => b.score - a.score);
  console.log(asked[i]);
  for (const { text, score } of ranked) console.log(`  ${score.toFixed(3)}  ${text}`);
}

await model.dispose();
