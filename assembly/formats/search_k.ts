// Encoding a super-block of 256 weights: the search for the units, and for the integers of each sub-block.
//
//   scale of sub-block s   = unit * scale[s]                   scale[s]: an integer, lowest..highest
//   minimum of sub-block s = -minimumUnit * minimum[s]         minimum[s]: 0..63, where the format has minima
//
//   1. each sub-block by itself: the scale and minimum that suit it best (search.ts), the wanted ones
//   2. units by which the largest of these becomes the largest integer, or one below it, ...; with each unit, every sub-block
//      takes the integers near the wanted ones that measure best
//   3. for these integers and levels, the units by least squares; and the integers once more
//
// The best units are those with the least sum of (squared error / squared weights) over the sub-blocks, so that a small sub-block
// counts as much as a large one.
//
// Cost: 7 trials of units for a super-block, each with up to 9 measurements of every sub-block (3 without minima), at search.ts's cost for
// 4 weights.
//
// Scratch (SEARCH_K_BYTES): the record | wanted scales | wanted minima | 1 / squared weights, 16 f32 each | scales | minima of the
// best units, 16 int8 each | scales | minima of the trial

import { floatToHalf, halfToFloat } from "../lanes";
import { Search } from "./search";

// How many largest integers are tried.
@inline const UNITS: i32 = 6;

// Squared weights of a sub-block, at least.
@inline const TINY: f32 = 1e-30;

@inline const WANTED: usize = 128;
@inline const INTEGERS: usize = 320;
@inline const TRIAL: usize = 352;
@inline export const SEARCH_K_BYTES: usize = 384;

/** A half that is at least as far from 0 as f, so that the largest integer is enough. */
@inline
function halfBeyond(f: f32): f32 {
  const half = floatToHalf(f);
  return halfToFloat(abs(halfToFloat(half)) < abs(f) ? half + 1 : half);
}

/** The integer nearest to a / b, within bounds. */
@inline
function nearestRatio(a: f32, b: f32, low: i32, high: i32): i32 {
  return b == 0 ? 0 : <i32>max(<f32>low, min(<f32>high, nearest(a / b)));
}

/** 0, 1, -1: of equals, the first is kept. */
@inline
function beside(i: i32): i32 {
  return i == 2 ? -1 : i;
}

@unmanaged
export class SuperSearch extends Search {
  /** Byte offset of the super-block's weights. */
  from: usize;
  /** Sub-blocks. */
  blocks: i32;
  /** Bounds of the integers; the one that the largest scale gets is `lowest` where that is negative, else `highest`. */
  lowest: i32;
  highest: i32;
  highestMinimum: i32;
  /** The best units. */
  unit: f32;
  minimumUnit: f32;
  total: f32;

  /** The integer scale of sub-block s. */
  scaleOf(s: i32): i32 {
    return load<i8>(changetype<usize>(this) + s, INTEGERS);
  }

  /** The integer minimum of sub-block s. */
  minimumOf(s: i32): i32 {
    return load<i8>(changetype<usize>(this) + s, INTEGERS + 16);
  }

  /** Scale and minimum of sub-block s become those of `levels16`. */
  take(s: i32): void {
    this.scale = this.unit * <f32>this.scaleOf(s);
    this.minimum = -this.minimumUnit * <f32>this.minimumOf(s);
  }

  /** Finds units and integers for sub-blocks of `count` weights. */
  find(from: usize, count: usize, low: f32, high: f32, lowest: i32, highest: i32, highestMinimum: i32): void {
    this.from = from;
    this.lowest = lowest;
    this.highest = highest;
    this.highestMinimum = highestMinimum;
    this.unit = 0;
    this.minimumUnit = 0;
    this.total = Infinity;

    let scale: f32 = 0;
    let minimum: f32 = 0;
    this.blocks = 256 / <i32>count;
    for (let s = 0; s < this.blocks; s++) {
      this.begin(from + (<usize>s * count << 2), count, low, high, true);
      this.want(s);
      if (abs(this.scale) > abs(scale)) scale = this.scale;
      minimum = max(minimum, -this.minimum);
    }
    for (let k = 0; k < UNITS; k++) {
      const end = <f32>(lowest < 0 ? lowest + k : highest - k);
      this.trialOfUnits(halfBeyond(scale / end), highestMinimum > 0 ? halfBeyond(minimum / <f32>(highestMinimum - k)) : 0);
    }
    this.trialOfLeastUnits();
  }

