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
// Packed, 8 rows side by side, 1088 bytes:
//
//      0     16   d of row 0 .. row 7
//     16     16   high of row 0 .. row 7
//     32     32   low: byte 0 of row 0 .. row 7, byte 1, ...
//     64   1024   q: for each sub-block the words of codes.ts
//
// The loops treat a block as 8 blocks of 32 columns, whose scales are decoded first, to 8 f32 each.
// Cost for 8 rows by 256 columns: 1088 bytes read; 8 times what codes.ts says, and some 100 instructions for the scales.

import { ACTIVATION_Q16_32, ACTIVATION_Q8_32 } from "../abi";
import { Q16_32_TOKEN_BYTES } from "../activations/q16_32";
import { Q8_32_TOKEN_BYTES } from "../activations/q8_32";
import { BYTE_ZERO, WIDE_SUMS } from "../dot";
import { halfToFloat, kept, lookUp, subnormalHalvesToFloats } from "../lanes";
import { CODE_WORDS_BYTES, codebook, dequantizeCodes, getCodes, panelCodes, putCodes, streamCodes } from "./codes";
import { PANEL_Q16_32_BYTES, PANEL_Q16_32_SCALE, PANEL_Q8_32_BYTES, PANEL_Q8_32_SCALE } from "./panel";

// 32 columns of one token's activations.
@inline const X_BLOCK_BYTES: usize = WIDE_SUMS ? Q8_32_TOKEN_BYTES : Q16_32_TOKEN_BYTES;

/** Decodes the scales of 8 rows, f32: those of sub-block s to `to` + s * step. */
@inline
function decodeScales(group: usize, to: usize, step: usize): void {
  const low = kept(to, i16x8.splat(15));
  const bits = kept(to, i16x8.splat(3));
  const zero = kept(to, i16x8.splat(32));
  const d0 = subnormalHalvesToFloats(v128.load16x4_s(group));
  const d1 = subnormalHalvesToFloats(v128.load16x4_s(group, 8));
  let high = v128.load(group, 16);
  for (let i: usize = 0; i < 32; i += 8) {
    const both = v128.load8x8_u(group + i, 32); // of two sub-blocks
    let scales = i16x8.sub(v128.or(v128.and(both, low), i16x8.shl(v128.and(high, bits), 4)), zero);
    v128.store(to, f32x4.mul(d0, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(scales))));
    v128.store(to, f32x4.mul(d1, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(scales))), 16);
    high = i16x8.shr_u(high, 2);
    to += step;
    scales = i16x8.sub(v128.or(i16x8.shr_u(both, 4), i16x8.shl(v128.and(high, bits), 4)), zero);
    v128.store(to, f32x4.mul(d0, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(scales))));
    v128.store(to, f32x4.mul(d1, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(scales))), 16);
    high = i16x8.shr_u(high, 2);
    to += step;
  }
}

/** The scale of sub-block s, as f32. */
@inline
function scaleOf(block: usize, s: i32): f32 {
  const low = (<i32>load<u8>(block + <usize>(s >> 1), 4) >> ((s & 1) << 2)) & 15;
  const high = (<i32>load<u16>(block, 2) >> (s << 1)) & 3;
  return halfToFloat(load<u16>(block)) * <f32>((low | (high << 4)) - 32);
}

@unmanaged
export class IQ4_XS {
  @inline get activation(): i32 { return WIDE_SUMS ? ACTIVATION_Q8_32 : ACTIVATION_Q16_32; }
  @inline get blockWeights(): i32 { return 256; }
  @inline get blockBytes(): i32 { return 136; }
  @inline get zero(): i32 { return BYTE_ZERO; }
  @inline get hasMinimum(): bool { return false; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(half, load<u16>(block));
    store<u16>(half, load<u16>(block, 2), 16);
    const low = group + <usize>r;
    for (let i: usize = 0; i < 4; i++) store<u8>(low + (i << 3), load<u8>(block + i, 4), 32);
    for (let s: usize = 0; s < 8; s++) putCodes(group + 64 + s * CODE_WORDS_BYTES, r, block + 8 + (s << 4));
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(block, load<u16>(half));
    store<u16>(block, load<u16>(half, 16), 2);
    const low = group + <usize>r;
    for (let i: usize = 0; i < 4; i++) store<u8>(block + i, load<u8>(low + (i << 3), 32), 4);
    for (let s: usize = 0; s < 8; s++) getCodes(group + 64 + s * CODE_WORDS_BYTES, r, block + 8 + (s << 4));
  }

  /** The scalar meaning: one block to 256 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    for (let s = 0; s < 8; s++) {
      dequantizeCodes(block + 8 + (<usize>s << 4), scaleOf(block, s), out + (<usize>s << 7));
    }
  }

  /** Decodes a group of 8 blocks to 8 panels of 32 columns: PanelQ8_32 (vnni, dotprod) or PanelQ16_32. */
  @inline
  panel(group: usize, panel: usize): void {
    const bytes = WIDE_SUMS ? PANEL_Q8_32_BYTES : PANEL_Q16_32_BYTES;
    const scales = panel + (WIDE_SUMS ? PANEL_Q8_32_SCALE : PANEL_Q16_32_SCALE);
    decodeScales(group, scales, bytes);
    for (let s: usize = 0; s < 8; s++) {
      panelCodes<IQ4_XS>(group + s * CODE_WORDS_BYTES, scales + s * bytes, panel + s * bytes);
    }
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_32 or Q16_32). */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
    for (const scales = scratch + 16; blocks > 0; blocks--, group += 1088, x += 8 * X_BLOCK_BYTES) {
      decodeScales(group, scales, 32);
      streamCodes<IQ4_XS>(group, CODE_WORDS_BYTES, scales, 32, x, y, 8, scratch);
    }
  }

  // What `nibbles.ts` and `codes.ts` need.

  @inline get wordsAt(): usize { return 64; }
  @inline get planeAt(): usize { return 0; }
  @inline get constant(): v128 { return codebook(); }

  @inline
  first(q: v128, _plane: v128, nibble: v128, codes: v128, _j: i32): v128 {
    return lookUp(codes, v128.and(q, nibble));
  }

  @inline
  second(q: v128, _plane: v128, nibble: v128, codes: v128, _j: i32): v128 {
    return lookUp(codes, v128.and(i16x8.shr_u(q, 4), nibble));
  }

  /** From the decoded scales. */
  @inline
  scales(at: usize, half: usize, _mask: v128, _bias: v128): v128 {
    return half == 0 ? v128.load(at) : v128.load(at, 16);
  }
}
