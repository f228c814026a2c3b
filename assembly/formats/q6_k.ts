// Q6_K: 256 weights in 210 bytes (6.5625 bits each), in 16 sub-blocks of 16
//
//   w = d * scale[s] * (q - 32)            q: 0..63, scale: int8, s: sub-block 0..15
//
//   OFFSET  SIZE  DESCRIPTION
//      0    128   low    the low 4 bits of q, in halves of 128 weights: 64 bytes each
//    128     64   high   the high 2 bits of q, 32 bytes for each half
//    192     16   scale  int8
//    208      2   d      f16
//
//   Half n, byte i = 0..31:
//              weight 128 n + i        low[64 n + i]      low nibble    high[32 n + i]  bits 0 1
//              weight 128 n + 32 + i   low[64 n + 32 + i] low nibble                    bits 2 3
//              weight 128 n + 64 + i   low[64 n + i]      high nibble                   bits 4 5
//              weight 128 n + 96 + i   low[64 n + 32 + i] high nibble                   bits 6 7
//
// Packed, 8 rows side by side, 1680 bytes; a word is 4 bytes, of row 0 | row 1 | ... | row 7:
//
//      0     16   d of row 0 .. row 7
//     16   1664   8 pairs of sub-blocks:
//           0     16   scales of the first sub-block: row 0 .. row 7, of the second
//          16     96   words a, b, c of the first
//         112     96   words a, b, c of the second
//
//   a has the columns 0 .. 3 of the sub-block, b 4 .. 7, c 8 .. 11, and what these leave of their bytes 12 .. 15 (six_bits.ts)
//
// What is used together lies together: a stream that jumps between places loses the prefetcher, and half its speed.
//
// Cost for 8 rows by 256 columns: 1680 bytes read; streaming 96 loads of weights, 64 of activations, 192 ands, 96 shifts, 64 ors, 128
// dots, 128 additions, and the scales. A tile of 4 tokens: 192 loads of weights, 256 of activations, 512 dots. Decoding to the panel: 128
// stores instead of the dots. Registers of the stream: 2 sums, 2 products, 6 words, 1 constant.

import { ACTIVATION_Q8_256 } from "../abi";
import { Q8_256_COLUMN_BYTES } from "../activations/q8_256";
import { Columns, dotAdd, evenWeights, oddWeights, scaleSums, startSums, X_BYTES } from "../dot";
import { floatToHalf, halfToFloat, kept } from "../lanes";
import { highScales, lowScales, PANEL_Q8_256_D, putFactors, putScales } from "./panel";
import { SuperSearch } from "./search_k";
import { fourth, fourthOf, withHigh, withLow, withMiddle } from "./six_bits";
import { finishQ8_256 } from "./sums";

/** Bytes of a pair of sub-blocks in a packed block, and where the words of sub-block s lie in one. */
@inline const PAIR_BYTES: usize = 208;

@inline
function wordsOf(group: usize, s: usize): usize {
  return group + 32 + (s >> 1) * PAIR_BYTES + (s & 1) * 96;
}

/** The 16 columns of sub-block s of row r. */
@inline
function columnsOf(group: usize, r: i32, s: usize): v128 {
  const at = wordsOf(group, s) + (<usize>r << 2);
  const a = load<u32>(at);
  const b = load<u32>(at, 32);
  const c = load<u32>(at, 64);
  let words = i32x4.splat(fourthOf(a, b, c));
  words = i32x4.replace_lane(words, 0, a & 0x3f3f3f3f);
  words = i32x4.replace_lane(words, 1, b & 0x3f3f3f3f);
  return i32x4.replace_lane(words, 2, c & 0x3f3f3f3f);
}

/**
 * Writes a run of 16 bytes of `high`, and the bytes of `low` that belong to it: 16 columns of each quarter of a half, sub-blocks
 * `firstOf(run)` and those 2, 4 and 6 further.
 */
