// Activations to what a weight format multiplies: activations/ has a page for each encoding, and says what it costs.
//
// Plain version: test/kernels/matmul-limits.test.ts.

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
