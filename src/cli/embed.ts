// cria embed: texts to vectors.

import type { EmbedOptions, Overlong, Pooling, Purpose } from "../index.js";
import { invalidOption } from "../options.js";
import { command } from "./command.js";
import { embeddingWriter, formatNames } from "./embed-output.js";
import { readLines } from "./input.js";
import { modelOptions, withModel } from "./model-options.js";

/** Texts whose vectors are kept in memory until they are written. */
const BATCH = 1024;

export const embed = command({
  usage: '[options] "text" ...',
  about: `Turns texts into vectors, on stdout. Each argument is a text; without arguments, each line of a file (-f) or of stdin is one.
The formats:
  array   [[0.1, ...], ...]
  json    {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1, ...]}, ...]}
  json+   json with "cosineSimilarity": [[1, ...], ...], of each text with each
  jsonl   [0.1, ...] in a line for each text
  raw     0.1 ... in a line for each vector
  base64  a line for each vector: little-endian f32, as OpenAI's encoding_format has it`,
  options: {
    file: { flags: ["-f", "--file"], type: "string", value: "FILE", help: "a file with one text per line; -: stdin" },
    pooling: {
      flags: ["--pooling"],
      type: "string",
      value: "TYPE",
      help: "mean: of all tokens; cls: the first; last: the last; none: each; rank: scores (default: what the file says, else mean)",
    },
    normalize: {
      flags: ["--embd-normalize"],
      type: "number",
      value: "N",
      help: "2: scale to length 1; -1: leave as they are (default: 2)",
    },
    dimensions: {
      flags: ["--dimensions"],
      type: "number",
      value: "N",
      help: "keep the first N elements (Matryoshka; default: all)",
    },
    purpose: {
      flags: ["--purpose"],
      type: "string",
      value: "WHAT",
      help: "query, document: put the prompt of the model's family before each text (default: none)",
    },
    queryPrompt: {
      flags: ["--query-prompt"],
      type: "string",
      value: "TEXT",
      help: "what --purpose query puts before each text instead",
    },
    documentPrompt: {
      flags: ["--document-prompt"],
      type: "string",
      value: "TEXT",
      help: "what --purpose document puts before each text instead",
    },
    overlong: {
      flags: ["--overlong"],
      type: "string",
      value: "HOW",
      help: "a text that does not fit: error, truncate, chunk-mean (default: error)",
    },
    format: {
      flags: ["--embd-output-format"],
      type: "string",
      value: "FORMAT",
      help: `${formatNames.join(", ")} (default: array)`,
    },
    ...modelOptions,
  },
  async run(values, positionals) {
    const { normalize, format = "array" } = values;
    if (normalize !== undefined && normalize !== 2 && normalize !== -1) {
      throw invalidOption("--embd-normalize", "2 (Euclidean) or -1 (none)", normalize);
    }
    const writer = embeddingWriter(format, values.pooling === "none");
    const texts = await readLines("a text", positionals, values.file);
    const { queryPrompt: query, documentPrompt: document } = values;
    await withModel(values, async (model, signal) => {
      const options: EmbedOptions<Pooling> = {
        pooling: values.pooling as Pooling | undefined,
        ...(normalize !== undefined && { normalize: normalize === 2 }),
        dimensions: values.dimensions,
        purpose: values.purpose as Purpose | undefined,
        ...((query !== undefined || document !== undefined) && { prompts: { query, document } }),
        overlong: values.overlong as Overlong | undefined,
        signal,
      };
      for (let first = 0; first < texts.length; first += BATCH) {
        const vectors = await model.embed(texts.slice(first, first + BATCH), options);
        for (const vector of vectors) process.stdout.write(writer.next(vector));
      }
      process.stdout.write(writer.end());
    });
  },
});
