import { afterEach, describe, expect, it } from "vitest";
import { Arena, builds } from "../support/kernels/arena.js";
import { randomStream } from "../support/seed.js";

/** Sums in f64 in the order of the rows, one division, one rounding to f32. */
function meanTwin(x: readonly Float32Array[]): Float32Array {
  return Float32Array.from(x[0]!, (_, d) => x.reduce((sum, row) => sum + row[d]!, 0) / x.length);
}

describe.each(builds)("meanRows (%s)", (build) => {
  const arena = new Arena(build, 2 ** 20);
  const { kernels } = arena;
  const random = randomStream(1);
  afterEach(() => arena.clear());

  /** `gap`: numbers between the rows, NaN like those that pad them. */
  function meanRows(x: readonly Float32Array[], gap: number): Float32Array {
    const columns = x[0]!.length;
    const padded = Math.ceil(columns / 4) * 4;
    const all = new Float32Array(x.length * (padded + gap)).fill(Number.NaN);
    for (const [i, row] of x.entries()) all.set(row, i * (padded + gap));
    const to = arena.room(padded * 4);
    kernels.meanRows(arena.place(all), (padded + gap) * 4, x.length, columns, to);
    return arena.floats(to, columns);
  }

  it.each([
    [1, 384],
    [2, 4],
    [7, 30],
    [8, 64],
    [300, 96],
  ])("%i rows of %i columns, near and apart", (rows, columns) => {
    for (const gap of [0, 16]) {
      const x = Array.from({ length: rows }, () =>
        Float32Array.from({ length: columns }, () => random.normal() * 10 ** (random.below(7) - 3)),
      );
      expect(meanRows(x, gap)).toEqual(meanTwin(x));
    }
  });

  it("one row is copied, to its last bit, but that -0 becomes 0", () => {
    const row = Float32Array.of(0.1, 0, 3.4e38, 1e-45, Number.POSITIVE_INFINITY);
    expect(meanRows([row], 0)).toEqual(row);
    expect(meanRows([new Float32Array(4).fill(-0)], 0)).toEqual(new Float32Array(4));
  });

  it("sums do not overflow, and what is small beside what is large is not lost", () => {
    const rows = [3e38, 3e38, -3e38, 1, -3e38].map((value) => Float32Array.of(value, 1, 1, 1));
    expect(meanRows(rows, 0)).toEqual(meanTwin(rows));
    const near = [2 ** 30, 1, -(2 ** 30)].map((value) => Float32Array.of(value, 0, 0, 0));
    expect(meanRows(near, 0)[0]).toBe(Math.fround(1 / 3));
  });

  it("a NaN spoils its column only", () => {
    const rows = [Float32Array.of(1, Number.NaN, 3, 4), Float32Array.of(1, 2, 3, 4)];
    expect(meanRows(rows, 0)).toEqual(Float32Array.of(1, Number.NaN, 3, 4));
  });
});
