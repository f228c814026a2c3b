// IQ4_NL: 32 weights in 18 bytes (4.5 bits each), with a codebook
//
//   w = d * code[q]                        q: 0..15
//
//   code   -127 -104  -83  -65  -49  -35  -22  -10    1   13   25   38   53   69   89  113
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d    f16
//      2     16   q    byte i:  low nibble: weight i, high nibble: weight 16 + i
//
// Packed, 8 rows side by side, 144 bytes: the 8 blocks one after another.
//
// Cost for 8 rows by 32 columns: 144 bytes read; decoding 8 loads, 16 ands, 8 shifts, 16 swizzles, 128 stores (vnni: 16 xors, 64 stores).

import { ACTIVATION_Q16_32, ACTIVATION_Q8_32 } from "../abi";
import { WIDE_SUMS } from "../dot";
import { halfToFloat } from "../lanes";
import { PANEL_Q16_32_SCALE, PANEL_Q8_32_SCALE, putColumns, putPairs } from "./panel";

/** The codebook at 16 indices of 0..15; also IQ4_XS's. */
// @ts-ignore: decorator
@inline
export function codes(indices: v128): v128 {
  const code = i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
  return i8x16.swizzle(code, indices);
}

/**
 * Puts 32 weights of row r, 16 bytes of nibbles at `nibbles`, and their scale, into a PanelQ16_32 (vnni: with 128 added, into a PanelQ8_32);
 * also IQ4_XS's.
 */
// @ts-ignore: decorator
@inline
export function putCodes(panel: usize, r: i32, nibbles: usize, scale: f32): void {
  const q = v128.load(nibbles);
  const first = codes(v128.and(q, i8x16.splat(15)));
  const second = codes(v128.and(i16x8.shr_u(q, 4), i8x16.splat(15)));
  if (WIDE_SUMS) {
    const at = panel + (<usize>r << 2);
    putColumns(at, v128.xor(first, i8x16.splat(-128)));
    putColumns(at + 128, v128.xor(second, i8x16.splat(-128)));
    store<f32>(at, scale, PANEL_Q8_32_SCALE);
  } else {
    const at = panel + (<usize>r << 1);
    putPairs(at, first);
    putPairs(at + 128, second);
    store<f32>(panel + (<usize>r << 2), scale, PANEL_Q16_32_SCALE);
  }
}

/** 32 weights, d times the code of 16 bytes of nibbles, as f32; also IQ4_XS's. */
// @ts-ignore: decorator
@inline
export function dequantizeCodes(nibbles: usize, d: f32, out: usize): void {
  for (let i: usize = 0; i < 16; i++) {
    const q: i32 = load<u8>(nibbles + i);
    store<f32>(out + (i << 2), d * <f32>i8x16.extract_lane_s(codes(i8x16.splat(<i8>(q & 15))), 0));
    store<f32>(out + (i << 2), d * <f32>i8x16.extract_lane_s(codes(i8x16.splat(<i8>(q >> 4))), 0), 64);
  }
}

@unmanaged
export class IQ4_NL {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return WIDE_SUMS ? ACTIVATION_Q8_32 : ACTIVATION_Q16_32; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 32; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 18; }
  // @ts-ignore: decorator
  @inline get zero(): i32 { return 128; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }

  /** Moves one block of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    memory.copy(group + <usize>r * 18, block, 18);
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    memory.copy(block, group + <usize>r * 18, 18);
  }

  /** The scalar meaning: one block to 32 f32. */
  // @ts-ignore: decorator
  @inline
  dequantize(block: usize, out: usize): void {
    dequantizeCodes(block + 2, halfToFloat(load<u16>(block)), out);
  }

  /** Decodes a group of 8 blocks to a panel: see `putCodes`. */
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    let block = group;
    for (let r = 0; r < 8; r++, block += 18) {
      putCodes(panel, r, block + 2, halfToFloat(load<u16>(block)));
    }
  }
}
