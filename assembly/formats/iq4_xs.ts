// IQ4_XS: 256 weights in 136 bytes (4.25 bits each), in 8 sub-blocks of 32, with IQ4_NL's codebook
//
//   w = d * (scale[s] - 32) * code[q]      q: 0..15, scale: 0..63, s: sub-block 0..7
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d      f16
//      2      2   high   bits 2 s, 2 s + 1: the high two bits of scale s
//      4      4   low    the low 4 bits of the scales: byte i: low nibble: scale 2 i, high nibble: scale 2 i + 1
//      8    128   q      16 bytes for each sub-block, as in IQ4_NL
//
// Packed, 8 rows side by side, 1088 bytes: the 8 blocks one after another. In the panel a block is 8 of 32 columns.
//
// Cost for 8 rows by 256 columns: 1088 bytes read; decoding 64 loads, 128 ands, 64 shifts, 128 swizzles, 1024 stores (vnni: 128 xors, 512 stores).

import { ACTIVATION_Q16_32, ACTIVATION_Q8_32 } from "../abi";
import { WIDE_SUMS } from "../dot";
import { halfToFloat } from "../lanes";
import { dequantizeCodes, putCodes } from "./iq4_nl";
import { PANEL_Q16_32_BYTES, PANEL_Q8_32_BYTES } from "./panel";

/** The scale of sub-block s, as f32. */
// @ts-ignore: decorator
@inline
function scaleOf(block: usize, s: i32): f32 {
  const low = (<i32>load<u8>(block + <usize>(s >> 1), 4) >> ((s & 1) << 2)) & 15;
  const high = (<i32>load<u16>(block, 2) >> (s << 1)) & 3;
  return halfToFloat(load<u16>(block)) * <f32>((low | (high << 4)) - 32);
}

@unmanaged
export class IQ4_XS {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return WIDE_SUMS ? ACTIVATION_Q8_32 : ACTIVATION_Q16_32; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 256; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 136; }
  // @ts-ignore: decorator
  @inline get zero(): i32 { return 128; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }

  /** Moves one block of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    memory.copy(group + <usize>r * 136, block, 136);
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    memory.copy(block, group + <usize>r * 136, 136);
  }

  /** The scalar meaning: one block to 256 f32. */
  // @ts-ignore: decorator
  @inline
  dequantize(block: usize, out: usize): void {
    for (let s = 0; s < 8; s++) {
      dequantizeCodes(block + 8 + (<usize>s << 4), scaleOf(block, s), out + (<usize>s << 7));
    }
  }

  /** Decodes a group of 8 blocks to 8 panels: see `putCodes`. */
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    for (let s = 0; s < 8; s++, panel += WIDE_SUMS ? PANEL_Q8_32_BYTES : PANEL_Q16_32_BYTES) {
      let block = group;
      for (let r = 0; r < 8; r++, block += 136) {
        putCodes(panel, r, block + 8 + (<usize>s << 4), scaleOf(block, s));
      }
    }
  }
}
