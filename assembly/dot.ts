// Where the two builds differ: the dot product of 4 rows by 4 columns of small weights with one token's activations.
//
//   weights      one v128:  row 0: w0 w1 w2 w3 | row 1: ... | row 2: ... | row 3: ...   bytes, 0..63
//   activations  4 columns of one token, -127..127:
//                relaxed    4 bytes  x0 x1 x2 x3             splat as an i32; one relaxed_dot, whose 7-bit operand is w:
//                                                            inside the instruction's rule, so all machines agree
//                simd       8 bytes  x0 x2 | x1 x3 (int16)   two splats, even and odd bytes of w multiplied apart
//   sums         i16x8, two lanes for each row: columns 0 and 1, columns 2 and 3. The caller sees to it that 16 bits are enough.
//
// Both give the same integers. Cost for 16 products: relaxed 1 load, 1 dot, 1 add; simd 2 loads, 2 multiplications, 2 additions.

// Bytes of one activation: see above.
// @ts-ignore: decorator
@inline export const X_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 1 : 2;

/** The weights as the first multiplication wants them. */
// @ts-ignore: decorator
@inline
export function evenWeights(w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return w;
  return v128.and(w, i16x8.splat(0xff));
}

/** The weights as the second multiplication wants them (not used by the relaxed build). */
// @ts-ignore: decorator
@inline
export function oddWeights(w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return w;
  return i16x8.shr_u(w, 8);
}

/** 4 columns of one token. */
@unmanaged
export class Columns1 {
  // @ts-ignore: decorator
  @inline
  even(): v128 {
    return v128.load32_splat(changetype<usize>(this));
  }

  // @ts-ignore: decorator
  @inline
  odd(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return i32x4.splat(0);
    return v128.load32_splat(changetype<usize>(this), 4);
  }
}

/** 4 columns of 4 tokens, token after token. */
@unmanaged
export class Columns4 {
  // @ts-ignore: decorator
  @inline
  even0(): v128 {
    return v128.load32_splat(changetype<usize>(this), 0);
  }

  // @ts-ignore: decorator
  @inline
  even1(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return v128.load32_splat(changetype<usize>(this), 4);
    return v128.load32_splat(changetype<usize>(this), 8);
  }

  // @ts-ignore: decorator
  @inline
  even2(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return v128.load32_splat(changetype<usize>(this), 8);
    return v128.load32_splat(changetype<usize>(this), 16);
  }

  // @ts-ignore: decorator
  @inline
  even3(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return v128.load32_splat(changetype<usize>(this), 12);
    return v128.load32_splat(changetype<usize>(this), 24);
  }

  // @ts-ignore: decorator
  @inline
  odd0(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return i32x4.splat(0);
    return v128.load32_splat(changetype<usize>(this), 4);
  }

  // @ts-ignore: decorator
  @inline
  odd1(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return i32x4.splat(0);
    return v128.load32_splat(changetype<usize>(this), 12);
  }

  // @ts-ignore: decorator
  @inline
  odd2(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return i32x4.splat(0);
    return v128.load32_splat(changetype<usize>(this), 20);
  }

  // @ts-ignore: decorator
  @inline
  odd3(): v128 {
    if (ASC_FEATURE_RELAXED_SIMD) return i32x4.splat(0);
    return v128.load32_splat(changetype<usize>(this), 28);
  }
}

/** sums + w . x for 4 rows by 4 columns. */
// @ts-ignore: decorator
@inline
export function dotAdd(sums: v128, wEven: v128, wOdd: v128, xEven: v128, xOdd: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sums, i16x8.relaxed_dot_i8x16_i7x16_s(xEven, wEven));
  return i16x8.add(i16x8.add(sums, i16x8.mul(wEven, xEven)), i16x8.mul(wOdd, xOdd));
}
