// The weights that an architecture names, and their shapes.

import { GROUP_ROWS } from "#abi";
import { UnsupportedError } from "../../errors.js";
import type { Hyperparameters } from "../hyperparameters.js";

/** One weight that an architecture looks for. Shapes are (rows, columns), the reverse of GGUF's order. */
export interface WeightSpec {
  readonly name: string;
  /**
   * matrix: packed, multiplied. embedding: stays in the file's layout, rows are looked up. table: an embedding that stays in the file,
   * of which memory holds the rows of a step's tokens. vector: f32, used as it is.
   */
  readonly role: "matrix" | "embedding" | "table" | "vector";
  /** Of an embedding: its rows are looked up by token. A large one may become a table. */
  readonly byToken?: boolean;
  readonly rows: number;
  readonly columns: number;
  /** The file's tensor is so many matrices, one after another; `rows` counts those of all. Each has a multiple of GROUP_ROWS. */
  readonly matrices?: number;
  readonly optional?: boolean;
  /** The layer that it belongs to. undefined: it is read before the first layer, or after the last. */
  readonly layer?: number;
  /** The file has no such tensor: its rows are these rows of another one, in this order. */
  readonly gather?: { readonly tensor: string; readonly rows: readonly number[] };
  /** Only these rows of the matrix, or elements of the vector: the forward pass treats them as one of their own. */
  readonly slice?: { readonly first: number; readonly count: number };
}

/** A weight that files may lack. */
export interface OptionalSpec extends WeightSpec {
  readonly optional: true;
}

/** The weights of one layer, by their names in the forward pass. undefined: this architecture has none of that name. */
export type LayerSpecs = Readonly<Record<string, WeightSpec | undefined>>;

export function embedding(name: string, rows: number, columns: number): WeightSpec {
  return { name, role: "embedding", rows, columns };
}

/** An embedding of tokens. */
export function tokenEmbedding(name: string, rows: number, columns: number): WeightSpec {
  return { ...embedding(name, rows, columns), byToken: true };
}

export function matrix(name: string, rows: number, columns: number): WeightSpec {
  return { name, role: "matrix", rows, columns };
}

export function vector(name: string, columns: number): WeightSpec {
  return { name, role: "vector", rows: 1, columns };
}

/** `count` matrices in one tensor, such as those of all experts: (count, rows, columns). `rows` is a multiple of GROUP_ROWS. */
export function matrices(name: string, count: number, rows: number, columns: number): WeightSpec {
  return { name, role: "matrix", rows: count * rows, columns, matrices: count };
}

/** `count` vectors in one tensor: (count, columns). */
export function vectors(name: string, count: number, columns: number): WeightSpec {
  return { name, role: "vector", rows: count, columns };
}

/** A matrix that is made of rows of a tensor. */
export function gathered(name: string, tensor: string, rows: readonly number[], columns: number): WeightSpec {
  return { name, role: "matrix", rows: rows.length, columns, gather: { tensor, rows } };
}

export function optional(spec: WeightSpec): OptionalSpec {
  return { ...spec, optional: true };
}

/**
 * The parts of a matrix or a vector, for files that store several in one (q, k and v, or gate and up): so many rows or elements each,
 * one after another.
 *
 * @throws UnsupportedError for parts of a matrix that do not consist of the groups in which rows are packed
 */
export function partsOf<Spec extends WeightSpec>(spec: Spec, counts: readonly number[]): readonly Spec[] {
  let first = 0;
  return counts.map((count) => {
    if (spec.role === "matrix" && count % GROUP_ROWS !== 0) {
      throw new UnsupportedError(
        "UNSUPPORTED_ARCHITECTURE",
        `${spec.name} consists of matrices of ${counts.join(", ")} rows; supported: multiples of ${GROUP_ROWS} in all`,
      );
    }
    const part = { ...spec, slice: { first, count } };
    first += count;
    return part;
  });
}

/** The weights of all layers, in the order in which a forward pass reads them. A weight that is read in parts appears once. */
export function layerWeights(h: Hyperparameters, layerSpecs: (h: Hyperparameters, layer: number) => LayerSpecs) {
  const specs = new Map<string, WeightSpec>();
  for (let layer = 0; layer < h.layers; layer++) {
    for (const spec of Object.values(layerSpecs(h, layer))) {
      if (spec === undefined) continue;
      const { slice: _, ...whole } = spec;
      specs.set(spec.name, { ...whole, layer });
    }
  }
  return [...specs.values()];
}

/**
 * All weights of a decoder: embedding, layers, last norm and output matrix. Without `output.weight`, the embedding is that matrix too.
 * `lastNorm`: what files call the last norm.
 */
export function decoderWeights(
  h: Hyperparameters,
  has: (name: string) => boolean,
  layerSpecs: (h: Hyperparameters, layer: number) => LayerSpecs,
  lastNorm = "output_norm.weight",
): readonly WeightSpec[] {
  const tied = !has("output.weight");
  return [
    (tied ? matrix : tokenEmbedding)("token_embd.weight", h.vocab, h.dim),
    ...layerWeights(h, layerSpecs),
    vector(lastNorm, h.dim),
    ...(tied ? [] : [matrix("output.weight", h.vocab, h.dim)]),
  ];
}