@inline
function putRun(block: usize, run: usize, a: v128, b: v128, c: v128, d: v128): void {
  const nibble = i8x16.splat(15);
  const low = block + ((run >> 1) << 6) + ((run & 1) << 4);
  v128.store(low, v128.or(v128.and(a, nibble), i8x16.shl(c, 4)));
  v128.store(low, v128.or(v128.and(b, nibble), i8x16.shl(d, 4)), 32);
  const ab = v128.or(i8x16.shr_u(a, 4), i8x16.shl(i8x16.shr_u(b, 4), 2));
  const cd = v128.or(i8x16.shl(i8x16.shr_u(c, 4), 4), i8x16.shl(i8x16.shr_u(d, 4), 6));
  v128.store(block + (run << 4), v128.or(ab, cd), 128);
}

@inline
function firstOf(run: usize): usize {
  return ((run >> 1) << 3) | (run & 1);
}

@unmanaged
export class Q6_K {
  @inline get activation(): i32 { return ACTIVATION_Q8_256; }
  @inline get blockWeights(): i32 { return 256; }
  @inline get blockBytes(): i32 { return 210; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return 127 * 31 * 65504; }
  @inline get zero(): i32 { return 32; }
  @inline get subBlock(): i32 { return 16; }
  @inline get minimumBlock(): i32 { return 0; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    store<u16>(group + (<usize>r << 1), load<u16>(block, 208));
    for (let s: usize = 0; s < 16; s++) {
      store<u8>(group + (s >> 1) * PAIR_BYTES + ((s & 1) << 3) + <usize>r, load<u8>(block + s, 192), 16);
      const quarter = (s >> 1) & 3;
      const low = v128.load(block + ((s >> 3) << 6) + ((quarter & 1) << 5) + ((s & 1) << 4));
      const high = v128.load(block + ((s >> 3) << 5) + ((s & 1) << 4), 128);
      const bits = v128.and(i16x8.shr_u(high, <i32>quarter << 1), i8x16.splat(3));
      const words = v128.or(v128.and(i16x8.shr_u(low, <i32>(quarter >> 1) << 2), i8x16.splat(15)), i16x8.shl(bits, 4));
      const to = wordsOf(group, s) + (<usize>r << 2);
      const d: u32 = i32x4.extract_lane(words, 3);
      store<u32>(to, withHigh(i32x4.extract_lane(words, 0), d));
      store<u32>(to, withMiddle(i32x4.extract_lane(words, 1), d), 32);
      store<u32>(to, withLow(i32x4.extract_lane(words, 2), d), 64);
    }
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u16>(block, load<u16>(group + (<usize>r << 1)), 208);
    for (let s: usize = 0; s < 16; s++) {
      store<u8>(block + s, load<u8>(group + (s >> 1) * PAIR_BYTES + ((s & 1) << 3) + <usize>r, 16), 192);
    }
    for (let run: usize = 0; run < 4; run++) {
      const s = firstOf(run);
      const a = columnsOf(group, r, s);
      const b = columnsOf(group, r, s + 2);
      putRun(block, run, a, b, columnsOf(group, r, s + 4), columnsOf(group, r, s + 6));
    }
  }

