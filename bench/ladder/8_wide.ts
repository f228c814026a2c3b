// Rung 8: 256 bits at once. WebAssembly has vectors of 128 bits; V8 has a pass that joins two operations on neighbouring 16 bytes to one of
// 32, behind a flag. The engine's wide module (assembly/wide.ts) is the same kernel, laid out for that pass: 16 rows x 4 tokens in a tile.
// It is compiled with the flag and called in place of rung 7's; all else is as there, and so is every bit of the result.
//
//     128 bits:   rows 0..3  x  token     256 bits:   rows 0..7  x  token
//                 rows 4..7  x  token                 rows 8..15 x  token

import { TILE_TOKENS } from "../../assembly/abi";
import { activationBytes, encodeActivations } from "../../assembly/kernels/encode";
import { matmulScratchBytes } from "../../assembly/kernels/matmul";
import { formatActivation } from "../../assembly/kernels/weights";
import { barrier, ticket } from "../../assembly/team";

export { pack } from "./4_panels";

/** The wide module's. */
// @ts-ignore: AssemblyScript's decorator
@external("wide", "matmul")
declare function kernel(
  type: i32,
  w: usize,
  first: i32,
  last: i32,
  columns: i32,
  x: usize,
  tokens: i32,
  y: usize,
  stride: usize,
  accumulate: i32,
  scratch: usize,
): void;

const TYPE: i32 = 2;
const PIECES: i32 = 64;
// Cells of tickets.
const TILES: i32 = 0;
const GROUPS: i32 = 1;
const SCRATCHES: i32 = 2;
const MOST_WORKERS: i32 = 1024;

export function matmul(w: usize, x: usize, y: usize, rows: i32, columns: i32, tokens: i32, scratch: usize): void {
  const kind = formatActivation(TYPE);
  const tokenBytes = activationBytes(kind, columns);
  const stride = <usize>columns << 2;
  for (let token = ticket(TILES, 0, tokens) * TILE_TOKENS; token < tokens; token = ticket(TILES, 0, tokens) * TILE_TOKENS) {
    const to = scratch + <usize>token * tokenBytes;
    encodeActivations(kind, x + <usize>token * stride, stride, min(TILE_TOKENS, tokens - token), columns, to);
  }
  barrier(0);
  const first = scratch + <usize>(tokens + TILE_TOKENS) * tokenBytes;
  const own = first + <usize>ticket(SCRATCHES, 0, MOST_WORKERS) * ((matmulScratchBytes(tokens) + 63) & ~63);
  const groups = rows / 8;
  const piece = max(1, groups / PIECES);
  for (let group = ticket(GROUPS, 0, groups) * piece; group < groups; group = ticket(GROUPS, 0, groups) * piece) {
    kernel(TYPE, w, group, min(groups, group + piece), columns, scratch, tokens, y, <usize>rows << 2, 0, own);
  }
  barrier(0);
}
