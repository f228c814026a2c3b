// Activations to what a weight format multiplies: activations/ has a page for each encoding.
//
//   tile    up to 4 tokens     L1, L2     written once, then read by every group of rows of every matmul that takes it
//   token   1 row of f32       L1, L2     interleaved with the others of its tile
//
// Cost: each row is read once or twice and its encoding written once; the pages count the instructions. A tile of 2 or 3 tokens is filled
// with zeros before.
// Plain version: test/kernels/matmul.test.ts.

import { TILE_TOKENS } from "../abi";
import { Activations } from "./encodings";

/** Bytes of one token's activations: a tile of T tokens takes T times as many. */
export function activationBytes(kind: i32, columns: i32): usize {
  return changetype<Activations>(0).bytes(kind, columns);
}

/**
 * Encodes one tile: `tokens` (1 to 4) rows of `columns` f32 at `source`, `stride` bytes apart. One token makes a tile of one; 2 and 3
 * make a tile of 4 whose other tokens are zero.
 */
export function encodeActivations(
  kind: i32,
  source: usize,
  stride: usize,
  tokens: i32,
  columns: i32,
  destination: usize,
): void {
  const width: usize = tokens == 1 ? 1 : TILE_TOKENS;
  if (tokens > 1 && tokens < TILE_TOKENS) memory.fill(destination, 0, activationBytes(kind, columns) * TILE_TOKENS);
  for (let t: usize = 0; t < <usize>tokens; t++) {
    changetype<Activations>(0).encode(kind, source + t * stride, columns, destination, t, width);
  }
}
