// MXFP4: 32 weights in 17 bytes (4.25 bits each), the microscaling format of the Open Compute Project (OCP MX 1.0, E2M1 and E8M0)
//
//   w = 2^(e - 128) * value[q]             q: 0..15
//
//   value    0  1  2  3  4  6  8  12  0  -1  -2  -3  -4  -6  -8  -12      (twice what E2M1 means; the power is half)
//
//   OFFSET  SIZE  DESCRIPTION
//      0      1   e    exponent
//      1     16   q    byte i:  low nibble: weight i, high nibble: weight 16 + i
//
// In the panel a value is stored with 12 added.
// Packed, 8 rows side by side, 136 bytes:
//
//      0      8   e of row 0 .. row 7
//      8    128   q: 4 words, as in Q4_0
//
// Cost for 8 rows by 32 columns: 136 bytes read; streaming 8 loads of weights, 8 of activations, 16 ands, 8 shifts, 16 swizzles, 16 dots,
// 16 additions, and 26 instructions to leave the integers. Decoding to the panel: 16 stores instead of the dots.

import { ACTIVATION_Q8_32 } from "../abi";
import { lookUp } from "../lanes";
import { getWords, panelNibbles, putWords, streamNibbles } from "./nibbles";

/** The values, with 12 added. */
@inline
function values(): v128 {
  return i8x16(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
}

/** 2^(e - 128), exactly: below e = 2 it is subnormal. */
@inline
function power(e: u32): f32 {
  return reinterpret<f32>(e < 2 ? 0x00200000 << e : (e - 1) << 23);
}

/** `power` of four i32. */
@inline
function powers(e: v128): v128 {
  const one = i32x4.splat(1);
  const subnormal = i32x4.shl(i32x4.add(e, one), 21);
  return v128.bitselect(subnormal, i32x4.shl(i32x4.sub(e, one), 23), i32x4.lt_s(e, i32x4.splat(2)));
}

@unmanaged
export class MXFP4 {
  @inline get activation(): i32 { return ACTIVATION_Q8_32; }
  @inline get blockWeights(): i32 { return 32; }
  @inline get blockBytes(): i32 { return 17; }
  @inline get zero(): i32 { return 12; }
  @inline get hasMinimum(): bool { return false; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    store<u8>(group + <usize>r, load<u8>(block));
    putWords(group + 8, r, block + 1);
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u8>(block, load<u8>(group + <usize>r));
    getWords(group + 8, r, block + 1);
  }

  /** The scalar meaning: one block to 32 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = power(load<u8>(block));
    for (let i: usize = 0; i < 16; i++) {
      const q: i32 = load<u8>(block + i, 1);
      const low = lookUp(values(), i8x16.splat(<i8>(q & 15)));
      const high = lookUp(values(), i8x16.splat(<i8>(q >> 4)));
      store<f32>(out + (i << 2), <f32>(i8x16.extract_lane_s(low, 0) - 12) * d);
      store<f32>(out + (i << 2), <f32>(i8x16.extract_lane_s(high, 0) - 12) * d, 64);
    }
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32. */
  @inline
  panel(group: usize, panel: usize): void {
    panelNibbles<MXFP4>(group, group, panel);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_32). */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
    streamNibbles<MXFP4>(group, 136, group, 136, x, y, blocks, scratch);
  }

  // What `nibbles.ts` needs.

  @inline get wordsAt(): usize { return 8; }
  @inline get planeAt(): usize { return 0; }
  @inline get constant(): v128 { return values(); }

  @inline
  first(q: v128, _plane: v128, nibble: v128, values: v128, _j: i32): v128 {
    return lookUp(values, v128.and(q, nibble));
  }

  @inline
  second(q: v128, _plane: v128, nibble: v128, values: v128, _j: i32): v128 {
    return lookUp(values, v128.and(i16x8.shr_u(q, 4), nibble));
  }

  @inline
  scales(at: usize, half: usize, _mask: v128, _bias: v128): v128 {
    const e = half == 0 ? v128.load32_zero(at) : v128.load32_zero(at, 4);
    return powers(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(e)));
  }
}
