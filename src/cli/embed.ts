// cria embed: texts to vectors.

import type { QueuedEmbedOptions } from "../adapters/bullmq/index.js";
import type { EmbedOptions, Overlong, Pooling, Purpose } from "../index.js";
import { idleOption, invalidOption } from "../options.js";
import { command } from "./command.js";
import { embeddingWriter, formatNames } from "./embed-output.js";
import { UsageError } from "./failure.js";
import { readLines } from "./input.js";
import { modelOptions, withModel } from "./model-options.js";
import { outputTo } from "./output-file.js";
import { queueOptions } from "./queue-options.js";

/** Texts whose vectors are kept in memory until they are written. */
const BATCH = 1024;

export const embed = command({
  usage: '[options] "text" ... | --queue URL [options] FILE ...',
  about: `Turns texts into vectors. Each argument is a text; without arguments, each line of a file (-f) or of stdin is one.
With --queue the arguments are files, and the workers of a queue (cria worker) compute: each line is a text, in .jsonl a string or
{"text": "...", "id": ...}. Without -m the model is the workers' own. A second run finds what the first has finished.
The formats:
  array   [[0.1, ...], ...]
  json    {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1, ...]}, ...]}
  json+   json with "cosineSimilarity": [[1, ...], ...], of each text with each
  jsonl   [0.1, ...] in a line for each text; {"id": ..., "embedding": [0.1, ...]} for one with an id
  npy     NumPy's, (texts, dimensions) f32; with -o
  raw     0.1 ... in a line for each vector
  base64  a line for each vector: little-endian f32, as OpenAI's encoding_format has it`,
  options: {
    file: { flags: ["-f", "--file"], type: "string", value: "FILE", help: "a file with one text per line; -: stdin" },
    pooling: {
      flags: ["--pooling"],
      type: "string",
      value: "TYPE",
      choices: ["mean", "cls", "last", "none", "rank"],
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
      choices: ["query", "document"],
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
      choices: ["error", "truncate", "chunk-mean"],
      help: "a text that does not fit: error, truncate, chunk-mean (default: error)",
    },
    format: {
      flags: ["--embd-output-format"],
      type: "string",
      value: "FORMAT",
      choices: formatNames,
      help: `${formatNames.join(", ")} (default: array)`,
    },
    output: { flags: ["-o", "--output"], type: "string", value: "FILE", help: "write to a file (default: stdout)" },
    ...queueOptions,
    chunk: { flags: ["--chunk"], type: "number", value: "N", help: "with --queue: texts of a job (default: 64)" },
    inFlight: {
      flags: ["--in-flight"],
      type: "number",
      value: "N",
      help: "with --queue: jobs that are in the queue at a time (default: 256)",
    },
    keep: {
      flags: ["--keep"],
      type: "number",
      value: "SECONDS",
      help: "with --queue: how long Redis keeps the results (default: 86400, a day)",
    },
    ...modelOptions,
  },
  async run(values, positionals) {
    const { normalize, format = "array", queue } = values;
    if (normalize !== undefined && normalize !== 2 && normalize !== -1) {
      throw invalidOption("--embd-normalize", "2 (Euclidean) or -1 (none)", normalize);
    }
    const writer = embeddingWriter(format, values.pooling === "none");
    if (writer.head !== undefined && values.output === undefined) {
      throw new UsageError(`the beginning of ${format} is written last, so it needs a file: -o FILE`);
    }
    const { queryPrompt: query, documentPrompt: document } = values;
    const options: EmbedOptions<Pooling> = {
      pooling: values.pooling as Pooling | undefined,
      ...(normalize !== undefined && { normalize: normalize === 2 }),
      dimensions: values.dimensions,
      purpose: values.purpose as Purpose | undefined,
      ...((query !== undefined || document !== undefined) && { prompts: { query, document } }),
      overlong: values.overlong as Overlong | undefined,
    };
    const files = [...positionals, ...(values.file === undefined ? [] : [values.file])];
    const texts = queue === undefined ? await readLines("a text", positionals, values.file) : [];
    checkQueue(values, files);
    const output = await outputTo(values.output);
    try {
      if (queue !== undefined) {
        const { embedByQueue } = await import("./embed-queue.js");
        const { chunk, inFlight } = values;
        // What the type says of the pooling, the adapter checks.
        const queued = { ...options, chunk, inFlight } as QueuedEmbedOptions;
        await embedByQueue(queue, files, values, queued, output, writer);
        return;
      }
      await withModel(values, async (model, signal) => {
        for (let first = 0; first < texts.length; first += BATCH) {
          const vectors = await model.embed(texts.slice(first, first + BATCH), { ...options, signal });
          for (const vector of vectors) await output.write(writer.next(vector));
        }
        await output.write(writer.end());
        await output.finish(writer.head?.());
      });
    } catch (error) {
      await output.discard();
      throw error;
    }
  },
});

/** @throws UsageError */
function checkQueue(
  values: { readonly [Name in "queue" | "queueName" | "queuePrefix" | "chunk" | "inFlight" | "keep"]?: unknown },
  files: readonly string[],
): void {
  if (values.queue !== undefined) {
    if (files.length === 0) throw new UsageError("with --queue, files of texts are missing; -: stdin");
    return;
  }
  const flags = { queueName: "--queue-name", queuePrefix: "--queue-prefix", chunk: "--chunk" } as const;
  const more = { ...flags, inFlight: "--in-flight", keep: "--keep" } as const;
  for (const [name, flag] of Object.entries(more)) {
    if (values[name as keyof typeof more] !== undefined) throw idleOption(flag, "--queue is not");
  }
}
