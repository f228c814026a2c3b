// Questions answered from documents, with their sources: `node examples/rag/ask.mjs "Where does Mia live?" ["Who is Tom?" ...]`
//
// As it is, it needs no network: words take the place of embeddings, and the demo model answers. Both are poor. With models that were made
// for it, the same steps answer questions about documents of your own. These two are downloaded once, 0.15 and 2 GB:
//
//   node examples/rag/ask.mjs --documents docs --embedder hf:nomic-ai/nomic-embed-text-v1.5-GGUF:Q8_0 \
//     --model hf:bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M "How do I stop a generation?"

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { demoModel, loadModel } from "cria";
import { answerOf, answerOfDemo } from "./answers.mjs";
import { chunksIn } from "./chunks.mjs";
import { openIndex, search } from "./index.mjs";
import { Keywords } from "./keywords.mjs";

const { values, positionals: questions } = parseArgs({
  allowPositionals: true,
  options: {
    documents: { type: "string", default: fileURLToPath(new URL("documents", import.meta.url)) },
    index: { type: "string" }, // the folder of the index; beside the documents, if it is not given
    embedder: { type: "string" },
    model: { type: "string" },
    chunk: { type: "string", default: "200" }, // tokens
    best: { type: "string", default: "4" }, // chunks that the model reads
  },
});

const onDownload = ({ file, receivedBytes, totalBytes }) => {
  const share = totalBytes === undefined ? "" : ` of ${(totalBytes / 1e6).toFixed(0)}`;
  process.stderr.write(
    `\r${file}: ${(receivedBytes / 1e6).toFixed(0)}${share} MB${receivedBytes === totalBytes ? "\n" : ""}`,
  );
};
const model = await loadModel(values.model ?? demoModel, { onDownload });
const chunks = await chunksIn(values.documents, (text) => model.tokenizer.count(text), Number(values.chunk));
const keywords = new Keywords(chunks.map(({ text }) => text));
const embedder = values.embedder === undefined ? embedderOfWords(keywords) : await embedderOfModel(values.embedder);
const index = await openIndex(values.index ?? join(values.documents, ".index"), chunks, embedder);

for (const question of questions) {
  const found = search(index, await embedder.embedQuestion(question), Number(values.best));
  const answer =
    values.model === undefined
      ? await answerOfDemo(model, question, found, keywords)
      : await answerOf(model, question, found);
  console.log(answer?.answer ?? "The documents do not say.");
  for (const { file, line } of answer?.sources ?? []) console.log(`  from ${file}, line ${line}`);
}
await embedder.dispose();
await model.dispose();

function embedderOfWords(keywords) {
  return {
    name: "words",
    embedDocuments: async (texts) => keywords.embed(texts),
    embedQuestion: async (question) => keywords.embed([question])[0],
    dispose: async () => {},
  };
}

async function embedderOfModel(source) {
  const model = await loadModel(source, { onDownload });
  // Models that were trained for search want words of their own before queries and documents.
  const purposed = model.info.embedding.family !== undefined;
  return {
    name: source,
    embedDocuments: (texts) => model.embed(texts, purposed ? { purpose: "document" } : {}),
    embedQuestion: (question) => model.embed(question, purposed ? { purpose: "query" } : {}),
    dispose: () => model.dispose(),
  };
}
