// Semantic search: texts become vectors, and the nearest to a question's answer it. `node examples/search.mjs [model.gguf]`
// The demo model tells stories and was not made for this: with a model for embeddings the order means something.

import { demoModel, loadModel } from "cria";

const texts = [
  "The fox hid in the forest.",
  "A recipe for bread with nuts.",
  "How foxes raise their young.",
  "The train to the city leaves at noon.",
];
const question = "animals in the woods";

const model = await loadModel(process.argv[2] ?? demoModel);
// Models that were trained for search want words of their own before queries and documents.
const known = model.info.embedding.family !== undefined;
const documents = await model.embed(texts, known ? { purpose: "document" } : {});
const [query] = await model.embed([question], known ? { purpose: "query" } : {});

// Vectors have length 1: their dot product is the cosine of their angle.
const dot = (a, b) => a.reduce((sum, element, i) => sum + element * b[i], 0);
const ranked = documents
  .map((document, i) => ({ text: texts[i], score: dot(query, document) }))
  .sort((a, b) => b.score - a.score);
for (const { text, score } of ranked) console.log(score.toFixed(3), text);

await model.dispose();
