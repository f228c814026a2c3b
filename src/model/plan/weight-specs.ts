// The weights that an architecture names, and their shapes.

import type { Hyperparameters } from "../hyperparameters.js";

/** One weight that an architecture looks for. Shapes are (rows, columns): GGUF's order turned round. */
export interface WeightSpec {
  readonly name: string;
  /**
   * matrix: packed, multiplied. embedding: stays in the file's layout, rows are looked up. vector: f32, used as it is.
   */
  readonly role: "matrix" | "embedding" | "vector";
  readonly rows: number;
  readonly columns: number;
  readonly optional?: boolean;
}

/** A weight that files may lack. */
export interface OptionalSpec extends WeightSpec {
  readonly optional: true;
}

/** The weights of one layer, by what the forward pass calls them. */
export type LayerSpecs = Readonly<Record<string, WeightSpec>>;

export function embedding(name: string, rows: number, columns: number): WeightSpec {
  return { name, role: "embedding", rows, columns };
}

export function matrix(name: string, rows: number, columns: number): WeightSpec {
  return { name, role: "matrix", rows, columns };
}

export function vector(name: string, columns: number): WeightSpec {
  return { name, role: "vector", rows: 1, columns };
}

export function optional(spec: WeightSpec): OptionalSpec {
  return { ...spec, optional: true };
}

/** All weights of a decoder: the embedding, which without an `output.weight` is the output matrix too, the layers, and the last norm. */
export function decoderWeights(
  h: Hyperparameters,
  has: (name: string) => boolean,
  layerSpecs: (h: Hyperparameters, layer: number) => LayerSpecs,
): readonly WeightSpec[] {
  const tied = !has("output.weight");
  const specs: WeightSpec[] = [(tied ? matrix : embedding)("token_embd.weight", h.vocab, h.dim)];
  for (let layer = 0; layer < h.layers; layer++) specs.push(...Object.values(layerSpecs(h, layer)));
  specs.push(vector("output_norm.weight", h.dim));
  if (!tied) specs.push(matrix("output.weight", h.vocab, h.dim));
  return specs;
}
