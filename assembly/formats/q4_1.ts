// Q4_1: 32 weights in 20 bytes (5 bits each)
//
//   w = d * q + m                         q: 0..15
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d    f16
//      2      2   m    f16
//      4     16   q    byte i:  low nibble: weight i, high nibble: weight 16 + i
//
// Packed, 8 rows side by side, 160 bytes:
//
//      0     16   d of row 0 .. row 7
//     16     16   m of row 0 .. row 7
//     32    128   q: 4 words, as in Q4_0
//
// Cost for 8 rows by 32 columns: 160 bytes read; otherwise Q4_0's, and 10 instructions for the minima.

import { ACTIVATION_Q8_32 } from "../abi";
import { floatToHalf, halfToFloat } from "../lanes";
import { getWords, halvesAt, panelNibbles, putWords, streamNibbles } from "./nibbles";
import { Search } from "./search";

@unmanaged
export class Q4_1 {
  @inline get activation(): i32 { return ACTIVATION_Q8_32; }
  @inline get blockWeights(): i32 { return 32; }
  @inline get blockBytes(): i32 { return 20; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return 65504; }
  @inline get zero(): i32 { return 0; }
  @inline get hasMinimum(): bool { return true; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(half, load<u16>(block));
    store<u16>(half, load<u16>(block, 2), 16);
    putWords(group + 32, r, block + 4);
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(block, load<u16>(half));
    store<u16>(block, load<u16>(half, 16), 2);
    getWords(group + 32, r, block + 4);
  }

  /** The scalar meaning: one block to 32 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    const m = halfToFloat(load<u16>(block, 2));
    for (let i: usize = 0; i < 16; i++) {
      const q: i32 = load<u8>(block + i, 4);
      store<f32>(out + (i << 2), <f32>(q & 15) * d + m);
      store<f32>(out + (i << 2), <f32>(q >> 4) * d + m, 64);
    }
  }

  /** Encodes 32 f32 as one block. */
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<Search>(scratch);
    search.begin(from, 32, 0, 15, false);
    search.findScaleAndMinimum();
    store<u16>(block, <u16>floatToHalf(search.scale));
    store<u16>(block, <u16>floatToHalf(search.minimum), 2);
    v128.store(block, v128.or(search.levels16(from), i16x8.shl(search.levels16(from + 64), 4)), 4);
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32. */
  @inline
  panel(group: usize, panel: usize): void {
    panelNibbles<Q4_1>(group, group, panel);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_32). */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
    streamNibbles<Q4_1>(group, 160, group, 160, x, y, blocks, scratch);
  }

  // What `nibbles.ts` needs.

  @inline get wordsAt(): usize { return 32; }
  @inline get planeAt(): usize { return 0; }
  @inline get constant(): v128 { return i8x16.splat(0); }

  @inline
  first(q: v128, _plane: v128, nibble: v128, _constant: v128, _j: i32): v128 {
    return v128.and(q, nibble);
  }

  @inline
  second(q: v128, _plane: v128, nibble: v128, _constant: v128, _j: i32): v128 {
    return v128.and(i16x8.shr_u(q, 4), nibble);
  }

  @inline
  scales(at: usize, half: usize, mask: v128, bias: v128): v128 {
    return halvesAt(at, half, mask, bias);
  }

  @inline
  minima(at: usize, half: usize, _scales: v128, mask: v128, bias: v128): v128 {
    return halvesAt(at + 16, half, mask, bias);
  }
}
