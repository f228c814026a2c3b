// Q5_1: 32 weights in 24 bytes (6 bits each)
//
//   w = d * q + m                         q: 0..31
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d      f16
//      2      2   m      f16
//      4      4   high   bit i: the fifth bit of weight i
//      8     16   low    byte i:  low nibble: weight i, high nibble: weight 16 + i
//
// In the panel w = d * (q - 16) + (m + 16 d), so that the sums of products fit in 16 bits.
// Packed, 8 rows side by side, 192 bytes:
//
//      0     16   d of row 0 .. row 7
//     16     16   m of row 0 .. row 7
//     32     32   high, as in Q5_0
//     64    128   low: 4 words, as in Q4_0
//
// Cost for 8 rows by 32 columns: 192 bytes read; otherwise Q5_0's, and 14 instructions for the minima.

import { ACTIVATION_Q8_32 } from "../abi";
import { floatToHalf, halfToFloat } from "../lanes";
import { bitsOf, getWords, halvesAt, panelNibbles, plane, putWords, streamNibbles } from "./nibbles";
import { firstFives, putFiveBits, secondFives } from "./q5_0";
import { Search } from "./search";

@unmanaged
export class Q5_1 {
  @inline get activation(): i32 { return ACTIVATION_Q8_32; }
  @inline get blockWeights(): i32 { return 32; }
  @inline get blockBytes(): i32 { return 24; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return 65504; }
  @inline get zero(): i32 { return 16; }
  @inline get hasMinimum(): bool { return true; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(half, load<u16>(block));
    store<u16>(half, load<u16>(block, 2), 16);
    store<u32>(group + (<usize>r << 2), plane(load<u32>(block, 4)), 32);
    putWords(group + 64, r, block + 8);
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(block, load<u16>(half));
    store<u16>(block, load<u16>(half, 16), 2);
    store<u32>(block, bitsOf(load<u32>(group + (<usize>r << 2), 32)), 4);
    getWords(group + 64, r, block + 8);
  }

  /** The scalar meaning: one block to 32 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    const m = halfToFloat(load<u16>(block, 2));
    const high = load<u32>(block, 4);
    for (let i: usize = 0; i < 16; i++) {
      const low: i32 = load<u8>(block + i, 8);
      const q0 = (low & 15) | ((<i32>(high >> <u32>i) & 1) << 4);
      const q1 = (low >> 4) | ((<i32>(high >> (<u32>i + 16)) & 1) << 4);
      store<f32>(out + (i << 2), <f32>q0 * d + m);
      store<f32>(out + (i << 2), <f32>q1 * d + m, 64);
    }
  }

  /** Encodes 32 f32 as one block. */
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<Search>(scratch);
    search.begin(from, 32, 0, 31, false);
    search.findScaleAndMinimum();
    store<u16>(block, <u16>floatToHalf(search.scale));
    store<u16>(block, <u16>floatToHalf(search.minimum), 2);
    putFiveBits(block + 4, search.levels16(from), search.levels16(from + 64));
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32. */
  @inline
  panel(group: usize, panel: usize): void {
    panelNibbles<Q5_1>(group, group, panel);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_32). */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
    streamNibbles<Q5_1>(group, 192, group, 192, x, y, blocks, scratch);
  }

  // What `nibbles.ts` needs.

  @inline get wordsAt(): usize { return 64; }
  @inline get planeAt(): usize { return 32; }
  @inline get constant(): v128 { return i8x16.splat(16); }

  @inline
  first(q: v128, h: v128, nibble: v128, sixteen: v128, j: i32): v128 {
    return firstFives(q, h, nibble, sixteen, j);
  }

  @inline
  second(q: v128, h: v128, nibble: v128, sixteen: v128, j: i32): v128 {
    return secondFives(q, h, nibble, sixteen, j);
  }

  @inline
  scales(at: usize, half: usize, mask: v128, bias: v128): v128 {
    return halvesAt(at, half, mask, bias);
  }

  @inline
  minima(at: usize, half: usize, scales: v128, mask: v128, bias: v128): v128 {
    return f32x4.add(halvesAt(at + 16, half, mask, bias), f32x4.mul(scales, f32x4.splat(16)));
  }
}
