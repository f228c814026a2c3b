// Vectors compared by the angle between them: what a search in memory needs.

import { checkArray, checkInteger, invalidOption, readable } from "../../options.js";

/** A vector among others, and how near it is. */
export interface Match {
  /** The vector's place in the array. */
  readonly index: number;
  /** The cosine of the angle between it and the query: 1 for the same direction, 0 for a right angle, -1 for the opposite. */
  readonly score: number;
}

/**
 * The cosine of the angle between two vectors, -1 to 1. Their lengths do not matter; where one of them is zero, it is 0.
 *
 * @throws CriaError INVALID_OPTION for vectors of different dimensions, or with elements that are not finite numbers
 */
export function cosineSimilarity(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const first = vectorOf("a", a);
  return cosine(first, squaresOf("a", first), "b", vectorOf("b", b));
}

/**
 * The vectors that are nearest to a query, the best first; among equal scores, the earlier vector first. All of them are compared, so the
 * answer is exact, and the time goes with their number.
 *
 * @param vectors those to choose from, of as many dimensions as the query
 * @param k how many are wanted, at most
 * @throws CriaError INVALID_OPTION
 */
export function topK(query: ArrayLike<number>, vectors: readonly ArrayLike<number>[], k: number): Match[] {
  const wanted = vectorOf("query", query);
  const squares = squaresOf("query", wanted);
  const all = checkArray("vectors", vectors, "vectors", vectorOf);
  checkInteger("k", k, 0, Number.MAX_SAFE_INTEGER);
  if (k === 0 || all.length === 0) return [];
  const scores = new Float64Array(all.length);
  for (const [i, vector] of all.entries()) scores[i] = cosine(wanted, squares, `vectors[${i}]`, vector);
  const least = scores.slice().sort().at(-Math.min(k, all.length))!;
  const matches: Match[] = [];
  for (const [index, score] of scores.entries()) if (score >= least) matches.push({ index, score });
  return matches.sort((one, other) => other.score - one.score || one.index - other.index).slice(0, k);
}

type Vector = Float32Array | Float64Array;

/** @param squares the sum of a's squares */
function cosine(a: Vector, squares: number, name: string, b: Vector): number {
  if (b.length !== a.length) throw invalidOption(name, `a vector of ${a.length} numbers, not of ${b.length}`, b);
  // Of products and of squares four sums each: one sum alone would wait for every addition.
  let p0 = 0;
  let p1 = 0;
  let p2 = 0;
  let p3 = 0;
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (const end = a.length - 3; i < end; i += 4) {
    const b0 = b[i]!;
    const b1 = b[i + 1]!;
    const b2 = b[i + 2]!;
    const b3 = b[i + 3]!;
    p0 += a[i]! * b0;
    p1 += a[i + 1]! * b1;
    p2 += a[i + 2]! * b2;
    p3 += a[i + 3]! * b3;
    s0 += b0 * b0;
    s1 += b1 * b1;
    s2 += b2 * b2;
    s3 += b3 * b3;
  }
  for (; i < a.length; i++) {
    p0 += a[i]! * b[i]!;
    s0 += b[i]! * b[i]!;
  }
  const products = p0 + p1 + (p2 + p3);
  const others = s0 + s1 + (s2 + s3);
  if (!Number.isFinite(others)) throw notFinite(name, b);
  if (squares === 0 || others === 0) return 0;
  // Rounding may lead a little past 1.
  return Math.max(-1, Math.min(1, products / (Math.sqrt(squares) * Math.sqrt(others))));
}

function squaresOf(name: string, vector: Vector): number {
  let squares = 0;
  for (const element of vector) squares += element * element;
  if (!Number.isFinite(squares)) throw notFinite(name, vector);
  return squares;
}

function notFinite(name: string, value: unknown): Error {
  return invalidOption(name, "a vector of finite numbers", value);
}

/** A vector of floats as it is, any other array of numbers as a copy. */
function vectorOf(name: string, value: unknown): Vector {
  return readable(name, value, () => {
    if ((value instanceof Float32Array || value instanceof Float64Array) && value.length > 0) return value;
    if (!Array.isArray(value) && !ArrayBuffer.isView(value)) throw invalidOption(name, "an array of numbers", value);
    const copy = Float64Array.from(value as ArrayLike<number>, (element) => {
      return typeof element === "number" ? element : Number.NaN; // which is refused as not finite
    });
    if (copy.length === 0) throw invalidOption(name, "an array of at least one number", value);
    return copy;
  });
}
