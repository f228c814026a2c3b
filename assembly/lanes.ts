// Small words on v128 and scalars: horizontal sums, f16 and bf16 to and from f32, exp, multiply-add. Leaf functions, inlined.

/** a + b * c; one rounding where the machine has FMA and the build is the relaxed one, else two. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(b, c, a);
  return f32x4.add(a, f32x4.mul(b, c));
}

/**
 * A constant that stays in a register: V8 makes a literal anew at every use, with three instructions, so it goes by way of 16 bytes of
 * scratch.
 */
// @ts-ignore: decorator
@inline
export function kept(scratch: usize, constant: v128): v128 {
  v128.store(scratch, constant);
  return v128.load(scratch);
}

/**
 * 0, by way of memory, so that no compiler knows. V8 moves every load of a basic block to its beginning, and a long one then spills its
 * sums; an exit that is never taken, `if (never == 1) break`, cuts it, where a loop would cost more.
 */
// @ts-ignore: decorator
@inline
export function neverTaken(scratch: usize): i32 {
  store<i32>(scratch, 0);
  return load<i32>(scratch);
}

/** The sum of four f32 lanes, as (0 + 2) + (1 + 3). */
// @ts-ignore: decorator
@inline
export function sumLanes(a: v128): f32 {
  const b = f32x4.add(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  return f32x4.extract_lane(b, 0) + f32x4.extract_lane(b, 1);
}

/** The largest of four f32 lanes. */
// @ts-ignore: decorator
@inline
export function maxLanes(a: v128): f32 {
  const b = f32x4.max(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  return max(f32x4.extract_lane(b, 0), f32x4.extract_lane(b, 1));
}

// Where f16 and f32 differ: sign, exponent and mantissa of an f16 shifted left by 13, and 2^112, the distance of the biases.
// @ts-ignore: decorator
@inline export const HALF_MASK: i32 = 0x8fffe000;
// @ts-ignore: decorator
@inline export const HALF_BIAS: f32 = 5192296858534827628530496329220096.0;

/**
 * Four finite f16 in the low halves of sign-extended i32 lanes (v128.load16x4_s) to f32: the exponent and mantissa are moved to
 * where f32 has them, and a multiplication by 2^112 mends the bias, for subnormals too. Infinities become 65536.
 */
// @ts-ignore: decorator
@inline
export function halvesToFloats(h: v128): v128 {
  return halvesToFloatsBy(h, i32x4.splat(HALF_MASK), f32x4.splat(HALF_BIAS));
}

/** `halvesToFloats` for loops that have its constants in registers. */
// @ts-ignore: decorator
@inline
export function halvesToFloatsBy(h: v128, mask: v128, bias: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(h, 13), mask), bias);
}

/** Four bf16, zero-extended to i32 lanes, to f32. */
// @ts-ignore: decorator
@inline
export function brainsToFloats(h: v128): v128 {
  return i32x4.shl(h, 16);
}

/** One f16 to f32, exactly, infinities and NaN included. */
// @ts-ignore: decorator
@inline
export function halfToFloat(h: u32): f32 {
  const sign = (h & 0x8000) << 16;
  const magnitude = h & 0x7fff;
  if (magnitude >= 0x7c00) return reinterpret<f32>(sign | 0x7f800000 | ((magnitude & 0x3ff) << 13));
  const value = reinterpret<f32>(magnitude << 13) * reinterpret<f32>(0x77800000);
  return reinterpret<f32>(sign | reinterpret<u32>(value));
}

/**
 * Four f32 to f16, rounded to nearest even, in the low halves of i32 lanes; what f16 cannot hold becomes its largest finite
 * value, 65504.
 */
// @ts-ignore: decorator
@inline
export function floatsToHalves(f: v128): v128 {
  const sign = v128.and(i32x4.shr_u(f, 16), i32x4.splat(0x8000));
  const magnitude = f32x4.pmin(f32x4.splat(65504), f32x4.abs(f));
  const scaled = f32x4.mul(magnitude, f32x4.splat(reinterpret<f32>(0x07800000))); // times 2^-112
  const odd = v128.and(i32x4.shr_u(scaled, 13), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(scaled, i32x4.splat(0xfff)), odd), 13);
  return v128.or(sign, rounded);
}

/** One f32 to f16, rounded to nearest even, subnormal halves too; what f16 cannot hold becomes its largest finite value, 65504. */
// @ts-ignore: decorator
@inline
export function floatToHalf(f: f32): u32 {
  const sign = (reinterpret<u32>(f) >> 16) & 0x8000;
  const magnitude = abs(f);
  if (!(magnitude < 65504)) return sign | 0x7bff;
  // Beside 0.5, an f32 has the precision of subnormal halves: 2^-24.
  if (magnitude < reinterpret<f32>(0x38800000)) return sign | (reinterpret<u32>(magnitude + 0.5) - 0x3f000000);
  const bits = reinterpret<u32>(magnitude) - 0x38000000; // the exponent's bias: 127 to 15
  return sign | ((bits + 0xfff + ((bits >> 13) & 1)) >> 13);
}

/**
 * e^x for x <= 0, relative error below 2e-7; below -87 it is 0. x = n ln 2 + r with |r| <= ln 2 / 2, e^r by a polynomial of degree 6
 * (Taylor), and 2^n through the exponent field. Only IEEE operations, so every machine of one build agrees.
 */
// @ts-ignore: decorator
@inline
export function expNegative(x: v128): v128 {
  const keep = f32x4.ge(x, f32x4.splat(-87));
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.44269504)));
  // ln 2 in two parts, so that r is exact to the last bits (Cody and Waite).
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = f32x4.splat(1.0 / 720.0);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.0 / 120.0));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.0 / 24.0));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.0 / 6.0));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(0.5));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return v128.and(f32x4.mul(p, power), keep);
}
