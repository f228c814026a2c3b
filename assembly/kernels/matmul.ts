// y[token, row] = sum over columns of w[row, column] * x[token, column], for packed weights of any format.
//
//   share   my groups of 8 rows            worker     each weight is read by one core only
//   pair    16 rows of w: 2 groups         L1, L2     their sums for all tokens stay here
//   chunk   up to 1024 columns             L1         decoded once to two panels (10 KB each), which stay while all tokens pass
//   tile    8 rows x 4 tokens (or x 1)     registers  the microkernel; its activations stream from L2
//   block   32 or 256 columns              k          the only loop with arithmetic; k is never split: one result is one fixed
//                                                     sequence of additions, whatever the tile, the chunk or the worker
//
// Two groups at a time: a tile's activations are read from L2 for 16 rows, and the 16 results of a token are one cache line of y. The last of
// an odd number of groups goes by itself.
//
// One token alone needs no panel: formats that have a `stream` multiply it straight from the packed bytes, with the same integers and the
// same additions. Formats that have a `streamTile` do so for a few tiles too: decoding would be more work than it saves, and nothing is
// multiplied while it waits for memory. Where two tokens are left over, only they are multiplied: two texts at a time are common.
//
// The wide builds (WIDE) are compiled by a V8 that joins two operations on 16 neighbouring bytes each to one on 32. There the tile is 16 rows x
// 4 tokens, so that 8 sums of 8 rows hide the latency of the instruction that they wait for (8 rows x 4 tokens would be 4 sums). Without that
// V8 it has twice as many sums as there are registers, and is slower. The integers and the additions are the same.
//
// Cost for a pair: its packed bytes are read once, for any number of tokens, and 64 bytes are written for each token; the rest is the
// decoding (each format's page) and the microkernel (micro_*.ts), which has the registers. Results of a chunk continue from those of the
// chunk before, in `sums` (L1 or L2), and are written to y at the end, or added to it.
//
// Scratch:
//
//   OFFSET       SIZE            DESCRIPTION
//        0         64            the job: class Matmul
//       64  2 * 10240            panels of a chunk of both groups (PANEL_BYTES)
//    20544        256            32-bit sums of a tile, 4 tokens x 16 rows (SUMS32_BYTES)
//    20800  2 * 32 * tokens      of each group: 8 f32 of each token, tokens rounded up to a multiple of 4

import { GROUP_ROWS, TILE_TOKENS } from "../abi";
import { PANEL_Q8_32_BYTES } from "../formats/panel";
import { withFormat } from "../formats/table";
import { storeRows } from "../lanes";
import { Activations, bytesOf } from "./encodings";

// The largest panel: 32 blocks of 32 with their scales and minima.
@inline const PANEL_BYTES: usize = 32 * PANEL_Q8_32_BYTES;
@inline const JOB_BYTES: usize = 64;
@inline const SUMS32_BYTES: usize = 256;

// Columns of a chunk that is not decoded: its packed bytes stay in L1 while a few tiles pass.
@inline const STREAM_COLUMNS: i32 = 2048;

/** Bytes of the sums of 8 rows for `tokens` tokens, in whole tiles. */
@inline
function sumsBytes(tokens: i32): usize {
  return <usize>((tokens + 3) & ~3) * 32;
}

