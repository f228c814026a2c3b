// Q4_K: 256 weights in 144 bytes (4.5 bits each), in 8 sub-blocks of 32
//
//   w = d * scale[s] * q - dmin * minimum[s]        q: 0..15, scale and minimum: 0..63, s: sub-block 0..7
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d      f16, unit of the scales
//      2      2   dmin   f16, unit of the minima
//      4     12   8 scales and 8 minima of 6 bits:
//
//              byte        7 6     |  5 4 3 2 1 0
//              0..3    high 4..7   |  scale 0..3            (high: bits 5 4 of scale 4 + i)
//              4..7    high 4..7   |  minimum 0..3          (high: bits 5 4 of minimum 4 + i)
//              8..11   low nibble of minimum 4..7 (bits 7..4)  |  low nibble of scale 4..7 (bits 3..0)
//
//     16    128   q, 4 groups of 32 bytes; group g, byte i:
//                 low nibble: weight 64 g + i (sub-block 2g), high nibble: weight 64 g + 32 + i (sub-block 2g + 1)
//
// Packed, 8 rows side by side, 1152 bytes:
//
//      0     16   d of row 0 .. row 7
//     16     16   dmin of row 0 .. row 7
//     32     96   the scale bytes: byte 0 of row 0 .. row 7, byte 1, ...     so that 8 rows are decoded at once
//    128   1024   32 words of q:  row 0 | row 1 | ... | row 7                (word j: bytes 4 j .. 4 j + 3 of q)
//
// Cost for 8 rows by 256 columns: 1152 bytes read; streaming 64 loads of weights, 64 of activations, 128 ands, 64 shifts, 128 dots, 128
// additions; scales and minima some 90 instructions. A tile of 4 tokens: 128 loads of weights, 256 of activations, 512 dots. Decoding to
// the panel: 128 stores instead of the dots.

import { ACTIVATION_Q8_256 } from "../abi";
import { Columns, dotAdd, evenWeights, oddWeights, scaleSums, X_BYTES } from "../dot";
import { floatToHalf, halfToFloat, kept } from "../lanes";
import {
  highScales,
  lowScales,
  PANEL_Q8_256_D,
  PANEL_Q8_256_DMIN,
  PANEL_Q8_256_SCALES,
  putFactors,
  putMinima,
  putScales,
} from "./panel";
import { SuperSearch } from "./search_k";
import { finishQ8_256, finishTileQ8_256, scaleUp } from "./sums";

/** Scale s (0..7) of 12 packed bytes; also Q5_K's. */
@inline
export function scaleOf(bytes: usize, s: i32): i32 {
  if (s < 4) return load<u8>(bytes + s) & 63;
  return (load<u8>(bytes + s, 4) & 15) | ((load<u8>(bytes + s - 4) >> 6) << 4);
}

/** Minimum s (0..7) of 12 packed bytes; also Q5_K's. */
@inline
export function minimumOf(bytes: usize, s: i32): i32 {
  if (s < 4) return load<u8>(bytes + s, 4) & 63;
  return (load<u8>(bytes + s, 4) >> 4) | ((load<u8>(bytes + s) >> 6) << 4);
}

/** Moves 12 scale bytes of row r: byte i to at + 8 i; also Q5_K's. */
@inline
export function putScaleBytes(at: usize, r: i32, bytes: usize): void {
  for (let i: usize = 0; i < 12; i++) store<u8>(at + (i << 3) + <usize>r, load<u8>(bytes + i));
}

/** The inverse of `putScaleBytes`. */
@inline
export function getScaleBytes(at: usize, r: i32, bytes: usize): void {
  for (let i: usize = 0; i < 12; i++) store<u8>(bytes + i, load<u8>(at + (i << 3) + <usize>r));
}

/**
 * Decodes d, dmin, the scales (each `times` times) and the minima of 8 rows to a PanelQ8_256; also Q5_K's. A step decodes two sub-blocks of
 * the lower half, and the two of the upper half whose high bits share their bytes.
 */
