// Encoding a block: the search for the scale, or the scale and minimum, whose levels come closest to the weights.
//
//   w ~ scale * q + minimum               q: low..high, the nearest level to (w - minimum) / scale
//
//   start     the scale that maps the extremes to the ends of the levels, and some that map them a little further in or out
//   improve   keep the levels and solve for scale and minimum by least squares; that moves levels, so repeat while it gets better
//   measure   every trial is measured as it will be decoded, rounded to a half where the format has halves: what measures better is
//             better in the file
//
// No multiplication is fused with an addition, so all builds encode alike.
//
// Cost of a trial for 4 weights: 1 load, 5 operations for the levels, 5 for the error, 6 for the sums.

import { floatToHalf, halfToFloat, sumLanes } from "../lanes";

// The ends of the levels are tried at 0, 0.2, -0.2, 0.4, ... -1 levels further out. Of equals the first is kept.
@inline const ENDS: i32 = 11;

@inline
function endOffset(k: i32): f32 {
  return <f32>((k & 1) != 0 ? k + 1 : -k) * 0.1;
}

/** The nearest levels to 4 weights, as f32. */
@inline
function nearestLevels(x: v128, inverse: v128, minimum: v128, low: v128, high: v128): v128 {
  const q = f32x4.nearest(f32x4.mul(f32x4.sub(x, minimum), inverse));
  return f32x4.pmin(high, f32x4.pmax(low, q));
}

@inline
function inverseOf(scale: f32): v128 {
  return f32x4.splat(scale != 0 ? <f32>1 / scale : 0);
}

/** The search in one block; lies in the encoder's scratch. */
@unmanaged
export class Search {
  /** The weights, and how many: a multiple of 4. */
  x: usize;
  count: usize;
  /** The levels. */
  low: f32;
  high: f32;
  /** A part of a super-block: neither scale nor minimum is a half, and the minimum is not above 0. */
  part: bool;
  hasMinimum: bool;
  /** The best scale and minimum so far, and their squared error. */
  scale: f32;
  minimum: f32;
  error: f32;
  /** Sums of the last measurement: of the weights x, of their levels q, of q * q and q * x. */
  sumX: f32;
  sumQ: f32;
  sumQQ: f32;
  sumQX: f32;

  /** A search in the weights at x. */
  begin(x: usize, count: usize, low: f32, high: f32, part: bool): void {
    this.x = x;
    this.count = count;
    this.low = low;
    this.high = high;
    this.part = part;
    this.scale = 0;
    this.minimum = 0;
    this.error = Infinity;
  }

  /** The best scale without a minimum. */
  findScale(): void {
    this.hasMinimum = false;
    const extreme = this.extreme();
    for (let k = 0; k < ENDS; k++) {
      this.trial(extreme / (this.low - endOffset(k)), 0);
      if (this.low != -this.high) this.trial(extreme / (this.high + endOffset(k)), 0);
    }
    this.settle();
  }

  /** The best scale and minimum. */
  findScaleAndMinimum(): void {
    this.hasMinimum = true;
    let smallest = load<f32>(this.x);
    let largest = smallest;
    for (let x = this.x, end = x + (this.count << 2); x < end; x += 4) {
      smallest = min(smallest, load<f32>(x));
      largest = max(largest, load<f32>(x));
    }
    if (this.part) smallest = min(smallest, 0);
    for (let k = 0; k < ENDS; k++) {
      this.trial((largest - smallest) / (this.high + endOffset(k)), smallest);
      this.trialOfLeastSquares();
    }
    this.settle();
  }

  /** The squared error of a scale and a minimum; leaves the sums. */
  measure(scale: f32, minimum: f32): f32 {
    const inverse = inverseOf(scale);
    const s = f32x4.splat(scale);
    const m = f32x4.splat(minimum);
    const low = f32x4.splat(this.low);
    const high = f32x4.splat(this.high);
    let errors = f32x4.splat(0);
    let sumX = f32x4.splat(0);
    let sumQ = f32x4.splat(0);
    let sumQQ = f32x4.splat(0);
    let sumQX = f32x4.splat(0);
    let x = this.x;
    for (const end = x + (this.count << 2); x < end; x += 16) {
      const w = v128.load(x);
      const q = nearestLevels(w, inverse, m, low, high);
      const difference = f32x4.sub(w, f32x4.add(f32x4.mul(s, q), m));
      errors = f32x4.add(errors, f32x4.mul(difference, difference));
      sumX = f32x4.add(sumX, w);
      sumQ = f32x4.add(sumQ, q);
      sumQQ = f32x4.add(sumQQ, f32x4.mul(q, q));
      sumQX = f32x4.add(sumQX, f32x4.mul(q, w));
    }
    this.sumX = sumLanes(sumX);
    this.sumQ = sumLanes(sumQ);
    this.sumQQ = sumLanes(sumQQ);
    this.sumQX = sumLanes(sumQX);
    return sumLanes(errors);
  }

  /** The levels of 16 weights at x by the best scale and minimum, as int8. */
  levels16(x: usize): v128 {
    const inverse = inverseOf(this.scale);
    const m = f32x4.splat(this.minimum);
    const low = f32x4.splat(this.low);
    const high = f32x4.splat(this.high);
    const a = i32x4.trunc_sat_f32x4_s(nearestLevels(v128.load(x), inverse, m, low, high));
    const b = i32x4.trunc_sat_f32x4_s(nearestLevels(v128.load(x, 16), inverse, m, low, high));
    const c = i32x4.trunc_sat_f32x4_s(nearestLevels(v128.load(x, 32), inverse, m, low, high));
    const d = i32x4.trunc_sat_f32x4_s(nearestLevels(v128.load(x, 48), inverse, m, low, high));
    return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
  }

  /** The weight of the largest magnitude. */
  private extreme(): f32 {
    let extreme: f32 = 0;
    for (let x = this.x, end = x + (this.count << 2); x < end; x += 4) {
      if (abs(load<f32>(x)) > abs(extreme)) extreme = load<f32>(x);
    }
    return extreme;
  }

  /** Measures a scale and a minimum; keeps them, and returns true, if they are better than the best. */
  private trial(scale: f32, minimum: f32): bool {
    if (!this.part) {
      scale = halfToFloat(floatToHalf(scale));
      minimum = halfToFloat(floatToHalf(minimum));
    }
    const error = this.measure(scale, minimum);
    if (!(error < this.error)) return false;
    this.scale = scale;
    this.minimum = minimum;
    this.error = error;
    return true;
  }

  /** A trial of the scale and minimum that are best for the levels of the last measurement. */
  private trialOfLeastSquares(): bool {
    const count = <f32>this.count;
    const determinant = count * this.sumQQ - this.sumQ * this.sumQ;
    if (this.hasMinimum && determinant > 0) {
      const minimum = (this.sumQQ * this.sumX - this.sumQ * this.sumQX) / determinant;
      if (!this.part || minimum <= 0) {
        return this.trial((count * this.sumQX - this.sumQ * this.sumX) / determinant, minimum);
      }
    }
    return this.sumQQ > 0 && this.trial(this.sumQX / this.sumQQ, 0);
  }

  /** Improves the best by least squares, and by the halves next to its scale: where halves are sparse, the nearest may not be best. */
  private settle(): void {
    this.measure(this.scale, this.minimum);
    while (this.trialOfLeastSquares()) {}
    if (this.part) return;
    const half = floatToHalf(this.scale);
    this.trial(halfToFloat(half + 1), this.minimum);
    if ((half & 0x7fff) != 0) this.trial(halfToFloat(half - 1), this.minimum);
  }
}
