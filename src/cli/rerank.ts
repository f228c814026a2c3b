// cria rerank: documents in the order in which they answer a query.

import type { Model, RerankOptions } from "../index.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { readLines } from "./input.js";
import { modelOptions, withModel } from "./model-options.js";
import { outputText } from "./terminal-text.js";

export const rerank = command({
  usage: '[options] "query" "document" ...',
  about: `Scores documents as answers to a query, by a reranker, and prints the best first: score, place among the documents
(from 0), document, with tabs between them. Without documents as arguments, each line of a file (-f) or of stdin is one.`,
  options: {
    file: {
      flags: ["-f", "--file"],
      type: "string",
      value: "FILE",
      help: "a file with one document per line; -: stdin",
    },
    topN: { flags: ["--top-n"], type: "number", value: "N", help: "print the N best (default: all)" },
    overlong: {
      flags: ["--overlong"],
      type: "string",
      value: "HOW",
      choices: ["error", "truncate"],
      help: "a pair that does not fit: error, truncate: leave out the document's end (default: error)",
    },
    answers: {
      flags: ["--answers"],
      type: "boolean",
      help: "rank by the answers yes and no of a Qwen3 without a ranking head (default: where its name is Qwen3-Reranker)",
    },
    json: { flags: ["--json"], type: "boolean", help: 'print [{"index": 0, "score": 0.1, "document": "..."}, ...]' },
    ...modelOptions,
  },
  async run(values, [query, ...given]) {
    if (query === undefined) throw new UsageError("a query is missing: it is the first argument");
    const documents = await readLines("a document", given, values.file);
    const rank = async (model: Model, signal: AbortSignal) => {
      const { topN, overlong } = values;
      const options = { topN, overlong: overlong as RerankOptions["overlong"], signal };
      const ranked = await model.rerank(query, documents, options);
      const rows = ranked.map(({ index, score }) => ({ index, score, document: documents[index]! }));
      if (values.json) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
      else
        for (const { index, score, document } of rows)
          process.stdout.write(`${score.toFixed(6)}\t${index}\t${outputText(document)}\n`);
    };
    await withModel(values, rank, { rerank: values.answers });
  },
});
