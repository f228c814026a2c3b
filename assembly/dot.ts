// Where the builds differ: the dot product of 4 rows by 4 columns of small weights with one token's activations.
//
//   weights      one v128:  row 0: w0 w1 w2 w3 | row 1: ... | row 2: ... | row 3: ...   bytes
//   activations  4 columns of one token, -127..127
//
//   build     activations            for 16 products                                          sums
//   simd      int16: x0 x2 | x1 x3   2 loads, 2 multiplications (even, odd bytes), 2 adds     i16x8, two lanes for each row:
//   relaxed   int8:  x0 x1 x2 x3     1 load, i16x8.relaxed_dot_i8x16_i7x16_s, 1 add           columns 0 and 1, columns 2 and 3
//   vnni      int8:  x0 x1 x2 x3     1 load, i32x4.relaxed_dot_i8x16_i7x16_add_s              i32x4, one lane for each row
//   dotprod   int8:  x0 x1 x2 x3     as vnni                                                  as vnni
//
// In the relaxed build, weights are the instruction's 7-bit operand and never exceed 63. The instruction is defined for these, so all
// machines agree. The caller makes sure that 16 bits hold the sums. All builds give the same integers.
//
// Two builds run only where this machine's instruction does more than it is defined for, which they ask it:
//
//   build     weights, 8 bits    no overflow, as              asked by
//   vnni      unsigned           x86's vpdpbusd               dotIsUnsigned
//   dotprod   signed             ARM's sdot                   dotIsSigned
//
// There, formats of 8-bit weights use this dot product too; in vnni with 128 added to each weight (BYTE_ZERO). Both give the same results to
// the last bit, because the integers are the same.
//
// Cost of `dotAdd`, 16 products: the table above; `Columns` adds 1 load for each operand that a build has.

// Bytes of one activation: see above.
@inline export const X_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 1 : 2;

// VNNI is 1 in the builds vnni and wide-vnni, DOTPROD in dotprod, WIDE in the builds of wide.ts; else they are 0 (asconfig.json,
// asconfig.wide.json).
@inline export const WIDE_SUMS: bool = VNNI != 0 || DOTPROD != 0;

/** What is added to weights of 8 bits, as the dot product of wide sums takes them. */
@inline export const BYTE_ZERO: i32 = VNNI != 0 ? 128 : 0;

/** Whether this machine's instruction does what the vnni build needs. */
export function dotIsUnsigned(): bool {
  if (VNNI == 0) return false;
  const sum = i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(127), i8x16.splat(-1), i32x4.splat(0));
  return i32x4.extract_lane(sum, 0) == 4 * 127 * 255;
}

/**
 * Whether this machine's instruction does what the dotprod build needs: signed weights, and no overflow with activations of -127..127. V8
 * answers alike before and after optimization, and for ARM without sdot, where sums of pairs have 16 bits.
 */
export function dotIsSigned(): bool {
  if (DOTPROD == 0) return false;
  const least = i8x16.splat(-128);
  const low = i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(127), least, i32x4.splat(0));
  const high = i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(-127), least, i32x4.splat(0));
  return i32x4.extract_lane(low, 0) == -4 * 127 * 128 && i32x4.extract_lane(high, 0) == 4 * 127 * 128;
}

/** The weights as the first multiplication takes them. */
@inline
export function evenWeights(w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return w;
  return v128.and(w, i16x8.splat(0xff));
}

/** The weights as the second multiplication takes them (unused in the relaxed build). */
@inline
export function oddWeights(w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return w;
  return i16x8.shr_u(w, 8);
}

/** Lane 0 in all lanes. */
@inline
export function spread0(x: v128): v128 {
  return v128.shuffle<i32>(x, x, 0, 0, 0, 0);
}

@inline
export function spread1(x: v128): v128 {
  return v128.shuffle<i32>(x, x, 1, 1, 1, 1);
}

@inline
export function spread2(x: v128): v128 {
  return v128.shuffle<i32>(x, x, 2, 2, 2, 2);
}

@inline
export function spread3(x: v128): v128 {
  return v128.shuffle<i32>(x, x, 3, 3, 3, 3);
}

/** 4 groups of 4 columns, one after the other: the same group of 4 tokens, or 4 groups of one token. */
@unmanaged
export class Columns {
  // ARM has no address of base, index and offset for a load that spreads a lane: dotprod loads all four at once, and spreads registers.

  @inline
  all(): v128 {
    return v128.load(changetype<usize>(this));
  }

  @inline
  even0(): v128 {
    if (DOTPROD) return spread0(this.all());
    return v128.load32_splat(changetype<usize>(this), 0);
  }

  @inline
  even1(): v128 {
    if (DOTPROD) return spread1(this.all());
    if (ASC_FEATURE_RELAXED_SIMD) return v128.load32_splat(changetype<usize>(this), 4);
    return v128.load32_splat(changetype<usize>(this), 8);
  }

