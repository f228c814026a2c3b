// Small operations on v128 and scalars: horizontal sums, f16 and bf16 to and from f32, exp, multiply-add. Leaf functions, inlined.
//
// Cost, in instructions for 4 lanes: halvesToFloats 3, with its constants in registers; floatsToHalves 11; expNegative 14 and 13
// loads in the relaxed build, 22 and 13 in simd; tanh 1 division and 20 others, and those of expNegative; sumLanes 5; sumLanesOfFour 9.

/** a + b * c; one rounding where the machine has FMA and the build is the relaxed one, otherwise two. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(b, c, a);
  return f32x4.add(a, f32x4.mul(b, c));
}

/**
 * A constant that stays in a register. V8 builds a literal again at every use, with three instructions; a value loaded from 16 bytes of
 * scratch it keeps.
 */
@inline
export function kept(scratch: usize, constant: v128): v128 {
  v128.store(scratch, constant);
  return v128.load(scratch);
}

/**
 * 0, by way of memory, so that no compiler knows. V8 moves every load of a basic block to its beginning, and a long block then spills its
 * sums. An exit that is never taken, `if (never == 1) break`, splits the block and costs less than a loop.
 */
@inline
export function neverTaken(scratch: usize): i32 {
  store<i32>(scratch, 0);
  return load<i32>(scratch);
}

/**
 * Stores rows 0..3 and rows 4..7, the latter first: the pass of V8 that joins two stores to one of 32 bytes (matmul.ts, WIDE) would otherwise
 * store the first half twice, in case the second one traps.
 */
@inline
export function storeRows(at: usize, low: v128, high: v128): void {
  v128.store(at, high, 16);
  v128.store(at, low);
}

/** Bytes of a constant in a table: four lanes, or eight in the wide builds, where two vectors that are computed as one load it as one. */
@inline export const CONSTANT_BYTES: usize = WIDE ? 32 : 16;

@inline
export function putConstant(table: usize, index: usize, constant: v128): void {
  v128.store(table + index * CONSTANT_BYTES, constant);
  if (WIDE) v128.store(table + index * CONSTANT_BYTES, constant, 16);
}

/** The entries of a table of 16 bytes at 16 indices of 0..15. */
@inline
export function lookUp(table: v128, indices: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, indices); // larger indices never occur
  return i8x16.swizzle(table, indices);
}

/** The sum of four f32 lanes, as (0 + 2) + (1 + 3). */
@inline
export function sumLanes(a: v128): f32 {
  const b = f32x4.add(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  return f32x4.extract_lane(b, 0) + f32x4.extract_lane(b, 1);
}

/** The sums of the lanes of a, b, c and d, each as `sumLanes` adds them. */
@inline
export function sumLanesOfFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7)); // a02 b02 a13 b13
  const cd = f32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3));
}

// Of WebAssembly's two maxima of floats, `pmax`, which may pass over NaN, is one instruction; `max` is seven, for NaN and -0.

/** The largest lanes of a, b, c and d. None of them may be NaN. */
@inline
export function maxLanesOfFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.pmax(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.pmax(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return f32x4.pmax(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3));
}

