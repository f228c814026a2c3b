// The formats of cria embed: llama-embedding's, and two of one text per line.

import { checkChoice } from "../options.js";
import { UsageError } from "./failure.js";

/** The vector of a text; or the vectors of its tokens. */
type Embedding = Float32Array | readonly Float32Array[];

/** Writes embeddings one by one: the text for each of them, and the text after the last. */
export interface EmbeddingWriter {
  next(embedding: Embedding): string;
  end(): string;
}

/** Makes a writer for one output, by the format's name. */
const formats: Readonly<Record<string, () => EmbeddingWriter>> = {
  array: () => list("[\n", json, "\n]\n"),
  json: () => list('{"object":"list","data":[\n', row, "\n]}\n"),
  "json+": similarities,
  jsonl: () => ({ next: (embedding) => `${json(embedding)}\n`, end: () => "" }),
  raw: () => ({ next: (embedding) => lines(embedding, (vector) => numbers(vector).join(" ")), end: () => "" }),
  base64: () => ({ next: (embedding) => lines(embedding, base64), end: () => "" }),
};

export const formatNames: readonly string[] = Object.keys(formats);

/** @throws CriaError INVALID_OPTION for an unknown format; UsageError for one that does not fit the vectors */
export function embeddingWriter(format: string, perToken: boolean): EmbeddingWriter {
  const make = formats[checkChoice("--embd-output-format", format, formatNames)]!;
  if (format === "json+" && perToken) {
    throw new UsageError("json+ compares one vector per text; with --pooling none a text has one for each token");
  }
  return make();
}

/** One list: its first element after `begin`, one in a line. */
function list(begin: string, element: (embedding: Embedding, index: number) => string, end: string): EmbeddingWriter {
  let count = 0;
  return {
    next: (embedding) => (count === 0 ? begin : ",\n") + element(embedding, count++),
    end: () => end,
  };
}

function row(embedding: Embedding, index: number): string {
  return `{"object":"embedding","index":${index},"embedding":${json(embedding)}}`;
}

function similarities(): EmbeddingWriter {
  const vectors: Float32Array[] = [];
  const rows = list('{"object":"list","data":[\n', row, "");
  return {
    next(embedding) {
      vectors.push(embedding as Float32Array);
      return rows.next(embedding);
    },
    end() {
      const matrix = vectors.map((vector) => `[${vectors.map((other) => cosine(vector, other)).join()}]`);
      return `\n],"cosineSimilarity":[\n${matrix.join(",\n")}\n]}\n`;
    },
  };
}

function isVector(embedding: Embedding): embedding is Float32Array {
  return embedding instanceof Float32Array;
}

function json(embedding: Embedding): string {
  return `[${(isVector(embedding) ? numbers(embedding) : embedding.map(json)).join()}]`;
}

function lines(embedding: Embedding, line: (vector: Float32Array) => string): string {
  return (isVector(embedding) ? [embedding] : embedding).map((vector) => `${line(vector)}\n`).join("");
}

/** The fewest digits that always give the same f32 again: nine. */
function numbers(vector: Float32Array): readonly number[] {
  return Array.from(vector, (element) => Number(element.toPrecision(9)));
}

function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, element] of vector.entries()) bytes.writeFloatLE(element, 4 * i);
  return bytes.toString("base64");
}

/** The cosine of the angle between two vectors, rounded to six digits after the point. */
function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, element, i) => sum + element * y[i]!, 0);
  return Number((dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))).toFixed(6));
}