/** Bytes of scratch that a matmul of up to `tokens` tokens needs. */
export function matmulScratchBytes(tokens: i32): usize {
  return JOB_BYTES + 2 * PANEL_BYTES + SUMS32_BYTES + 2 * sumsBytes(tokens);
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
    const groupBytes = <usize>(this.columns / changetype<F>(0).blockWeights) * changetype<F>(0).blockBytes * GROUP_ROWS;
    const sums = changetype<usize>(this) + JOB_BYTES + 2 * PANEL_BYTES + SUMS32_BYTES;
    const bytes = sumsBytes(this.tokens);
    let streams = false;
    if (isDefined(changetype<F>(0).stream)) streams = this.tokens == 1;
    if (isDefined(changetype<F>(0).streamTile)) streams = this.tokens <= changetype<F>(0).streamTokens;
    let w = this.weights + <usize>this.firstGroup * groupBytes;
    for (let group = this.firstGroup; group < this.lastGroup; group += 2) {
      const groups = min(2, this.lastGroup - group);
      memory.fill(sums, 0, 2 * bytes);
      if (streams) {
        this.streamGroups<F, E>(w, groupBytes, groups, sums, bytes);
      } else {
        this.decodeAndMultiply<F, E, M>(w, groupBytes, groups, sums, bytes);
      }
      this.write(sums, bytes, group, groups);
      w += 2 * groupBytes;
    }
    return 0;
  }

  /** The sums of one group or two, straight from their packed bytes; those of the second lie `bytes` behind those of the first. */
  @inline
  streamGroups<F, E>(w: usize, groupBytes: usize, groups: i32, sums: usize, bytes: usize): void {
    if (isDefined(changetype<F>(0).streamPair)) {
      if (groups == 2 && this.tokens == 1) {
        const panel = changetype<usize>(this) + JOB_BYTES;
        const blocks = this.columns / changetype<F>(0).blockWeights;
        changetype<F>(0).streamPair(w, groupBytes, this.x, sums, sums + bytes, blocks, panel);
        return;
      }
    }
    for (let g = 0; g < groups; g++) this.stream<F, E>(w + <usize>g * groupBytes, sums + <usize>g * bytes);
  }

  /** The sums of one group, straight from its packed bytes: for one token, or a few tiles. */
  @inline
  stream<F, E>(w: usize, sums: usize): void {
    const columns = this.columns;
    const tokens = this.tokens;
    const panel = changetype<usize>(this) + JOB_BYTES;
    if (isDefined(changetype<F>(0).stream)) {
      if (tokens == 1) {
        changetype<F>(0).stream(w, this.x, sums, columns / changetype<F>(0).blockWeights, panel);
        return;
      }
    }
    if (isDefined(changetype<F>(0).streamTile)) {
      const tileBytes = bytesOf<E>(columns) << 2;
      let offset: usize = 0; // of the chunk in the activations of a token
      for (let k = 0; k < columns; k += STREAM_COLUMNS) {
        const width = min(STREAM_COLUMNS, columns - k);
        const blocks = width / changetype<F>(0).blockWeights;
        let x = this.x;
        let y = sums;
        let left = tokens;
        for (; left > 2; left -= TILE_TOKENS, y += TILE_TOKENS << 5, x += tileBytes) {
          changetype<F>(0).streamTile(w, x + (offset << 2), y, blocks, panel, panel + 2 * PANEL_BYTES, false);
        }
        if (left == 2) changetype<F>(0).streamTile(w, x + (offset << 2), y, blocks, panel, panel + 2 * PANEL_BYTES, true);
        else if (left == 1) changetype<F>(0).stream(w, x + offset, y, blocks, panel);
        w += <usize>blocks * changetype<F>(0).blockBytes * GROUP_ROWS;
        offset += bytesOf<E>(width);
      }
    }
  }

  /** The sums of one group or two, chunk by chunk by way of panels; those of the second lie `bytes` behind those of the first. */
  @inline
  decodeAndMultiply<F, E, M>(w: usize, groupBytes: usize, groups: i32, sums: usize, bytes: usize): void {
    // Of blocks of 256, two tiles pass over one at a time: while a longer chunk is decoded and waited for, nothing is multiplied.
    const few = !WIDE && changetype<F>(0).blockWeights == 256 && this.tokens > TILE_TOKENS && this.tokens <= 2 * TILE_TOKENS;
    const chunkColumns = few ? 256 : changetype<M>(0).chunk;
    const columns = this.columns;
    const tokens = this.tokens;
    const decoded = changetype<usize>(this) + JOB_BYTES;
    const scratch = decoded + 2 * PANEL_BYTES;
    // What is a panel as it lies there is multiplied where it lies.
    const isPanel = isDefined(changetype<F>(0).isPanel);
    const panelStep = isPanel ? groupBytes : PANEL_BYTES;
    const tileBytes = bytesOf<E>(columns) << 2;
    let offset: usize = 0; // of the chunk in the activations of a token
    for (let k = 0; k < columns; k += chunkColumns) {
      const width = min(chunkColumns, columns - k);
      if (!isPanel) {
        for (let g = 0; g < groups; g++) decode<F, M>(w + <usize>g * groupBytes, decoded + <usize>g * PANEL_BYTES, width);
      }
      const panels = isPanel ? w : decoded;
      let x = this.x;
      let y = sums;
      for (let t = 0; t < tokens; t += TILE_TOKENS, y += TILE_TOKENS << 5, x += tileBytes) {
        if (WIDE && groups == 2 && tokens - t > 1) {
          changetype<M>(0).fourByPair<F>(panels, panelStep, x + (offset << 2), y, y + bytes, width, scratch);
          continue;
        }
        let z = y;
        for (let panel = panels, end = panels + <usize>groups * panelStep; panel < end; panel += panelStep, z += bytes) {
          if (tokens - t == 1) changetype<M>(0).one<F>(panel, x + offset, z, width, scratch);
          else changetype<M>(0).four<F>(panel, x + (offset << 2), z, width, scratch);
        }
      }
      w += <usize>(width / changetype<F>(0).blockWeights) * changetype<F>(0).blockBytes * GROUP_ROWS;
      offset += bytesOf<E>(width);
    }
  }

  /** Writes the 8 or 16 results of each token to y, or adds them; the sums of the second group lie `bytes` behind those of the first. */
  write(sums: usize, bytes: usize, group: i32, groups: i32): void {
    let y = this.y + (<usize>group << 5);
    for (let t = 0; t < this.tokens; t++, sums += 32, y += this.stride) {
      this.writeRows(sums, y);
      if (groups == 2) this.writeRows(sums + bytes, y + 32);
    }
  }

  @inline
  writeRows(sums: usize, y: usize): void {
    let a = v128.load(sums);
    let b = v128.load(sums, 16);
    if (this.accumulate) {
      a = f32x4.add(v128.load(y), a);
      b = f32x4.add(v128.load(y, 16), b);
    }
    storeRows(y, a, b);
  }
}

/** Decodes `width` columns of a group to the panel of microkernel M. */
@inline
function decode<F, M>(w: usize, panel: usize, width: i32): void {
  const blockPanel: usize = changetype<M>(0).panelBytes * (changetype<F>(0).blockWeights / changetype<M>(0).panelColumns);
  for (let k = 0; k < width; k += changetype<F>(0).blockWeights) {
    changetype<F>(0).panel(w, panel);
    w += changetype<F>(0).blockBytes * GROUP_ROWS;
    panel += blockPanel;
  }
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
