// exp and log from IEEE double + - * / alone. Those four are exactly rounded on every machine; Math.exp and Math.log are not
// specified to the last bit and have changed between V8 versions, and one bit can turn a sampled token into another.

// ln 2 in two parts: the first has 33 bits, so that k * LN2_HIGH is exact for every exponent k of a double.
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;

/** exp(x) is 0 below the first and Infinity above the second. */
const SMALLEST = -745.2;
const LARGEST = 709.8;

/** 2^k at index k + POWER_OFFSET. A factor 2^k is applied as two halves, so results near the ends of the range are right. */
const POWER_OFFSET = 539;
const POWERS = powersOfTwo();

function powersOfTwo(): Float64Array {
  const powers = new Float64Array(2 * POWER_OFFSET + 1);
  powers[POWER_OFFSET] = 1;
  for (let k = 1; k <= POWER_OFFSET; k++) {
    powers[POWER_OFFSET + k] = powers[POWER_OFFSET + k - 1]! * 2;
    powers[POWER_OFFSET - k] = powers[POWER_OFFSET - k + 1]! / 2;
  }
  return powers;
}

/**
 * e^x, within 2 units in the last place, the same bits on every machine.
 *
 * x = k ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor series: the first term left out, r^14 / 14!, is below 5e-18. Even
 * and odd terms are summed apart, because two chains of dependent operations take half the time of one.
 */
export function exp(x: number): number {
  if (!(x >= SMALLEST)) return x < SMALLEST ? 0 : Number.NaN;
  if (x > LARGEST) return Number.POSITIVE_INFINITY;
  const k = Math.floor(x * Math.LOG2E + 0.5);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  const square = r * r;
  let even = 1 / 479001600;
  let odd = 1 / 6227020800;
  even = even * square + 1 / 3628800;
  odd = odd * square + 1 / 39916800;
  even = even * square + 1 / 40320;
  odd = odd * square + 1 / 362880;
  even = even * square + 1 / 720;
  odd = odd * square + 1 / 5040;
  even = even * square + 1 / 24;
  odd = odd * square + 1 / 120;
  even = even * square + 0.5;
  odd = odd * square + 1 / 6;
  const sum = 1 + (r + square * (even + r * odd));
  const half = k >> 1;
  return sum * POWERS[POWER_OFFSET + half]! * POWERS[POWER_OFFSET + k - half]!;
}

/** The number of terms of the series of log; the first term left out is below 0.0295^12 / 25 < 2e-20. */
const LOG_TERMS = 12;

/**
 * The natural logarithm, within 2 units in the last place, the same bits on every machine.
 *
 * x = 2^k m with m in [sqrt(1/2), sqrt(2)]; with s = (m - 1) / (m + 1): log m = 2 (s + s^3 / 3 + s^5 / 5 + ...), |s| < 0.172.
 */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  let m = x;
  let k = 0;
  for (; m > Math.SQRT2; m /= 2) k++;
  for (; m < Math.SQRT1_2; m *= 2) k--;
  const s = (m - 1) / (m + 1);
  const square = s * s;
  let sum = 0;
  for (let term = LOG_TERMS - 1; term > 0; term--) sum = (sum + 1 / (2 * term + 1)) * square;
  return k * LN2_HIGH + (k * LN2_LOW + 2 * s * sum + 2 * s);
}
