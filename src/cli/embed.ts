// cria embed: texts to vectors, as JSON.

import type { EmbedOptions } from "../index.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { readPipe, readTextFile } from "./input.js";
import { modelOptions, withModel } from "./model-options.js";

/** Texts that are given to the model at once: enough to fill its steps, few enough to keep in memory. */
const BATCH = 64;

export const embed = command({
  usage: '[options] "text" ...',
  about: `Turns texts into vectors, as JSON on stdout. Each argument is a text; without one, each line of a file (-f) or of
stdin is. What the formats look like:
  array  [[0.1, ...], ...]
  json   {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1, ...]}, ...]}
  json+  json with "cosineSimilarity": [[1, ...], ...], of each text with each`,
  options: {
    file: { flags: ["-f", "--file"], type: "string", value: "FILE", help: "a file with one text per line; -: stdin" },
    pooling: {
      flags: ["--pooling"],
      type: "string",
      value: "TYPE",
      help: "mean: of all tokens; cls: the first; last: the last (default: what the file says, else mean)",
    },
    normalize: {
      flags: ["--embd-normalize"],
      type: "number",
      value: "N",
      help: "2: scale to length 1; -1: leave as they are (default: 2)",
    },
    format: {
      flags: ["--embd-output-format"],
      type: "string",
      value: "FORMAT",
      help: "array, json, json+ (default: array)",
    },
    ...modelOptions,
  },
  async run(values, positionals) {
    const { normalize = 2, format = "array" } = values;
    if (normalize !== 2 && normalize !== -1) {
      throw new UsageError(`--embd-normalize is ${normalize}; supported: 2 (Euclidean), -1 (none)`);
    }
    if (!Object.hasOwn(layouts, format)) {
      throw new UsageError(`--embd-output-format is "${format}"; it can be ${Object.keys(layouts).join(", ")}`);
    }
    const layout = layouts[format as keyof typeof layouts];
    const texts = await textsOf(positionals, values.file);
    await withModel(values, async (model, signal) => {
      const options: EmbedOptions = {
        pooling: values.pooling as EmbedOptions["pooling"],
        normalize: normalize === 2,
        signal,
      };
      const kept: Float32Array[] = [];
      for (let first = 0; first < texts.length; first += BATCH) {
        const vectors = await model.embed(texts.slice(first, first + BATCH), options);
        for (const [i, vector] of vectors.entries()) {
          const before = first + i === 0 ? layout.begin : ",\n";
          process.stdout.write(before + layout.row(first + i, numbers(vector)));
        }
        if (layout.similarities) kept.push(...vectors);
      }
      if (layout.similarities) {
        const rows = kept.map((vector) => `[${kept.map((other) => cosine(vector, other)).join()}]`);
        process.stdout.write(`\n],"cosineSimilarity":[\n${rows.join(",\n")}`);
      }
      process.stdout.write(layout.end);
    });
  },
});

const row = (index: number, vector: string) => `{"object":"embedding","index":${index},"embedding":${vector}}`;

/** How the vectors are written: the first one after `begin`, one in a line. */
const layouts = {
  array: { begin: "[\n", row: (_: number, vector: string) => vector, similarities: false, end: "\n]\n" },
  json: { begin: '{"object":"list","data":[\n', row, similarities: false, end: "\n]}\n" },
  "json+": { begin: '{"object":"list","data":[\n', row, similarities: true, end: "\n]}\n" },
} as const;

async function textsOf(positionals: readonly string[], file: string | undefined): Promise<readonly string[]> {
  if (positionals.length > 0) {
    if (file !== undefined) throw new UsageError("texts are arguments or lines of a file (-f), not both");
    return positionals;
  }
  const text = file === undefined ? await readPipe("a text") : await readTextFile(file);
  if (text === "") throw new UsageError("no texts: the input is empty");
  return text.split(/\r?\n/);
}

/** A vector with the fewest digits that always give the same f32 again: nine. */
function numbers(vector: Float32Array): string {
  return `[${Array.from(vector, (element) => Number(element.toPrecision(9))).join()}]`;
}

/** The cosine of the angle between two vectors, rounded to six digits after the point. */
function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, element, i) => sum + element * y[i]!, 0);
  return Number((dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))).toFixed(6));
}