/** The largest of four f32 lanes, in all lanes. None of them may be NaN. */
@inline
export function maxLanes(a: v128): v128 {
  const b = f32x4.pmax(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  return f32x4.pmax(b, v128.shuffle<i32>(b, b, 1, 0, 3, 2));
}

/** The largest magnitude of 32 f32; NaN if one is NaN: without their sign bits, floats are ordered as integers are, with NaN above all. */
@inline
export function largestMagnitude32(from: usize): f32 {
  return magnitudeOf(doubledLargest32(from));
}

/** The largest of each lane of 32 f32 whose bits are shifted left by 1, so that the signs are gone. */
@inline
export function doubledLargest32(from: usize): v128 {
  const a = i32x4.max_u(i32x4.shl(v128.load(from), 1), i32x4.shl(v128.load(from, 16), 1));
  const b = i32x4.max_u(i32x4.shl(v128.load(from, 32), 1), i32x4.shl(v128.load(from, 48), 1));
  const c = i32x4.max_u(i32x4.shl(v128.load(from, 64), 1), i32x4.shl(v128.load(from, 80), 1));
  const d = i32x4.max_u(i32x4.shl(v128.load(from, 96), 1), i32x4.shl(v128.load(from, 112), 1));
  return i32x4.max_u(i32x4.max_u(a, b), i32x4.max_u(c, d));
}

/** The largest magnitude, from the outcome of `doubledLargest32`. */
@inline
export function magnitudeOf(doubled: v128): f32 {
  const b = i32x4.max_u(doubled, v128.shuffle<i32>(doubled, doubled, 2, 3, 0, 1));
  const c = i32x4.max_u(b, v128.shuffle<i32>(b, b, 1, 0, 3, 2));
  return f32x4.extract_lane(i32x4.shr_u(c, 1), 0);
}

// 1.5 * 2^23: adding it rounds to an integer, which lies in the low bits of the sum.
@inline const ROUNDER: f32 = 12582912;

/** 8 f32, times `inverse`, rounded, as int16. The products must not exceed 32767, except where a number is not finite. */
@inline
export function round8(x0: v128, x1: v128, inverse: v128): v128 {
  const rounder = f32x4.splat(ROUNDER);
  return i16x8.narrow_i32x4_s(
    i32x4.sub(f32x4.add(f32x4.mul(x0, inverse), rounder), rounder),
    i32x4.sub(f32x4.add(f32x4.mul(x1, inverse), rounder), rounder),
  );
}

// Where f16 and f32 differ: sign, exponent and mantissa of an f16 shifted left by 13, and 2^112, the distance of the biases.
@inline export const HALF_MASK: i32 = 0x8fffe000;
@inline export const HALF_BIAS: f32 = 5192296858534827628530496329220096.0;

/**
 * Four finite f16 in the low halves of sign-extended i32 lanes (v128.load16x4_s) to f32: the exponent and mantissa move to where f32
 * has them, and a multiplication by 2^112 corrects the bias, for subnormals too. Infinities become 65536.
 */
@inline
export function halvesToFloats(h: v128): v128 {
  return halvesToFloatsBy(h, i32x4.splat(HALF_MASK), f32x4.splat(HALF_BIAS));
}

/** `halvesToFloats` for loops that have its constants in registers. */
@inline
export function halvesToFloatsBy(h: v128, mask: v128, bias: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(h, 13), mask), bias);
}

/** `halvesToFloats` without a multiplication: subnormal halves begin as subnormal f32, which x86 takes 5 to 10 ns longer to multiply. */
@inline
export function subnormalHalvesToFloats(h: v128): v128 {
  const magnitude = i32x4.shr_u(i32x4.shl(h, 17), 4); // where f32 has exponent and mantissa
  const normal = i32x4.add(magnitude, i32x4.splat(0x38000000)); // the distance of the biases
  const least = i32x4.splat(0x38800000); // 2^-14, the least normal half
  const subnormal = f32x4.sub(v128.or(magnitude, least), least);
  const isSubnormal = i32x4.eq(i32x4.shr_u(magnitude, 23), i32x4.splat(0));
  const sign = i32x4.shl(i32x4.shr_u(h, 31), 31);
  return v128.or(v128.bitselect(subnormal, normal, isSubnormal), sign);
}

/** Four bf16, zero-extended to i32 lanes, to f32. */
@inline
export function brainsToFloats(h: v128): v128 {
  return i32x4.shl(h, 16);
}

/** One f16 to f32, exactly, infinities and NaN included. */
@inline
export function halfToFloat(h: u32): f32 {
  const sign = (h & 0x8000) << 16;
  const magnitude = h & 0x7fff;
  if (magnitude >= 0x7c00) return reinterpret<f32>(sign | 0x7f800000 | ((magnitude & 0x3ff) << 13));
  const value = reinterpret<f32>(magnitude << 13) * reinterpret<f32>(0x77800000);
  return reinterpret<f32>(sign | reinterpret<u32>(value));
}

/**
 * Four f32 to f16, rounded to nearest even, in the low halves of i32 lanes; magnitudes too large for f16 become its largest finite
 * value, 65504.
 */
@inline
export function floatsToHalves(f: v128): v128 {
  const sign = v128.and(i32x4.shr_u(f, 16), i32x4.splat(0x8000));
  const magnitude = f32x4.pmin(f32x4.splat(65504), f32x4.abs(f));
  const scaled = f32x4.mul(magnitude, f32x4.splat(reinterpret<f32>(0x07800000))); // times 2^-112
  const odd = v128.and(i32x4.shr_u(scaled, 13), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(scaled, i32x4.splat(0xfff)), odd), 13);
  return v128.or(sign, rounded);
}

