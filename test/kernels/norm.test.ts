// RMSNorm and LayerNorm: bit for bit their plain versions, and near the norms in f64.

import { afterEach, describe, expect, it } from "vitest";
import { Arena, builds } from "../support/kernels/arena.js";
import { randomStream } from "../support/seed.js";

const f = Math.fround;

/** Four sums, of the columns 4 i, 4 i + 1, 4 i + 2, 4 i + 3, added as (0 + 2) + (1 + 3); then those beyond a multiple of 4. */
function sumTwin(terms: Float32Array): number {
  const whole = terms.length & ~3;
  const lanes = [0, 0, 0, 0];
  for (let i = 0; i < whole; i++) lanes[i & 3] = f(lanes[i & 3]! + terms[i]!);
  let sum = f(f(lanes[0]! + lanes[2]!) + f(lanes[1]! + lanes[3]!));
  for (let i = whole; i < terms.length; i++) sum = f(sum + terms[i]!);
  return sum;
}

const inverseRoot = (squares: Float32Array, epsilon: number) =>
  f(1 / f(Math.sqrt(f(f(sumTwin(squares) / squares.length) + f(epsilon)))));

function rmsNormTwin(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  const scale = inverseRoot(
    x.map((value) => value * value),
    epsilon,
  );
  return x.map((value, i) => f(value * scale) * weight[i]!);
}

function layerNormTwin(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array | undefined,
  epsilon: number,
): Float32Array {
  const mean = f(sumTwin(x) / x.length);
  const centred = x.map((value) => value - mean);
  const scale = inverseRoot(
    centred.map((value) => value * value),
    epsilon,
  );
  return centred.map((value, i) => {
    const y = f(value * scale) * weight[i]!;
    return bias === undefined ? y : f(y) + bias[i]!;
  });
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

  const random = randomStream(1);
  const vector = (length: number, factor = 1) => Float32Array.from({ length }, () => factor * random.normal());

  it.each([1, 2, 3, 4, 5, 7, 8, 64, 172, 173, 576, 2048, 8192])("%i columns", (columns) => {
    for (const factor of [1e-3, 1, 1e4]) {
      const x = vector(columns, factor);
      const weight = vector(columns);
      const ours = rmsNorm(x, weight, 1e-5);
      expect(ours).toEqual(rmsNormTwin(x, weight, 1e-5));
      const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / columns;
      const exact = x.map((value, i) => (value / Math.sqrt(meanSquare + f(1e-5))) * weight[i]!);
      expect(exact.every((value, i) => Math.abs(ours[i]! - value) <= 2e-6 * Math.abs(value))).toBe(true);
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

describe.each(builds)("layerNorm (%s)", (build) => {
  const arena = new Arena(build, 2 ** 20);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  function layerNorm(
    x: Float32Array,
    weight: Float32Array,
    bias: Float32Array | undefined,
    epsilon: number,
  ): Float32Array {
    const from = arena.place(x);
    const to = arena.room(x.byteLength);
    const [weights, biases] = [arena.place(weight), bias === undefined ? 0 : arena.place(bias)];
    kernels.layerNorm(from, weights, biases, to, x.length, epsilon);
    const apart = arena.floats(to, x.length);
    expect(arena.floats(from, x.length)).toEqual(x);
    kernels.layerNorm(from, weights, biases, from, x.length, epsilon);
    expect(arena.floats(from, x.length)).toEqual(apart); // y may be x
    return apart;
  }

  const random = randomStream(2);
  const vector = (length: number, factor = 1, middle = 0) =>
    Float32Array.from({ length }, () => factor * random.normal() + middle);

  it.each([1, 2, 3, 4, 5, 7, 8, 64, 172, 173, 384, 768, 8192])("%i columns", (columns) => {
    for (const [factor, middle] of [
      [1e-3, 0],
      [1, 3],
      [1e4, -1e4],
    ]) {
      const x = vector(columns, factor, middle);
      const [weight, bias] = [vector(columns), vector(columns)];
      const ours = layerNorm(x, weight, bias, 1e-12);
      expect(ours).toEqual(layerNormTwin(x, weight, bias, 1e-12));
      expect(layerNorm(x, weight, undefined, 1e-12)).toEqual(layerNormTwin(x, weight, undefined, 1e-12));
      if (columns === 1) continue; // what a single column is away from its mean is nothing but rounding
      const mean = x.reduce((sum, value) => sum + value, 0) / columns;
      const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / columns;
      const exact = Array.from(x, (value, i) => ((value - mean) / Math.sqrt(variance + 1e-12)) * weight[i]! + bias[i]!);
      expect(exact.every((value, i) => Math.abs(ours[i]! - value) <= 2e-5 * (1 + Math.abs(value)))).toBe(true);
    }
  });

  it("a row of equal elements is the bias", () => {
    const bias = vector(70);
    expect(layerNorm(new Float32Array(70).fill(2), new Float32Array(70).fill(5), bias, 1e-12)).toEqual(bias);
  });

  it("one element that is not a number spoils its row", () => {
    const x = vector(9);
    x[6] = Number.NaN;
    expect(layerNorm(x, vector(9), vector(9), 1e-12).every(Number.isNaN)).toBe(true);
  });
});