  @inline
  even2(): v128 {
    if (DOTPROD) return spread2(this.all());
    if (ASC_FEATURE_RELAXED_SIMD) return v128.load32_splat(changetype<usize>(this), 8);
    return v128.load32_splat(changetype<usize>(this), 16);
  }

  @inline
  even3(): v128 {
    if (DOTPROD) return spread3(this.all());
    if (ASC_FEATURE_RELAXED_SIMD) return v128.load32_splat(changetype<usize>(this), 12);
    return v128.load32_splat(changetype<usize>(this), 24);
  }

  @inline
  odd0(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return i32x4.splat(0);
    return v128.load32_splat(changetype<usize>(this), 4);
  }

  @inline
  odd1(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return i32x4.splat(0);
    return v128.load32_splat(changetype<usize>(this), 12);
  }

  @inline
  odd2(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return i32x4.splat(0);
    return v128.load32_splat(changetype<usize>(this), 20);
  }

  @inline
  odd3(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return i32x4.splat(0);
    return v128.load32_splat(changetype<usize>(this), 28);
  }
}

/** Puts two groups of 4 columns of one token, int16, at `to` and `to + step`, as `Columns` reads them. */
@inline
export function putGroups(to: usize, step: usize, columns: v128): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const bytes = i8x16.narrow_i16x8_s(columns, columns);
    v128.store32_lane(to, bytes, 0);
    v128.store32_lane(to + step, bytes, 1);
  } else {
    const parted = v128.shuffle<i16>(columns, columns, 0, 2, 1, 3, 4, 6, 5, 7);
    v128.store64_lane(to, parted, 0);
    v128.store64_lane(to + step, parted, 1);
  }
}

/** sums + w . x for 4 rows by 4 columns. */
@inline
export function dotAdd(sums: v128, wEven: v128, wOdd: v128, xEven: v128, xOdd: v128): v128 {
  if (WIDE_SUMS) return i32x4.relaxed_dot_i8x16_i7x16_add_s(xEven, wEven, sums);
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sums, i16x8.relaxed_dot_i8x16_i7x16_s(xEven, wEven));
  return i16x8.add(i16x8.add(sums, i16x8.mul(wEven, xEven)), i16x8.mul(wOdd, xOdd));
}

/** w . x for 4 rows by 4 columns: `dotAdd` to sums of 0, without the addition. */
@inline
export function dot(wEven: v128, wOdd: v128, xEven: v128, xOdd: v128): v128 {
  if (WIDE_SUMS) return i32x4.relaxed_dot_i8x16_i7x16_add_s(xEven, wEven, i32x4.splat(0));
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.relaxed_dot_i8x16_i7x16_s(xEven, wEven);
  return i16x8.add(i16x8.mul(wEven, xEven), i16x8.mul(wOdd, xOdd));
}

/** `dotAdd` in the builds that take the weights as they are: all but simd. */
@inline
export function dotBytes(sums: v128, w: v128, x: v128): v128 {
  return dotAdd(sums, w, w, x, x);
}

/** sums + w . x for 4 rows by two groups of 4 columns: weights in the low nibbles of `q`, and in the high ones. `low`: bytes of 15. */
@inline
export function dotNibbles(sums: v128, q: v128, low: v128, even: v128, odd: v128, highEven: v128, highOdd: v128): v128 {
  const w = v128.and(q, low);
  const v = v128.and(i16x8.shr_u(q, 4), low);
  return dotAdd(dotAdd(sums, evenWeights(w), oddWeights(w), even, odd), evenWeights(v), oddWeights(v), highEven, highOdd);
}

/** Writes the sums of a token's columns, negative, for `startSums`; a: of columns 0 and 1 of all groups, b: of 2 and 3 (WIDE_SUMS: one sum). */
@inline
export function putSums(to: usize, a: i32, b: i32): void {
  if (WIDE_SUMS) store<i32>(to, -a - b);
  else store<u32>(to, (-a & 0xffff) | (-b << 16));
}

/** What the sums of 4 rows start at: -zero times the sum of the activations, so that the weights' offset `zero` costs nothing. */
@inline
export function startSums(sums: v128, zero: i32): v128 {
  if (zero == 0) return i32x4.splat(0);
  if (WIDE_SUMS) return popcnt(zero) == 1 ? i32x4.shl(sums, ctz(zero)) : i32x4.mul(sums, i32x4.splat(zero));
  return popcnt(zero) == 1 ? i16x8.shl(sums, ctz(zero)) : i16x8.mul(sums, i16x8.splat(<i16>zero));
}

/** The sums as one i32 for each row. `ones`: i16x8.splat(1). */
@inline
export function wholeSums(sums: v128, ones: v128): v128 {
  if (WIDE_SUMS) return sums;
  return i32x4.dot_i16x8_s(sums, ones);
}

/** products + scales * sums: one i32 for each row. */
@inline
export function scaleSums(products: v128, sums: v128, scales: v128): v128 {
  if (WIDE_SUMS) return i32x4.add(products, i32x4.mul(sums, scales));
  return i32x4.add(products, i32x4.dot_i16x8_s(sums, scales));
}
