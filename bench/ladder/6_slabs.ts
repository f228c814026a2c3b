// Rung 6: every level of the caches has a name. This is the engine's own kernel, assembly/kernels/matmul.ts: 8 rows of a chunk of columns
// are unpacked once to a panel in L1, which serves all tokens; tokens lie interleaved in tiles; the weights stream past once, however
// many tokens there are. One token needs no panel and is multiplied straight from the packed bytes.

import { TILE_TOKENS } from "../../assembly/abi";
import { activationBytes, encodeActivations } from "../../assembly/kernels/encode";
import { matmul as kernel } from "../../assembly/kernels/matmul";
import { formatActivation } from "../../assembly/kernels/weights";

export { pack } from "./4_panels";

// ggml's number for Q4_0.
const TYPE: i32 = 2;

export function matmul(w: usize, x: usize, y: usize, rows: i32, columns: i32, tokens: i32, scratch: usize): void {
  const kind = formatActivation(TYPE);
  const tokenBytes = activationBytes(kind, columns);
  const stride = <usize>columns << 2;
  for (let token = 0; token < tokens; token += TILE_TOKENS) {
    const to = scratch + <usize>token * tokenBytes;
    encodeActivations(kind, x + <usize>token * stride, stride, min(TILE_TOKENS, tokens - token), columns, to);
  }
  const kernelScratch = scratch + <usize>(tokens + TILE_TOKENS) * tokenBytes;
  kernel(TYPE, w, 0, rows / 8, columns, scratch, tokens, y, <usize>rows << 2, 0, kernelScratch);
}
