// MXFP4: 32 weights in 17 bytes (4.25 bits each), the microscaling format of the Open Compute Project (OCP MX 1.0, E2M1 and E8M0)
//
//   w = 2^(e - 128) * value[q]             q: 0..15
//
//   value    0  1  2  3  4  6  8  12  0  -1  -2  -3  -4  -6  -8  -12      (twice what E2M1 means; the power has the half)
//
//   OFFSET  SIZE  DESCRIPTION
//      0      1   e    exponent
//      1     16   q    byte i:  low nibble: weight i, high nibble: weight 16 + i
//
// In the panel a value is stored with 12 added.
// Packed, 8 rows side by side, 136 bytes: the 8 blocks one after another.
//
// Cost for 8 rows by 32 columns: 136 bytes read; decoding 8 loads, 16 ands, 8 shifts, 16 swizzles, 64 stores.

import { ACTIVATION_Q8_32 } from "../abi";
import { PANEL_Q8_32_SCALE, putColumns } from "./panel";

/** The values at 16 indices of 0..15, with 12 added. */
// @ts-ignore: decorator
@inline
function values(indices: v128): v128 {
  return i8x16.swizzle(i8x16(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0), indices);
}

/** 2^(e - 128), exactly: below e = 2 it is subnormal. */
// @ts-ignore: decorator
@inline
function power(e: u32): f32 {
  return reinterpret<f32>(e < 2 ? 0x00200000 << e : (e - 1) << 23);
}

@unmanaged
export class MXFP4 {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return ACTIVATION_Q8_32; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 32; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 17; }
  // @ts-ignore: decorator
  @inline get zero(): i32 { return 12; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }

  /** Moves one block of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    memory.copy(group + <usize>r * 17, block, 17);
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    memory.copy(block, group + <usize>r * 17, 17);
  }

  /** The scalar meaning: one block to 32 f32. */
  // @ts-ignore: decorator
  @inline
  dequantize(block: usize, out: usize): void {
    const d = power(load<u8>(block));
    for (let i: usize = 0; i < 16; i++) {
      const q: i32 = load<u8>(block + i, 1);
      const low = values(i8x16.splat(<i8>(q & 15)));
      const high = values(i8x16.splat(<i8>(q >> 4)));
      store<f32>(out + (i << 2), <f32>(i8x16.extract_lane_s(low, 0) - 12) * d);
      store<f32>(out + (i << 2), <f32>(i8x16.extract_lane_s(high, 0) - 12) * d, 64);
    }
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32. */
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    const nibble = i8x16.splat(15);
    let block = group;
    for (let r: usize = 0; r < 32; r += 4, block += 17) {
      const q = v128.load(block, 1);
      putColumns(panel + r, values(v128.and(q, nibble)));
      putColumns(panel + r + 128, values(v128.and(i16x8.shr_u(q, 4), nibble)));
      store<f32>(panel + r, power(load<u8>(block)), PANEL_Q8_32_SCALE);
    }
  }
}
