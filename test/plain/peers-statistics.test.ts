// How bench/peers turns its measurements into ratios.

import { describe, expect, test } from "vitest";
import { cosine, median, pairRatios } from "../../bench/peers/src/statistics.js";

describe("the statistics of bench/peers", () => {
  test("the median is the middle one, or the mean of two", () => {
    expect(median([10, 2, 33])).toBe(10);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test("a ratio above 1 means that ours is better, of rates and of amounts", () => {
    expect(pairRatios([20, 30], [10, 60], "more")).toEqual([2, 0.5]);
    expect(pairRatios([1, 3], [2, 1.5], "less")).toEqual([2, 0.5]);
  });

  test("the cosine similarity is that of directions; vectors without a direction are similar to none", () => {
    expect(cosine([1, 2, 2], [2, 4, 4])).toBe(1);
    expect(cosine([3, 4], [-3, -4])).toBe(-1);
    expect(cosine([1, 0], [0, 5])).toBe(0);
    expect(cosine([3, 4], [4, 3])).toBeCloseTo(0.96, 12);
    expect(cosine([0, 0], [1, 0])).toBeNaN();
    expect(cosine([], [])).toBeNaN();
    expect(cosine([1, 0], [1])).toBeNaN();
  });
});
