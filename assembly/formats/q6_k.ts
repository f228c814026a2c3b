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
//     16    128   scale 0 of row 0 .. row 7, scale 1, ...
//    144   1536   for each half n, for j = 0..7:  words 16 n + j and 16 n + 8 + j of low, word 8 n + j of high
//
// What is used together lies together: a stream that jumps between low and high loses the prefetcher, and half its speed.
//
// Cost for 8 rows by 256 columns: 1680 bytes read; decoding 96 loads, 256 ands, 160 shifts, 128 ors, 128 stores, and the scales.

import { ACTIVATION_Q8_256 } from "../abi";
import { Columns, dotAdd, evenWeights, oddWeights, scaleSums, startSums, X_BYTES } from "../dot";
import { floatToHalf, halfToFloat, kept } from "../lanes";
import { highScales, lowScales, PANEL_Q8_256_D, putFactors, putScales } from "./panel";
import { SuperSearch } from "./search_k";
import { finishQ8_256 } from "./sums";

/** Puts d and the scales of 8 rows into a PanelQ8_256. */
@inline
function copyScales(group: usize, panel: usize): void {
  for (let s: usize = 0; s < 16; s += 2) putScales(panel, s, v128.load(group + (s << 3), 16));
  putFactors(panel + PANEL_Q8_256_D, group);
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
    const scale = group + <usize>r;
    for (let s: usize = 0; s < 16; s++) store<u8>(scale + (s << 3), load<u8>(block + s, 192), 16);
    for (let i: usize = 0; i < 16; i++) {
      const low = block + ((i >> 3) << 6) + ((i & 7) << 2);
      const to = group + i * 96 + (<usize>r << 2);
      store<u32>(to, load<u32>(low), 144);
      store<u32>(to, load<u32>(low, 32), 176);
      store<u32>(to, load<u32>(block + (i << 2), 128), 208);
    }
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u16>(block, load<u16>(group + (<usize>r << 1)), 208);
    const scale = group + <usize>r;
    for (let s: usize = 0; s < 16; s++) store<u8>(block + s, load<u8>(scale + (s << 3), 16), 192);
    for (let i: usize = 0; i < 16; i++) {
      const low = block + ((i >> 3) << 6) + ((i & 7) << 2);
      const from = group + i * 96 + (<usize>r << 2);
      store<u32>(low, load<u32>(from, 144));
      store<u32>(low, load<u32>(from, 176), 32);
      store<u32>(block + (i << 2), load<u32>(from, 208), 128);
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
    const nibble = i8x16.splat(15);
    for (let run = 0; run < 4; run++) {
      // 16 weights of each quarter of a half: a run of 16 bytes of `high`.
      const half = run >> 1;
      const first = (half << 3) | (run & 1); // sub-block
      const x = from + (<usize>first << 6);
      search.take(first);
      const a = i8x16.add(search.levels16(x), zero);
      search.take(first + 2);
      const b = i8x16.add(search.levels16(x + 128), zero);
      search.take(first + 4);
      const c = i8x16.add(search.levels16(x + 256), zero);
      search.take(first + 6);
      const d = i8x16.add(search.levels16(x + 384), zero);
      const low = block + (<usize>half << 6) + (<usize>(run & 1) << 4);
      v128.store(low, v128.or(v128.and(a, nibble), i8x16.shl(c, 4)));
      v128.store(low, v128.or(v128.and(b, nibble), i8x16.shl(d, 4)), 32);
      const ab = v128.or(i8x16.shr_u(a, 4), i8x16.shl(i8x16.shr_u(b, 4), 2));
      const cd = v128.or(i8x16.shl(i8x16.shr_u(c, 4), 4), i8x16.shl(i8x16.shr_u(d, 4), 6));
      v128.store(block + (<usize>run << 4), v128.or(ab, cd), 128);
    }
  }

  /** Decodes a group of 8 blocks to a PanelQ8_256. */
  @inline
  panel(group: usize, panel: usize): void {
    const nibble = kept(panel, i8x16.splat(15));
    const bits = kept(panel + 16, i8x16.splat(0x30));
    let from = group;
    for (let half = 0; half < 2; half++, panel += 768) {
      for (const stop = panel + 256; panel < stop; panel += 32, from += 96) {
        for (let rows: usize = 0; rows < 32; rows += 16) {
          const a = v128.load(from + rows, 144);
          const b = v128.load(from + rows, 176);
          const h = v128.load(from + rows, 208);
          const to = panel + rows;
          v128.store(to, v128.or(v128.and(a, nibble), v128.and(i16x8.shl(h, 4), bits)));
          v128.store(to, v128.or(v128.and(b, nibble), v128.and(i16x8.shl(h, 2), bits)), 256);
          v128.store(to, v128.or(v128.and(i16x8.shr_u(a, 4), nibble), v128.and(h, bits)), 512);
          v128.store(to, v128.or(v128.and(i16x8.shr_u(b, 4), nibble), v128.and(i16x8.shr_u(h, 2), bits)), 768);
        }
      }
    }
    copyScales(group, panel - 2048);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_256); `panel` takes d and the scales. */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, panel: usize): void {
    const nibble = kept(panel, i8x16.splat(15));
    const bits = kept(panel + 16, i8x16.splat(0x30));
    for (; blocks > 0; blocks--, group += 1680) {
      copyScales(group, panel);
      let products0 = i32x4.splat(0);
      let products1 = i32x4.splat(0);
      let pairs = x + 256 * X_BYTES; // sums of the activations of each sub-block
      let scales = panel;
      let q = group;
      for (let half = 0; half < 2; half++, pairs += 24, scales += 96, x += 96 * X_BYTES) {
        // Two sub-blocks of each quarter of the half share the bytes of a run.
        for (let run = 0; run < 2; run++, pairs += 4, scales += 16) {
          let a0 = startSums(v128.load32_splat(pairs), 32);
          let b0 = startSums(v128.load32_splat(pairs, 8), 32);
          let c0 = startSums(v128.load32_splat(pairs, 16), 32);
          let d0 = startSums(v128.load32_splat(pairs, 24), 32);
          let a1 = a0;
          let b1 = b0;
          let c1 = c0;
          let d1 = d0;
          for (const stop = q + 384; q < stop; q += 96, x += 4 * X_BYTES) {
            const h0 = v128.load(q, 208);
            const h1 = v128.load(q, 224);
            let q0 = v128.load(q, 144);
            let q1 = v128.load(q, 160);
            let even = changetype<Columns>(x).even0();
            let odd = changetype<Columns>(x).odd0();
            let w = v128.or(v128.and(q0, nibble), v128.and(i16x8.shl(h0, 4), bits));
            a0 = dotAdd(a0, evenWeights(w), oddWeights(w), even, odd);
            w = v128.or(v128.and(q1, nibble), v128.and(i16x8.shl(h1, 4), bits));
            a1 = dotAdd(a1, evenWeights(w), oddWeights(w), even, odd);
            even = changetype<Columns>(x + 64 * X_BYTES).even0();
            odd = changetype<Columns>(x + 64 * X_BYTES).odd0();
            w = v128.or(v128.and(i16x8.shr_u(q0, 4), nibble), v128.and(h0, bits));
            c0 = dotAdd(c0, evenWeights(w), oddWeights(w), even, odd);
            w = v128.or(v128.and(i16x8.shr_u(q1, 4), nibble), v128.and(h1, bits));
            c1 = dotAdd(c1, evenWeights(w), oddWeights(w), even, odd);
            q0 = v128.load(q, 176);
            q1 = v128.load(q, 192);
            even = changetype<Columns>(x + 32 * X_BYTES).even0();
            odd = changetype<Columns>(x + 32 * X_BYTES).odd0();
            w = v128.or(v128.and(q0, nibble), v128.and(i16x8.shl(h0, 2), bits));
            b0 = dotAdd(b0, evenWeights(w), oddWeights(w), even, odd);
            w = v128.or(v128.and(q1, nibble), v128.and(i16x8.shl(h1, 2), bits));
            b1 = dotAdd(b1, evenWeights(w), oddWeights(w), even, odd);
            even = changetype<Columns>(x + 96 * X_BYTES).even0();
            odd = changetype<Columns>(x + 96 * X_BYTES).odd0();
            w = v128.or(v128.and(i16x8.shr_u(q0, 4), nibble), v128.and(i16x8.shr_u(h0, 2), bits));
            d0 = dotAdd(d0, evenWeights(w), oddWeights(w), even, odd);
            w = v128.or(v128.and(i16x8.shr_u(q1, 4), nibble), v128.and(i16x8.shr_u(h1, 2), bits));
            d1 = dotAdd(d1, evenWeights(w), oddWeights(w), even, odd);
          }
          products0 = scaleSums(products0, a0, lowScales(scales));
          products1 = scaleSums(products1, a1, highScales(scales));
          products0 = scaleSums(products0, b0, lowScales(scales + 32));
          products1 = scaleSums(products1, b1, highScales(scales + 32));
          products0 = scaleSums(products0, c0, lowScales(scales + 64));
          products1 = scaleSums(products1, c1, highScales(scales + 64));
          products0 = scaleSums(products0, d0, lowScales(scales + 96));
          products1 = scaleSums(products1, d1, highScales(scales + 96));
        }
      }
      x = finishQ8_256<Q6_K>(y, panel, products0, products1, x);
    }
  }
}
