// The formats of cria embed: llama-embedding's, two of one text per line, and NumPy's.

import { checkChoice } from "../options.js";
import { UsageError } from "./failure.js";

/** The vector of a text; or the vectors of its tokens. */
type Embedding = Float32Array | readonly Float32Array[];

/** Writes embeddings one by one: what is written for each of them, and after the last. */
export interface EmbeddingWriter {
  /** `id`: what the input calls the text, if it does. */
  next(embedding: Embedding, id?: unknown): string | Uint8Array;
  /** What stands in the place of a text that has no vector. undefined: the format has no such place. */
  failed?(message: string, id?: unknown): string | Uint8Array;
  end(): string;
  /** What the output begins with, known only at its end: as many bytes as the first `next` has left free for it. */
  head?(): Uint8Array;
}

/** Makes a writer for one output, by the format's name. */
const formats: Readonly<Record<string, () => EmbeddingWriter>> = {
  array: () => list("[\n", json, "\n]\n"),
  json: () => list('{"object":"list","data":[\n', row, "\n]}\n"),
  "json+": similarities,
  jsonl: () => ({
    next: (embedding, id) => {
      const vector = json(embedding);
      return id === undefined ? `${vector}\n` : `{"id":${JSON.stringify(id)},"embedding":${vector}}\n`;
    },
    failed: (error, id) => (id === undefined ? "null\n" : `${JSON.stringify({ id, error })}\n`),
    end: () => "",
  }),
  raw: () => ({ next: (embedding) => lines(embedding, (vector) => numbers(vector).join(" ")), end: () => "" }),
  npy,
  base64: () => ({ next: (embedding) => lines(embedding, base64), end: () => "" }),
};

export const formatNames: readonly string[] = Object.keys(formats);

/** @throws CriaError INVALID_OPTION for an unknown format; UsageError for one that does not fit the vectors */
export function embeddingWriter(format: string, perToken: boolean): EmbeddingWriter {
  const make = formats[checkChoice("--embd-output-format", format, formatNames)]!;
  if ((format === "json+" || format === "npy") && perToken) {
    throw new UsageError(`${format} has one vector per text; with --pooling none a text has one for each token`);
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

/** Bytes of NumPy's header: a multiple of 64, with room for any number of rows. */
const NPY_HEADER = 128;

/**
 * NumPy's format, version 1.0: (texts, dimensions) f32, little-endian. The row of a text without a vector is NaN.
 *
 *   \x93NUMPY | 1 0 | length of what follows, u16 | {'descr': '<f4', ...} spaces \n | rows
 *   0           6     8                             10                               128
 */
function npy(): EmbeddingWriter {
  let rows = 0;
  let columns = 0;
  let missing = 0; // rows before the first vector, when nobody knows how long they are
  const row = (vector: Float32Array) => {
    const free = rows === 0 ? NPY_HEADER : 0;
    const before = rows === 0 ? missing : 0;
    columns = vector.length;
    rows += before + 1;
    const bytes = Buffer.alloc(free + 4 * columns * (before + 1));
    for (let i = 0; i < before * columns; i++) bytes.writeFloatLE(Number.NaN, free + 4 * i);
    for (let i = 0; i < columns; i++) bytes.writeFloatLE(vector[i]!, free + 4 * (before * columns + i));
    return bytes;
  };
  return {
    next: (embedding) => row(embedding as Float32Array),
    failed: () => {
      if (rows > 0) return row(new Float32Array(columns).fill(Number.NaN));
      missing++;
      return "";
    },
    end: () => "",
    head: () => {
      const bytes = Buffer.alloc(NPY_HEADER, " ");
      bytes.write("\x93NUMPY\x01\x00", "latin1");
      bytes.writeUInt16LE(NPY_HEADER - 10, 8);
      const shape = `(${rows + (rows === 0 ? missing : 0)}, ${columns})`;
      bytes.write(`{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`, 10, "latin1");
      bytes.write("\n", NPY_HEADER - 1);
      return bytes;
    },
  };
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