  /** Finds what sub-block s, in which the search has begun, wants. */
  private want(s: i32): void {
    if (this.highestMinimum > 0) this.findScaleAndMinimum();
    else this.findScale();
    const at = changetype<usize>(this) + (<usize>s << 2);
    store<f32>(at, this.scale, WANTED);
    store<f32>(at, -this.minimum, WANTED + 64);
    // Below TINY, all halves but 0 are too large.
    store<f32>(at, <f32>1 / max(TINY, this.measure(0, 0)), WANTED + 128);
  }

  /** Chooses the integers of all sub-blocks for these units; keeps all if it is better than the best. */
  private trialOfUnits(unit: f32, minimumUnit: f32): void {
    const record = changetype<usize>(this);
    let total: f32 = 0;
    for (let s = 0; s < this.blocks; s++) {
      total += this.choose(s, unit, minimumUnit) * load<f32>(record + (<usize>s << 2), WANTED + 128);
    }
    if (!(total < this.total)) return;
    this.total = total;
    this.unit = unit;
    this.minimumUnit = minimumUnit;
    v128.store(record, v128.load(record, TRIAL), INTEGERS);
    v128.store(record, v128.load(record, TRIAL + 16), INTEGERS + 16);
  }

  /** Chooses the best of the integers next to those that sub-block s wants; returns the squared error. */
  private choose(s: i32, unit: f32, minimumUnit: f32): f32 {
    const record = changetype<usize>(this);
    this.x = this.from + (<usize>s * this.count << 2);
    const wanted = record + (<usize>s << 2);
    const scale = nearestRatio(load<f32>(wanted, WANTED), unit, this.lowest, this.highest);
    const minimum = nearestRatio(load<f32>(wanted, WANTED + 64), minimumUnit, 0, this.highestMinimum);
    let best: f32 = Infinity;
    for (let i = 0; i < 3; i++) {
      const a = scale + beside(i);
      if (a < this.lowest || a > this.highest) continue;
      for (let j = 0; j < 3; j++) {
        const b = minimum + beside(j);
        if (b < 0 || b > this.highestMinimum) continue;
        const error = this.measure(unit * <f32>a, -minimumUnit * <f32>b);
        if (!(error < best)) continue;
        best = error;
        store<i8>(record + s, <i8>a, TRIAL);
        store<i8>(record + s, <i8>b, TRIAL + 16);
      }
    }
    return best;
  }

  /** Least squares for the units: w ~ unit * u - minimumUnit * v, where u = integer scale * level, v = integer minimum. */
  private trialOfLeastUnits(): void {
    let uu: f64 = 0;
    let uv: f64 = 0;
    let vv: f64 = 0;
    let uw: f64 = 0;
    let vw: f64 = 0;
    for (let s = 0; s < this.blocks; s++) {
      this.x = this.from + (<usize>s * this.count << 2);
      this.take(s);
      this.measure(this.scale, this.minimum);
      const scale = <f64>this.scaleOf(s);
      const minimum = <f64>this.minimumOf(s);
      uu += scale * scale * <f64>this.sumQQ;
      uv += scale * minimum * <f64>this.sumQ;
      vv += minimum * minimum * <f64>this.count;
      uw += scale * <f64>this.sumQX;
      vw += minimum * <f64>this.sumX;
    }
    if (uu == 0) return;
    const determinant = uu * vv - uv * uv;
    const minimumUnit = determinant > 0 ? (uv * uw - uu * vw) / determinant : <f64>this.minimumUnit;
    const unit = (uw + minimumUnit * uv) / uu;
    this.trialOfUnits(halfToFloat(floatToHalf(<f32>unit)), halfToFloat(floatToHalf(<f32>minimumUnit)));
  }
}