/** One f32 to f16, rounded to nearest even, subnormal halves too; magnitudes too large for f16 become 65504. */
@inline
export function floatToHalf(f: f32): u32 {
  const sign = (reinterpret<u32>(f) >> 16) & 0x8000;
  const magnitude = abs(f);
  if (!(magnitude < 65504)) return sign | 0x7bff;
  // From 0.5 on, an f32 has the precision of subnormal halves: 2^-24.
  if (magnitude < reinterpret<f32>(0x38800000)) return sign | (reinterpret<u32>(magnitude + 0.5) - 0x3f000000);
  const bits = reinterpret<u32>(magnitude) - 0x38000000; // the exponent's bias: 127 to 15
  return sign | ((bits + 0xfff + ((bits >> 13) & 1)) >> 13);
}

/**
 * Writes the constants of `expNegative` to `EXP_TABLE_BYTES` of scratch, each in four lanes: from memory a constant costs one
 * instruction, as a literal three.
 */
export function writeExpTable(at: usize): void {
  v128.store(at, f32x4.splat(-87));
  v128.store(at, f32x4.splat(1.44269504), 16);
  // 1.5 * 2^23: adding it rounds to an integer, which lies in the low bits of the sum.
  v128.store(at, f32x4.splat(12582912), 32);
  // ln 2 in two parts, so that r is exact to the last bits (Cody and Waite).
  v128.store(at, f32x4.splat(-0.693359375), 48);
  v128.store(at, f32x4.splat(2.1219444e-4), 64);
  // e^r: the coefficients of degree 5, with 1 + r fixed, that have the least relative error, 1.05e-7.
  v128.store(at, f32x4.splat(0.008312520571053028), 80);
  v128.store(at, f32x4.splat(0.04189015552401543), 96);
  v128.store(at, f32x4.splat(0.16667114198207855), 112);
  v128.store(at, f32x4.splat(0.499992311000824), 128);
  v128.store(at, f32x4.splat(1), 144);
}

/**
 * e^x for x <= 0, relative error below 3e-7. e^0 is 1; below -87 the result is 0; NaN gives NaN. x = n ln 2 + r with
 * |r| <= ln 2 / 2: e^r by a polynomial, 2^n through the exponent field. `table`: from `writeExpTable`.
 */
@inline
export function expNegative(x: v128, table: usize): v128 {
  const shifted = madd(v128.load(table, 32), x, v128.load(table, 16));
  const n = f32x4.sub(shifted, v128.load(table, 32));
  let r = madd(x, n, v128.load(table, 48));
  r = madd(r, n, v128.load(table, 64));
  let p = madd(v128.load(table, 96), v128.load(table, 80), r);
  p = madd(v128.load(table, 112), p, r);
  p = madd(v128.load(table, 128), p, r);
  p = madd(v128.load(table, 144), p, r);
  p = madd(v128.load(table, 144), p, r);
  // The bits of 2^n are those of 1 plus n << 23.
  const power = i32x4.add(i32x4.shl(shifted, 23), v128.load(table, 144));
  return v128.andnot(f32x4.mul(p, power), f32x4.lt(x, v128.load(table)));
}

/**
 * The hyperbolic tangent, relative error below 4e-7; NaN gives NaN. From 0.5 on it is (1 - e) / (1 + e) with e = e^-2|x|. Nearer to 0, where
 * that difference would have lost its digits, it is x (1 + s P(s)) with s = x^2: the P of degree 3 that has the least relative error,
 * 1.5e-8. `table`: from `writeExpTable`.
 */
@inline
export function tanh(x: v128, table: usize): v128 {
  const size = f32x4.abs(x);
  const one = v128.load(table, 144);
  const e = expNegative(f32x4.mul(size, f32x4.splat(-2)), table);
  const far = f32x4.div(f32x4.sub(one, e), f32x4.add(one, e));
  const s = f32x4.mul(x, x);
  let p = madd(f32x4.splat(-0.05304549409218936), f32x4.splat(0.017241491138296875), s);
  p = madd(f32x4.splat(0.13325878954716883), p, s);
  p = madd(f32x4.splat(-0.3333314389612743), p, s);
  const near = madd(x, f32x4.mul(x, s), p);
  const sign = v128.and(x, i32x4.splat(0x80000000));
  return v128.or(v128.bitselect(near, far, f32x4.lt(size, f32x4.splat(0.5))), sign);
}
