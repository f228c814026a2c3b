// Rung 7: all cores. Every worker runs this function at the same time over the same memory; each takes groups of rows until
// none is left, so a worker that is held up leaves the rest to the others. A barrier joins them where one reads what another wrote.

import { TILE_TOKENS } from "../../assembly/abi";
import { activationBytes, encodeActivations } from "../../assembly/kernels/encode";
import { matmul as kernel, matmulScratchBytes } from "../../assembly/kernels/matmul";
import { formatActivation } from "../../assembly/kernels/weights";
import { barrier, ticket } from "../../assembly/team";

export { pack } from "./4_panels";

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
