// Vectors compared and searched, against plain formulas; and what is refused.

import { cosineSimilarity, topK } from "cria";
import { describe, expect, it } from "vitest";
import fc from "../support/fast-check.js";

const invalid = (message: RegExp) =>
  expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringMatching(message) });

describe("cosineSimilarity", () => {
  it("is the cosine, whatever the lengths, of every kind of array", () => {
    expect(cosineSimilarity([1, 0], [0, 5])).toBe(0);
    expect(cosineSimilarity([2, 0], new Float32Array([-3, 0]))).toBe(-1);
    expect(cosineSimilarity(new Float64Array([1, 1]), new Int8Array([1, 0]))).toBeCloseTo(Math.SQRT1_2, 12);
    expect(cosineSimilarity([3e-200, 4e-200], [3e-200, 4e-200])).toBe(0); // the squares are zero
    expect(cosineSimilarity([3e-100, 4e-100], [3e100, 4e100])).toBeCloseTo(1, 12);
    expect(cosineSimilarity([0, 0], [1, 2])).toBe(0);
  });

  it("is what the formula says, for every number of dimensions", () => {
    const element = fc.integer({ min: -100, max: 100 }); // sums are exact
    const pairs = fc.array(fc.tuple(element, element), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(pairs, (given) => {
        const [a, b] = [given.map(([x]) => x), given.map(([, y]) => y)];
        const dot = (x: number[], y: number[]) => x.reduce((sum, each, i) => sum + each * y[i]!, 0);
        const lengths = Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b));
        expect(cosineSimilarity(a, b)).toBeCloseTo(lengths === 0 ? 0 : dot(a, b) / lengths, 14);
      }),
    );
  });

  it("is never past 1", () => {
    const element = fc.double({ min: -1, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 50 }), (vector) => {
        expect(Math.abs(cosineSimilarity(vector, vector))).toBeLessThanOrEqual(1);
      }),
    );
  });

  it.each([
    [[1, 2], [1], /^b must be a vector of 2 numbers, not of 1; it is/],
    [[1, Number.NaN], [1, 2], /^a must be a vector of finite numbers/],
    [[1, 2], [1, Number.POSITIVE_INFINITY], /^b must be a vector of finite numbers/],
    [["1", "2"], [1, 2], /^a must be a vector of finite numbers/],
    [[], [], /^a must be an array of at least one number/],
    ["12", [1, 2], /^a must be an array of numbers; it is "12"$/],
    [[1, 2], undefined, /^b must be an array of numbers; it is undefined$/],
    [new DataView(new ArrayBuffer(8)), [1, 2], /^a must be/],
  ])("refuses %j and %j", (a, b, message) => {
    expect(() => cosineSimilarity(a as never, b as never)).toThrow(invalid(message));
  });
});

describe("topK", () => {
  it("has the best first, and among equals the earlier", () => {
    const vectors = [
      [0, 1],
      [1, 1],
      [1, 0],
      [2, 0],
      [-1, 0],
    ].map((vector) => Float32Array.from(vector));
    expect(topK([1, 0], vectors, 3)).toEqual([
      { index: 2, score: 1 },
      { index: 3, score: 1 },
      { index: 1, score: expect.closeTo(Math.SQRT1_2, 12) },
    ]);
    expect(topK([1, 0], vectors, 99).map(({ index }) => index)).toEqual([2, 3, 1, 0, 4]);
    expect(topK([1, 0], vectors, 0)).toEqual([]);
    expect(topK([1, 0], [], 5)).toEqual([]);
  });

  it("is what sorting all of them gives", () => {
    const small = fc.integer({ min: -2, max: 2 }); // many are equal
    const vectors = fc.array(fc.tuple(small, small, small), { maxLength: 40 });
    fc.assert(
      fc.property(vectors, fc.tuple(small, small, small), fc.nat(45), (given, query, k) => {
        const all = given.map((vector, index) => ({ index, score: cosineSimilarity(query, vector) }));
        const sorted = all.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, k);
        expect(topK(query, given, k)).toEqual(sorted);
      }),
    );
  });

  it.each([
    [[1], [[1], [1, 2]], 1, /^vectors\[1\] must be a vector of 1 numbers, not of 2/],
    [[1], [[Number.NaN]], 1, /^vectors\[0\] must be a vector of finite numbers/],
    [[1], "ab", 1, /^vectors must be an array of vectors; it is "ab"$/],
    [[1], [[1]], -1, /^k must be an integer in 0 \.\. \d+; it is -1$/],
    [[1], [[1]], undefined, /^k must be an integer/],
    [[1], [Proxy.revocable([], {}).proxy], 1, /^vectors\[0\]/],
  ])("refuses %j among %j", (query, vectors, k, message) => {
    expect(() => topK(query, vectors as never, k as never)).toThrow(invalid(message));
  });
});
