// Q5_0: 32 weights in 22 bytes (5.5 bits each)
//
//   w = d * (q - 16)                      q: 0..31
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d      f16
//      2      4   high   bit i: the fifth bit of weight i
//      6     16   low    byte i:  low nibble: weight i, high nibble: weight 16 + i
//
// Packed, 8 rows side by side, 176 bytes:
//
//      0     16   d of row 0 .. row 7
//     16     32   high:  row 0 | ... | row 7, 4 bytes each:  byte i, bit g: the fifth bit of weight 4 g + i
//     48    128   low: 4 words, as in Q4_0
//
// Cost for 8 rows by 32 columns: 176 bytes read; streaming 10 loads of weights, 8 of activations, 32 ands, 22 shifts, 16 ors, 16 dots, 16
// additions, and 18 instructions to leave the integers. Decoding to the panel: 16 stores instead of the dots.

import { ACTIVATION_Q8_32 } from "../abi";
import { floatToHalf, halfToFloat } from "../lanes";
import { bitsOf, getWords, halvesAt, panelNibbles, plane, putWords, streamNibbles } from "./nibbles";
import { Search } from "./search";

/** 4 columns of 4 rows: the low nibbles of word j and their fifth bits, 0..31; `sixteen`: bytes of 16; also Q5_1's. */
@inline
export function firstFives(q: v128, h: v128, nibble: v128, sixteen: v128, j: i32): v128 {
  return v128.or(v128.and(q, nibble), v128.and(i16x8.shl(h, 4 - j), sixteen));
}

/** The same of the high nibbles. */
@inline
export function secondFives(q: v128, h: v128, nibble: v128, sixteen: v128, j: i32): v128 {
  return v128.or(v128.and(i16x8.shr_u(q, 4), nibble), v128.and(i16x8.shr_u(h, j), sixteen));
}

/** Writes 32 levels of 5 bits, one byte each: the fifth bits at `to`, the nibbles after them; also Q5_1's. */
@inline
export function putFiveBits(to: usize, first: v128, second: v128): void {
  const high = i8x16.bitmask(i8x16.shl(first, 3)) | (i8x16.bitmask(i8x16.shl(second, 3)) << 16);
  const nibble = i8x16.splat(15);
  store<u32>(to, high);
  v128.store(to, v128.or(v128.and(first, nibble), i8x16.shl(second, 4)), 4);
}

@unmanaged
export class Q5_0 {
  @inline get activation(): i32 { return ACTIVATION_Q8_32; }
  @inline get blockWeights(): i32 { return 32; }
  @inline get blockBytes(): i32 { return 22; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return 15 * 65504; }
  @inline get zero(): i32 { return 16; }
  @inline get hasMinimum(): bool { return false; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    store<u16>(group + (<usize>r << 1), load<u16>(block));
    store<u32>(group + (<usize>r << 2), plane(load<u32>(block, 2)), 16);
    putWords(group + 48, r, block + 6);
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u16>(block, load<u16>(group + (<usize>r << 1)));
    store<u32>(block, bitsOf(load<u32>(group + (<usize>r << 2), 16)), 2);
    getWords(group + 48, r, block + 6);
  }

  /** The scalar meaning: one block to 32 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    const high = load<u32>(block, 2);
    for (let i: usize = 0; i < 16; i++) {
      const low: i32 = load<u8>(block + i, 6);
      const q0 = (low & 15) | ((<i32>(high >> <u32>i) & 1) << 4);
      const q1 = (low >> 4) | ((<i32>(high >> (<u32>i + 16)) & 1) << 4);
      store<f32>(out + (i << 2), <f32>(q0 - 16) * d);
      store<f32>(out + (i << 2), <f32>(q1 - 16) * d, 64);
    }
  }

  /** Encodes 32 f32 as one block. */
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<Search>(scratch);
    search.begin(from, 32, -16, 15, false);
    search.findScale();
    const zero = i8x16.splat(16);
    const first = i8x16.add(search.levels16(from), zero);
    const second = i8x16.add(search.levels16(from + 64), zero);
    store<u16>(block, <u16>floatToHalf(search.scale));
    putFiveBits(block + 2, first, second);
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32. */
  @inline
  panel(group: usize, panel: usize): void {
    panelNibbles<Q5_0>(group, group, panel);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_32). */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
    streamNibbles<Q5_0>(group, 176, group, 176, x, y, blocks, scratch);
  }

  // What `nibbles.ts` needs.

  @inline get wordsAt(): usize { return 48; }
  @inline get planeAt(): usize { return 16; }
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
}