@inline
export function decodeScales(group: usize, panel: usize, times: usize): void {
  const at = group + 32;
  const scratch = panel + PANEL_Q8_256_SCALES;
  const six = kept(scratch, i8x16.splat(63));
  const four = kept(scratch, i8x16.splat(15));
  const two = kept(scratch, i8x16.splat(0x30));
  for (let s: usize = 0; s < 4; s += 2) {
    const scales = v128.load(at + (s << 3));
    const minima = v128.load(at + (s << 3), 32);
    const both = v128.load(at + (s << 3), 64);
    putScalesTimes(panel, s, times, v128.and(scales, six));
    putMinima(panel, s, v128.and(minima, six));
    putScalesTimes(panel, s + 4, times, highPart(v128.and(both, four), scales, two));
    putMinima(panel, s + 4, highPart(v128.and(i16x8.shr_u(both, 4), four), minima, two));
  }
  putFactors(panel + PANEL_Q8_256_D, group);
  putFactors(panel + PANEL_Q8_256_DMIN, group + 16);
}

/** Six-bit numbers: their low four bits are in `low`, their high two are bits 7 6 of `above`. `two`: bytes of 0x30. */
@inline
function highPart(low: v128, above: v128, two: v128): v128 {
  return v128.or(low, v128.and(i16x8.shr_u(above, 2), two));
}

@inline
function putScalesTimes(panel: usize, s: usize, times: usize, scales: v128): void {
  if (times == 1) {
    putScales(panel, s, scales);
  } else {
    putScales(panel, 2 * s, v128.shuffle<i64>(scales, scales, 0, 0));
    putScales(panel, 2 * s + 2, v128.shuffle<i64>(scales, scales, 1, 1));
  }
}

/** Writes d, dmin, and the packed scales and minima; also Q5_K's. */
@inline
export function quantizeScales(search: SuperSearch, block: usize): void {
  store<u16>(block, <u16>floatToHalf(search.unit));
  store<u16>(block, <u16>floatToHalf(search.minimumUnit), 2);
  for (let s = 0; s < 4; s++) {
    const scale = search.scaleOf(4 + s);
    const minimum = search.minimumOf(4 + s);
    store<u8>(block + s, search.scaleOf(s) | ((scale >> 4) << 6), 4);
    store<u8>(block + s, search.minimumOf(s) | ((minimum >> 4) << 6), 8);
    store<u8>(block + s, (scale & 15) | (minimum << 4), 12);
  }
}

@unmanaged
export class Q4_K {
  @inline get activation(): i32 { return ACTIVATION_Q8_256; }
  @inline get blockWeights(): i32 { return 256; }
  @inline get blockBytes(): i32 { return 144; }
  @inline get streamTokens(): i32 { return 8; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return 63 * 65504; }
  @inline get zero(): i32 { return 0; }
  /** Columns that share a scale, so that 16 bits hold their sum. */
  @inline get subBlock(): i32 { return 32; }
  /** Columns that share a minimum; 0 where there is none. */
  @inline get minimumBlock(): i32 { return 32; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(half, load<u16>(block));
    store<u16>(half, load<u16>(block, 2), 16);
    putScaleBytes(group + 32, r, block + 4);
    const at = group + (<usize>r << 2);
    for (let j: usize = 0; j < 32; j++) store<u32>(at + (j << 5), load<u32>(block + (j << 2), 16), 128);
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(block, load<u16>(half));
    store<u16>(block, load<u16>(half, 16), 2);
    getScaleBytes(group + 32, r, block + 4);
    const at = group + (<usize>r << 2);
    for (let j: usize = 0; j < 32; j++) store<u32>(block + (j << 2), load<u32>(at + (j << 5), 128), 16);
  }

