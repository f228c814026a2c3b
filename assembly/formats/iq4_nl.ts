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
// Packed, 8 rows side by side, 144 bytes:
//
//      0     16   d of row 0 .. row 7
//     16    128   q: the words of codes.ts
//
// Cost for 8 rows by 32 columns: 144 bytes read; otherwise what codes.ts says.

import { ACTIVATION_Q16_32, ACTIVATION_Q8_32 } from "../abi";
import { BYTE_ZERO, WIDE_SUMS } from "../dot";
import { halfToFloat, lookUp } from "../lanes";
import { codebook, dequantizeCodes, getCodes, panelCodes, putCodes, streamCodes } from "./codes";
import { halvesAt } from "./nibbles";

@unmanaged
export class IQ4_NL {
  @inline get activation(): i32 { return WIDE_SUMS ? ACTIVATION_Q8_32 : ACTIVATION_Q16_32; }
  @inline get blockWeights(): i32 { return 32; }
  @inline get blockBytes(): i32 { return 18; }
  @inline get zero(): i32 { return BYTE_ZERO; }
  @inline get hasMinimum(): bool { return false; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    store<u16>(group + (<usize>r << 1), load<u16>(block));
    putCodes(group + 16, r, block + 2);
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u16>(block, load<u16>(group + (<usize>r << 1)));
    getCodes(group + 16, r, block + 2);
  }

  /** The scalar meaning: one block to 32 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    dequantizeCodes(block + 2, halfToFloat(load<u16>(block)), out);
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32 (vnni, dotprod) or PanelQ16_32. */
  @inline
  panel(group: usize, panel: usize): void {
    panelCodes<IQ4_NL>(group, group, panel);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_32 or Q16_32). */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
    streamCodes<IQ4_NL>(group, 144, group, 144, x, y, blocks, scratch);
  }

  // What `nibbles.ts` and `codes.ts` need.

  @inline get wordsAt(): usize { return 16; }
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

  @inline
  scales(at: usize, half: usize, mask: v128, bias: v128): v128 {
    return halvesAt(at, half, mask, bias);
  }
}
