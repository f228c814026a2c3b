// One tensor's data for the new file, piece by piece: read, encoded by the workers, and in order again.

import { type Gguf, type GgufTensor, type TensorTypeName, tensorTypeByName } from "../gguf/index.js";
import { weightValueError } from "../weight-value.js";
import { PIECE_WEIGHTS } from "./encoder.js";
import type { EncoderPool } from "./encoder-pool.js";
import { floatTypes } from "./file-types.js";

/** Bytes of a tensor that is copied, at a time. */
const COPY_BYTES = 2 ** 20;

/** A piece of a tensor in the new file. */
export interface FilePiece {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly weights: number;
}

/** The tensor's bytes in the new file, in order; some pieces ahead of the reader are being encoded. */
export async function* encodedPieces(
  gguf: Gguf,
  tensor: GgufTensor,
  type: TensorTypeName,
  pool: EncoderPool,
): AsyncGenerator<FilePiece> {
  if (!floatTypes.includes(tensor.type)) return yield* copiedPieces(gguf, tensor);
  const pending: Promise<FilePiece>[] = [];
  const weights = weightsOf(tensor.shape);
  for (let first = 0; first < weights; first += PIECE_WEIGHTS) {
    const piece = encodePiece(gguf, tensor, type, first, Math.min(PIECE_WEIGHTS, weights - first), pool);
    piece.catch(() => undefined); // its reader gets the error; there may be none when another piece fails first
    pending.push(piece);
    if (pending.length > pool.ahead) yield await pending.shift()!;
  }
  for (const piece of pending) yield await piece;
}

/** Encodes `weights` weights of a tensor from weight `first` on. */
async function encodePiece(
  gguf: Gguf,
  tensor: GgufTensor,
  type: TensorTypeName,
  first: number,
  weights: number,
  pool: EncoderPool,
): Promise<FilePiece> {
  const from = tensorTypeByName(tensor.type)!;
  const bytes = await gguf.readTensor(tensor, first * from.blockBytes, weights * from.blockBytes);
  const encoded = await pool.encode({ from: from.id, to: tensorTypeByName(type)!.id, weights, bytes });
  if ("bytes" in encoded) return { bytes: encoded.bytes, weights };
  const { badIndex, badWeight, largest } = encoded;
  throw weightValueError(tensor.name, first + badIndex, badWeight, type, largest);
}

/** The pieces of a tensor that does not hold floats: as they are. */
async function* copiedPieces(gguf: Gguf, tensor: GgufTensor): AsyncGenerator<FilePiece> {
  const weights = weightsOf(tensor.shape);
  for (let from = 0; from < tensor.bytes; from += COPY_BYTES) {
    const bytes = await gguf.readTensor(tensor, from, Math.min(COPY_BYTES, tensor.bytes - from));
    yield { bytes, weights: (weights * bytes.length) / tensor.bytes };
  }
}

/** Weights of a tensor. */
export function weightsOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