  /** The scalar meaning: one block to 256 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block, 208));
    for (let i: usize = 0; i < 256; i++) {
      const half = i >> 7;
      const quarter = (i >> 5) & 3; // 0 and 1: low nibbles, 2 and 3: high ones
      const at = i & 31;
      const low: i32 = load<u8>(block + (half << 6) + ((quarter & 1) << 5) + at);
      const high: i32 = load<u8>(block + (half << 5) + at, 128);
      const q = ((low >> (quarter > 1 ? 4 : 0)) & 15) | (((high >> (<i32>quarter << 1)) & 3) << 4);
      const scale: i32 = load<i8>(block + (i >> 4), 192);
      store<f32>(out + (i << 2), d * <f32>scale * <f32>(q - 32));
    }
  }

  /** Encodes 256 f32 as one block. */
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<SuperSearch>(scratch);
    search.find(from, 16, -32, 31, -128, 127, 0);
    for (let s = 0; s < 16; s++) store<u8>(block + s, <u8>search.scaleOf(s), 192);
    store<u16>(block, <u16>floatToHalf(search.unit), 208);
    const zero = i8x16.splat(32);
    for (let run: usize = 0; run < 4; run++) {
      const first = <i32>firstOf(run);
      const x = from + (<usize>first << 6);
      search.take(first);
      const a = i8x16.add(search.levels16(x), zero);
      search.take(first + 2);
      const b = i8x16.add(search.levels16(x + 128), zero);
      search.take(first + 4);
      const c = i8x16.add(search.levels16(x + 256), zero);
      search.take(first + 6);
      const d = i8x16.add(search.levels16(x + 384), zero);
      putRun(block, run, a, b, c, d);
    }
  }

  /** Decodes a group of 8 blocks to a PanelQ8_256. */
  @inline
  panel(group: usize, panel: usize): void {
    const six = kept(panel, i8x16.splat(63));
    let q = group + 16;
    let to = panel;
    for (let s: usize = 0; s < 16; s += 2, q += 16) {
      putScales(panel, s, v128.load(q));
      for (const stop = q + 192; q < stop; q += 96, to += 128) {
        const a0 = v128.load(q, 16);
        const a1 = v128.load(q, 32);
        const b0 = v128.load(q, 48);
        const b1 = v128.load(q, 64);
        const c0 = v128.load(q, 80);
        const c1 = v128.load(q, 96);
        v128.store(to, v128.and(a0, six));
        v128.store(to, v128.and(a1, six), 16);
        v128.store(to, v128.and(b0, six), 32);
        v128.store(to, v128.and(b1, six), 48);
        v128.store(to, v128.and(c0, six), 64);
        v128.store(to, v128.and(c1, six), 80);
        v128.store(to, fourth(a0, b0, c0, six), 96);
        v128.store(to, fourth(a1, b1, c1, six), 112);
      }
    }
    putFactors(panel + PANEL_Q8_256_D, group);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_256); `panel` takes d and the scales. */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, panel: usize): void {
    const six = kept(panel, i8x16.splat(63));
    for (; blocks > 0; blocks--, group += 1680) {
      putFactors(panel + PANEL_Q8_256_D, group);
      let products0 = i32x4.splat(0);
      let products1 = i32x4.splat(0);
      let pairs = x + Q8_256_COLUMN_BYTES; // sums of the activations of each sub-block
      let scales = panel;
      for (let q = group + 16, end = q + 8 * PAIR_BYTES; q < end; q += 16) {
        putScales(scales, 0, v128.load(q));
        for (const stop = q + 192; q < stop; q += 96, x += 16 * X_BYTES, pairs += 4, scales += 16) {
          let sums0 = startSums(v128.load32_splat(pairs), 32);
          let sums1 = sums0;
          const a0 = v128.load(q, 16);
          const a1 = v128.load(q, 32);
          let even = changetype<Columns>(x).even0();
          let odd = changetype<Columns>(x).odd0();
          let w = v128.and(a0, six);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(a1, six);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          const b0 = v128.load(q, 48);
          const b1 = v128.load(q, 64);
          even = changetype<Columns>(x).even1();
          odd = changetype<Columns>(x).odd1();
          w = v128.and(b0, six);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(b1, six);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          const c0 = v128.load(q, 80);
          const c1 = v128.load(q, 96);
          even = changetype<Columns>(x).even2();
          odd = changetype<Columns>(x).odd2();
          w = v128.and(c0, six);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(c1, six);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          even = changetype<Columns>(x).even3();
          odd = changetype<Columns>(x).odd3();
          w = fourth(a0, b0, c0, six);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = fourth(a1, b1, c1, six);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          products0 = scaleSums(products0, sums0, lowScales(scales));
          products1 = scaleSums(products1, sums1, highScales(scales));
        }
      }
      x = finishQ8_256<Q6_K>(y, panel, products0, products1, x);
    }
  }
}