  /** The scalar meaning: one block to 256 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    const dmin = halfToFloat(load<u16>(block, 2));
    for (let s = 0; s < 8; s++) {
      const scale = d * <f32>scaleOf(block + 4, s);
      const minimum = dmin * <f32>minimumOf(block + 4, s);
      const q = block + 16 + (<usize>(s >> 1) << 5);
      const shift = (s & 1) << 2;
      const to = out + (<usize>s << 7);
      for (let i: usize = 0; i < 32; i++) {
        store<f32>(to + (i << 2), scale * <f32>((<i32>load<u8>(q + i) >> shift) & 15) - minimum);
      }
    }
  }

  /** Encodes 256 f32 as one block. */
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<SuperSearch>(scratch);
    search.find(from, 32, 0, 15, 0, 63, 63);
    quantizeScales(search, block);
    for (let s = 0; s < 8; s += 2, from += 256, block += 32) {
      search.take(s);
      const low0 = search.levels16(from);
      const low1 = search.levels16(from + 64);
      search.take(s + 1);
      v128.store(block, v128.or(low0, i16x8.shl(search.levels16(from + 128), 4)), 16);
      v128.store(block, v128.or(low1, i16x8.shl(search.levels16(from + 192), 4)), 32);
    }
  }

  /** Decodes a group of 8 blocks to a PanelQ8_256. */
  @inline
  panel(group: usize, panel: usize): void {
    const low = kept(panel, i8x16.splat(15));
    for (let g: usize = 0; g < 4; g++) {
      const from = group + (g << 8);
      const to = panel + (g << 9);
      for (let j: usize = 0; j < 256; j += 16) {
        const q = v128.load(from + j, 128);
        v128.store(to + j, v128.and(q, low));
        v128.store(to + j, v128.and(i16x8.shr_u(q, 4), low), 256);
      }
    }
    decodeScales(group, panel, 1);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_256); `panel` takes the scales. */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, panel: usize): void {
    const low = kept(panel, i8x16.splat(15));
    for (; blocks > 0; blocks--, group += 1152) {
      decodeScales(group, panel, 1);
      let products0 = i32x4.splat(0);
      let products1 = i32x4.splat(0);
      let scales = panel;
      for (let g = group, end = group + 1024; g < end; scales += 32, x += 32 * X_BYTES) {
        let a0 = i16x8.splat(0); // the low nibbles: sub-block 2 g
        let a1 = a0;
        let b0 = a0; // the high nibbles: sub-block 2 g + 1
        let b1 = a0;
        for (const stop = g + 256; g < stop; g += 32, x += 4 * X_BYTES) {
          const q0 = v128.load(g, 128);
          const q1 = v128.load(g, 144);
          let even = changetype<Columns>(x).even0();
          let odd = changetype<Columns>(x).odd0();
          let w = v128.and(q0, low);
          a0 = dotAdd(a0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(q1, low);
          a1 = dotAdd(a1, evenWeights(w), oddWeights(w), even, odd);
          even = changetype<Columns>(x + 32 * X_BYTES).even0();
          odd = changetype<Columns>(x + 32 * X_BYTES).odd0();
          w = v128.and(i16x8.shr_u(q0, 4), low);
          b0 = dotAdd(b0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(i16x8.shr_u(q1, 4), low);
          b1 = dotAdd(b1, evenWeights(w), oddWeights(w), even, odd);
        }
        products0 = scaleSums(products0, a0, lowScales(scales));
        products1 = scaleSums(products1, a1, highScales(scales));
        products0 = scaleSums(products0, b0, lowScales(scales + 16));
        products1 = scaleSums(products1, b1, highScales(scales + 16));
      }
      x = finishQ8_256<Q4_K>(y, panel, products0, products1, x);
    }
  }

  /** A tile of four tokens: y (4 times 8 f32) += a group's `blocks` blocks times x (Q8_256); `products`: 128 bytes for 32-bit sums. */
  @inline
  streamTile(group: usize, x: usize, y: usize, blocks: i32, panel: usize, products: usize): void {
    const low = kept(panel, i8x16.splat(15));
    for (; blocks > 0; blocks--, group += 1152) {
      decodeScales(group, panel, 1);
      for (let y = products, none = i32x4.splat(0); y < products + 128; y += 16) v128.store(y, none);
      let scales = panel;
      let a0 = i32x4.splat(0);
      let a1 = a0;
      let b0 = a0;
      let b1 = a0;
      let c0 = a0;
      let c1 = a0;
      let d0 = a0;
      let d1 = a0;
      for (let q = group + 128, end = q + 1024; q < end; scales += 32) {
        a0 = i32x4.splat(0);
        a1 = a0;
        b0 = a0;
        b1 = a0;
        c0 = a0;
        c1 = a0;
        d0 = a0;
        d1 = a0;
        for (const stop = q + 256; q < stop; q += 32, x += 16 * X_BYTES) {
          const w0 = v128.and(v128.load(q), low);
          const w1 = v128.and(v128.load(q, 16), low);
          let even = changetype<Columns>(x).even0();
          let odd = changetype<Columns>(x).odd0();
          a0 = dotAdd(a0, evenWeights(w0), oddWeights(w0), even, odd);
          a1 = dotAdd(a1, evenWeights(w1), oddWeights(w1), even, odd);
          even = changetype<Columns>(x).even1();
          odd = changetype<Columns>(x).odd1();
          b0 = dotAdd(b0, evenWeights(w0), oddWeights(w0), even, odd);
          b1 = dotAdd(b1, evenWeights(w1), oddWeights(w1), even, odd);
          even = changetype<Columns>(x).even2();
          odd = changetype<Columns>(x).odd2();
          c0 = dotAdd(c0, evenWeights(w0), oddWeights(w0), even, odd);
          c1 = dotAdd(c1, evenWeights(w1), oddWeights(w1), even, odd);
          even = changetype<Columns>(x).even3();
          odd = changetype<Columns>(x).odd3();
          d0 = dotAdd(d0, evenWeights(w0), oddWeights(w0), even, odd);
          d1 = dotAdd(d1, evenWeights(w1), oddWeights(w1), even, odd);
        }
        let scale0 = lowScales(scales);
        let scale1 = highScales(scales);
        scaleUp(products, a0, a1, scale0, scale1);
        scaleUp(products + 32, b0, b1, scale0, scale1);
        scaleUp(products + 64, c0, c1, scale0, scale1);
        scaleUp(products + 96, d0, d1, scale0, scale1);
        q -= 256;
        a0 = i32x4.splat(0);
        a1 = a0;
        b0 = a0;
        b1 = a0;
        c0 = a0;
        c1 = a0;
        d0 = a0;
        d1 = a0;
        for (const stop = q + 256; q < stop; q += 32, x += 16 * X_BYTES) {
          const w0 = v128.and(i16x8.shr_u(v128.load(q), 4), low);
          const w1 = v128.and(i16x8.shr_u(v128.load(q, 16), 4), low);
          let even = changetype<Columns>(x).even0();
          let odd = changetype<Columns>(x).odd0();
          a0 = dotAdd(a0, evenWeights(w0), oddWeights(w0), even, odd);
          a1 = dotAdd(a1, evenWeights(w1), oddWeights(w1), even, odd);
          even = changetype<Columns>(x).even1();
          odd = changetype<Columns>(x).odd1();
          b0 = dotAdd(b0, evenWeights(w0), oddWeights(w0), even, odd);
          b1 = dotAdd(b1, evenWeights(w1), oddWeights(w1), even, odd);
          even = changetype<Columns>(x).even2();
          odd = changetype<Columns>(x).odd2();
          c0 = dotAdd(c0, evenWeights(w0), oddWeights(w0), even, odd);
          c1 = dotAdd(c1, evenWeights(w1), oddWeights(w1), even, odd);
          even = changetype<Columns>(x).even3();
          odd = changetype<Columns>(x).odd3();
          d0 = dotAdd(d0, evenWeights(w0), oddWeights(w0), even, odd);
          d1 = dotAdd(d1, evenWeights(w1), oddWeights(w1), even, odd);
        }
        scale0 = lowScales(scales + 16);
        scale1 = highScales(scales + 16);
        scaleUp(products, a0, a1, scale0, scale1);
        scaleUp(products + 32, b0, b1, scale0, scale1);
        scaleUp(products + 64, c0, c1, scale0, scale1);
        scaleUp(products + 96, d0, d1, scale0, scale1);
      }
      x = finishTileQ8_256<Q4_K>(y, panel, products, x);
    }
  }
}
