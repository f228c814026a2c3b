// Encodes pieces of a tensor with the kernels, in a memory of its own:
//
//   scratch | the piece as it is in the file | the piece as f32 | the piece encoded

import { instantiateKernels, type Kernels } from "../machine/kernels.js";
import { allocateMemory, SharedMemory } from "../machine/shared-memory.js";

/** Weights of a piece, at most: a whole number of blocks of every format. */
export const PIECE_WEIGHTS = 2 ** 18;

/** A piece of a tensor to encode: its bytes, of type `from`, an F32, F16 or BF16; types are ggml's numbers. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly weights: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A piece encoded, or the first weight of it that cannot be, beside the largest magnitude that can. */
export type EncodedPiece =
  | { readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly badIndex: number; readonly badWeight: number; readonly largest: number };

export class Encoder {
  readonly #kernels: Kernels;
  readonly #memory: SharedMemory;
  readonly #scratchBytes: number;

  constructor(module: WebAssembly.Module) {
    // The module imports a memory of at least one page, and says itself how much scratch it needs.
    const sizes = instantiateKernels(module, allocateMemory(1, "the kernels' sizes"));
    this.#scratchBytes = Math.ceil(sizes.quantizeScratchBytes() / 64) * 64;
    const pages = Math.ceil((this.#scratchBytes + 3 * 4 * PIECE_WEIGHTS) / 65536);
    this.#memory = new SharedMemory(allocateMemory(pages, "an encoder"));
    this.#kernels = instantiateKernels(module, this.#memory.memory);
  }

  encode({ from, to, weights, bytes }: Piece): EncodedPiece {
    const scratch = 0;
    const source = this.#scratchBytes;
    const floats = source + 4 * PIECE_WEIGHTS;
    const encoded = floats + 4 * PIECE_WEIGHTS;
    this.#memory.bytes.set(bytes, source);
    this.#kernels.dequantizeRow(from, source, weights, floats, scratch);
    const done = this.#kernels.quantizeRow(to, floats, weights, encoded, scratch);
    if (done < weights) {
      const badWeight = this.#memory.floats(floats, weights)[done]!;
      return { badIndex: done, badWeight, largest: this.#kernels.formatLargest(to) };
    }
    const size = (weights / this.#kernels.formatBlockWeights(to)) * this.#kernels.formatBlockBytes(to);
    return { bytes: this.#memory.bytes.slice(encoded, encoded + size) };
  }
}
