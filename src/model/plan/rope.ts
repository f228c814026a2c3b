// The frequencies of RoPE: plain, linear, llama3 (factors in the file's rope_freqs.weight), yarn (Peng et al. 2023) and LongRoPE (Ding et
// al. 2024). They are computed with + - * / and sqrt only: Math.pow and Math.log differ between versions of V8, and the logits must not.

import type { RopeParameters } from "../hyperparameters.js";

export interface RopeFrequencies {
  /** Radians per position, (dimensions / 2). */
  readonly frequencies: Float64Array;
  /** The attention factor of yarn and LongRoPE, which multiplies cosines and sines. */
  readonly magnitude: number;
}

/** LongRoPE's factors: of contexts longer than the original one, and of the others. */
export const LONG_FACTORS = "rope_factors_long.weight";
export const SHORT_FACTORS = "rope_factors_short.weight";

/**
 * The tensor that has a RoPE's factors. LongRoPE's depend on the size of the context, not on a text's length, because the keys of all
 * positions that a text sees must be rotated alike.
 */
export function factorsOf({ scaling }: RopeParameters, contextSize: number): string {
  if (scaling.type !== "longrope") return "rope_freqs.weight";
  return contextSize > scaling.originalContext ? LONG_FACTORS : SHORT_FACTORS;
}

/** @param factors of `factorsOf`, (dimensions / 2): each frequency is divided by its factor */
export function ropeFrequencies(rope: RopeParameters, factors?: Float32Array): RopeFrequencies {
  const pairs = rope.dimensions / 2;
  const frequencies = new Float64Array(pairs);
  // base^(-i / pairs) = step^i
  const step = 1 / nthRoot(rope.base, pairs);
  let frequency = 1;
  for (let i = 0; i < pairs; i++) {
    frequencies[i] = frequency / (factors?.[i] ?? 1);
    frequency *= step;
  }
  const { scaling } = rope;
  if (scaling.type === "none") return { frequencies, magnitude: 1 };
  if (scaling.type === "longrope") return { frequencies, magnitude: scaling.attentionFactor };
  if (scaling.type === "linear") {
    for (let i = 0; i < pairs; i++) frequencies[i]! /= scaling.factor;
    return { frequencies, magnitude: 1 };
  }
  // Yarn: dimensions that turn more than betaFast times within the original context keep their frequency, those that turn less than
  // betaSlow times are interpolated, and a ramp joins them.
  const correction = (rotations: number) =>
    (rope.dimensions * naturalLog(scaling.originalContext / (rotations * 2 * Math.PI))) / (2 * naturalLog(rope.base));
  const low = Math.max(0, Math.floor(correction(scaling.betaFast)));
  const high = Math.min(rope.dimensions - 1, Math.ceil(correction(scaling.betaSlow)));
  for (let i = 0; i < pairs; i++) {
    const ramp = Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low)));
    frequencies[i] = (frequencies[i]! / scaling.factor) * ramp + frequencies[i]! * (1 - ramp);
  }
  const grown = (part: number) => (scaling.factor <= 1 ? 1 : 1 + 0.1 * part * naturalLog(scaling.factor));
  return { frequencies, magnitude: (scaling.attentionFactor * grown(1)) / grown(scaling.logMultiplier) };
}

/** More than any loop below takes for a finite x > 0 (f64 has 2098 powers of two): none may depend on what a file says. */
const MOST_STEPS = 4096;

/** x^(1/n) for x > 0, by Newton's method from above (or from 1). */
function nthRoot(x: number, n: number): number {
  if (x < 1) return 1 / nthRoot(1 / x, n);
  // A power of two that is at least the root: Newton's method descends from there without overshooting.
  let root = 1;
  for (let i = 0; i < MOST_STEPS && power(root, n) < x; i++) root *= 2;
  for (let i = 0; i < MOST_STEPS; i++) {
    const next = ((n - 1) * root + x / power(root, n - 1)) / n;
    if (!(next < root)) break;
    root = next;
  }
  return root;
}

function power(x: number, n: number): number {
  let result = 1;
  for (let bits = n, square = x; bits > 0; bits = Math.floor(bits / 2), square *= square) {
    if (bits % 2 === 1) result *= square;
  }
  return result;
}

/** ln x for x > 0: halved or doubled into [2/3, 4/3], then 2 artanh((x - 1) / (x + 1)). */
export function naturalLog(x: number): number {
  let twos = 0;
  for (; x > 4 / 3 && twos < MOST_STEPS; x /= 2) twos++;
  for (; x < 2 / 3 && twos > -MOST_STEPS; x *= 2) twos--;
  const z = (x - 1) / (x + 1);
  let sum = 0;
  for (let term = z, k = 1; Math.abs(term) > 1e-18 && k < MOST_STEPS; term *= z * z, k += 2) sum += term / k;
  return 2 * sum + twos * Math.LN2;
}
