// RMSNorm: bit for bit its plain version, and near the norm in f64.

import { afterEach, describe, expect, it } from "vitest";
import { Random } from "../../bench/synthetic/random.js";
import { Arena, builds } from "./arena.js";

const f = Math.fround;

/** Four sums of squares, of the columns 4 i, 4 i + 1, 4 i + 2, 4 i + 3, added as (0 + 2) + (1 + 3); then those beyond a multiple of 4. */
function rmsNormTwin(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  const whole = x.length & ~3;
  const lanes = [0, 0, 0, 0];
  for (let i = 0; i < whole; i++) lanes[i & 3] = f(lanes[i & 3] + f(x[i] * x[i]));
  let sum = f(f(lanes[0] + lanes[2]) + f(lanes[1] + lanes[3]));
  for (let i = whole; i < x.length; i++) sum = f(sum + f(x[i] * x[i]));
  const scale = f(1 / f(Math.sqrt(f(f(sum / x.length) + f(epsilon)))));
  return x.map((value, i) => f(value * scale) * weight[i]);
}

describe.each(builds)("rmsNorm (%s)", (build) => {
  const arena = new Arena(build, 2 ** 20);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  function rmsNorm(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
    const from = arena.place(x);
    const to = arena.room(x.byteLength);
    const weights = arena.place(weight);
    kernels.rmsNorm(from, weights, to, x.length, epsilon);
    const apart = arena.floats(to, x.length);
    expect(arena.floats(from, x.length)).toEqual(x);
    kernels.rmsNorm(from, weights, from, x.length, epsilon);
    expect(arena.floats(from, x.length)).toEqual(apart); // y may be x
    return apart;
  }

  const random = new Random(1);
  const vector = (length: number, factor = 1) => Float32Array.from({ length }, () => factor * random.normal());

  it.each([1, 2, 3, 4, 5, 7, 8, 64, 172, 173, 576, 2048, 8192])("%i columns", (columns) => {
    for (const factor of [1e-3, 1, 1e4]) {
      const x = vector(columns, factor);
      const weight = vector(columns);
      const ours = rmsNorm(x, weight, 1e-5);
      expect(ours).toEqual(rmsNormTwin(x, weight, 1e-5));
      const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / columns;
      const exact = x.map((value, i) => (value / Math.sqrt(meanSquare + f(1e-5))) * weight[i]);
      expect(exact.every((value, i) => Math.abs(ours[i] - value) <= 2e-6 * Math.abs(value))).toBe(true);
    }
  });

  it("zeros are zeros, and an epsilon keeps them so", () => {
    for (const epsilon of [1e-5, 1e-12, 1e-38]) {
      expect(rmsNorm(new Float32Array(70), new Float32Array(70).fill(2), epsilon)).toEqual(new Float32Array(70));
    }
  });

  it("where squares vanish, epsilon alone divides", () => {
    const ours = rmsNorm(new Float32Array(9).fill(1e-30), new Float32Array(9).fill(1), 1e-6);
    for (const y of ours) expect(y / 1e-27).toBeCloseTo(1, 5);
  });

  it("one element that is not a number spoils its row", () => {
    for (const at of [0, 6, 8]) {
      const x = vector(9);
      x[at] = Number.NaN;
      expect(rmsNorm(x, vector(9), 1e-5).every(Number.isNaN)).toBe(true);
    }
  });
});
