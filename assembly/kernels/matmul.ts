// y[token, row] = sum over columns of w[row, column] * x[token, column], for packed weights of any format.
//
//   share   my groups of 8 rows            worker     each weight is read by one core only
//   group   8 rows of w                    L1, L2     the sums of 8 rows for all tokens stay here
//   chunk   up to 2048 columns             L1         decoded once to a panel (20 KB), which stays while all tokens pass
//   tile    8 rows x 4 tokens (or x 1)     registers  the microkernel; its activations stream from L2
//   block   32 or 256 columns              k          the only loop with arithmetic; k is never split: one result is one fixed
//                                                     sequence of additions, whatever the tile, the chunk or the worker
//
// One token alone needs no panel: formats that have a `stream` multiply it straight from the packed bytes, with the same integers and the
// same additions. Formats that have a `streamTile` do so for a few tiles too: decoding would be more work than it saves, and nothing is
// multiplied while it waits for memory.
//
// Cost for a group: its packed bytes are read once, for any number of tokens, and 32 bytes are written for each token; the rest is the
// decoding (each format's page) and the microkernel (micro_*.ts), which has the registers. Results of a chunk continue from those of the
// chunk before, in `sums` (L1 or L2), and are written to y at the end, or added to it.
//
// Scratch:
//
//   OFFSET       SIZE            DESCRIPTION
//        0         64            the job: class Matmul
//       64      20480            panel of a chunk (PANEL_BYTES)
//    20544        128            32-bit sums of a tile (SUMS32_BYTES)
//    20672   32 * tokens         8 f32 of each token, tokens rounded up to a multiple of 4

import { GROUP_ROWS, TILE_TOKENS } from "../abi";
import { PANEL_Q8_32_BYTES } from "../formats/panel";
import { withFormat } from "../formats/table";
import { Activations, bytesOf } from "./encodings";

// The largest panel: 64 blocks of 32 with their scales and minima.
@inline const PANEL_BYTES: usize = 64 * PANEL_Q8_32_BYTES;
@inline const JOB_BYTES: usize = 64;
@inline const SUMS32_BYTES: usize = 128;

/** Bytes of the sums of 8 rows for `tokens` tokens, in whole tiles. */
@inline
function sumsBytes(tokens: i32): usize {
  return <usize>((tokens + 3) & ~3) * 32;
}

/** Bytes of scratch that a matmul of up to `tokens` tokens needs. */
export function matmulScratchBytes(tokens: i32): usize {
  return JOB_BYTES + PANEL_BYTES + SUMS32_BYTES + sumsBytes(tokens);
}

@unmanaged
class Matmul {
  weights: usize;
  firstGroup: i32;
  lastGroup: i32;
  columns: i32;
  x: usize;
  tokens: i32;
  y: usize;
  stride: usize;
  accumulate: i32;

  run<F>(): i32 {
    return changetype<Activations>(0).multiply<Matmul, F>(changetype<usize>(this));
  }

  /** Weight format F by activations of encoding E, with microkernel M. */
  multiply<F, E, M>(): i32 {
    const chunkColumns = changetype<M>(0).chunk;
    const columns = this.columns;
    const tokens = this.tokens;
    const panel = changetype<usize>(this) + JOB_BYTES;
    const sums = panel + PANEL_BYTES + SUMS32_BYTES;
    const groupBytes = <usize>(columns / changetype<F>(0).blockWeights) * changetype<F>(0).blockBytes * GROUP_ROWS;
    const tokenBytes = bytesOf<E>(columns);

    for (let group = this.firstGroup; group < this.lastGroup; group++) {
      let w = this.weights + <usize>group * groupBytes;
      memory.fill(sums, 0, sumsBytes(tokens));
      if (isDefined(changetype<F>(0).stream)) {
        if (tokens == 1) {
          changetype<F>(0).stream(w, this.x, sums, columns / changetype<F>(0).blockWeights, panel);
          this.write(sums, group);
          continue;
        }
      }
      let streams = false;
      if (isDefined(changetype<F>(0).streamTile)) streams = tokens <= changetype<F>(0).streamTokens;
      let xChunk = this.x;
      for (let k = 0; k < columns; k += chunkColumns) {
        const width = min(chunkColumns, columns - k);
        const packed = w;
        if (streams) w += <usize>(width / changetype<F>(0).blockWeights) * changetype<F>(0).blockBytes * GROUP_ROWS;
        else w = decode<F, M>(w, panel, width);
        const chunkBytes = bytesOf<E>(width);
        let x = this.x;
        let y = sums;
        for (let t = 0; t < tokens; t += TILE_TOKENS, y += TILE_TOKENS << 5) {
          if (streams) {
            streamTile<F>(packed, x, xChunk - this.x, tokens - t, y, width, panel);
          } else if (tokens - t == 1) {
            changetype<M>(0).one<F>(panel, x + (xChunk - this.x), y, width);
          } else {
            changetype<M>(0).four<F>(panel, x + ((xChunk - this.x) << 2), y, width, panel + PANEL_BYTES);
          }
          x += tokenBytes << 2;
        }
        xChunk += chunkBytes;
      }
      this.write(sums, group);
    }
    return 0;
  }

  /** Writes the 8 results of each token to y, or adds them. */
  write(sums: usize, group: i32): void {
    let y = this.y + (<usize>group << 5);
    for (let t = 0; t < this.tokens; t++, sums += 32, y += this.stride) {
      let a = v128.load(sums);
      let b = v128.load(sums, 16);
      if (this.accumulate) {
        a = f32x4.add(v128.load(y), a);
        b = f32x4.add(v128.load(y, 16), b);
      }
      v128.store(y, a);
      v128.store(y, b, 16);
    }
  }
}

/** One tile of up to four tokens straight from the packed bytes of a chunk, `offset` bytes into the activations of a token. */
@inline
function streamTile<F>(packed: usize, x: usize, offset: usize, tokens: i32, y: usize, width: i32, panel: usize): void {
  if (isDefined(changetype<F>(0).streamTile)) {
    const blocks = width / changetype<F>(0).blockWeights;
    if (tokens == 1) changetype<F>(0).stream(packed, x + offset, y, blocks, panel);
    else changetype<F>(0).streamTile(packed, x + (offset << 2), y, blocks, panel, panel + PANEL_BYTES);
  }
}

/** Decodes the next `width` columns of a group to the panel of microkernel M; returns where the following ones lie. */
@inline
function decode<F, M>(w: usize, panel: usize, width: i32): usize {
  const blockPanel: usize = changetype<M>(0).panelBytes * (changetype<F>(0).blockWeights / changetype<M>(0).panelColumns);
  for (let k = 0; k < width; k += changetype<F>(0).blockWeights) {
    changetype<F>(0).panel(w, panel);
    w += changetype<F>(0).blockBytes * GROUP_ROWS;
    panel += blockPanel;
  }
  return w;
}

/**
 * Groups [firstGroup, lastGroup) of y (tokens, rows) = x (tokens, columns) . w (rows, columns) transposed, or y += that.
 *
 * `x`: encoded activations in tiles; `y`: f32, `stride` bytes from token to token, rows padded to 8.
 */
export function matmul(
  type: i32,
  weights: usize,
  firstGroup: i32,
  lastGroup: i32,
  columns: i32,
  x: usize,
  tokens: i32,
  y: usize,
  stride: usize,
  accumulate: i32,
  scratch: usize,
): void {
  const job = changetype<Matmul>(scratch);
  job.weights = weights;
  job.firstGroup = firstGroup;
  job.lastGroup = lastGroup;
  job.columns = columns;
  job.x = x;
  job.tokens = tokens;
  job.y = y;
  job.stride = stride;
  job.accumulate = accumulate;
  withFormat<Matmul>(type, scratch);
}
