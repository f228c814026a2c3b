// The choice of experts and the sum of their results, against f64; ties, and logits that are not finite.

import { afterEach, describe, expect, it } from "vitest";
import { EXP_TABLE_BYTES } from "../../dist/abi.js";
import fc from "../support/fast-check.js";
import { Arena, builds } from "../support/kernels/arena.js";
import { choose, weightedSum } from "../support/kernels/experts-twin.js";
import { randomStream } from "../support/seed.js";

describe.each(builds)("experts (%s)", (build) => {
  const arena = new Arena(build, 2 ** 21);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  function chosen(logits: readonly number[], used: number, amongChosen: boolean) {
    const from = arena.place(Float32Array.from(logits));
    const ids = arena.room(4 * used);
    const weights = arena.room(4 * used);
    kernels.chooseExperts(from, logits.length, used, amongChosen ? 1 : 0, ids, weights, arena.room(EXP_TABLE_BYTES));
    const bits = new Int32Array(arena.floats(ids, used).buffer);
    return { ids: [...bits], weights: [...arena.floats(weights, used)] };
  }

  it.each([
    ["all", false],
    ["the chosen", true],
  ] as const)("the largest logits are chosen, with their softmax among %s", (_, amongChosen) => {
    // Few different logits, so that many are equal.
    const logit = fc.integer({ min: -40, max: 40 }).map((n) => Math.fround(n / 4 + 1 / 3));
    const scene = fc
      .array(logit, { minLength: 1, maxLength: 131 })
      .chain((logits) =>
        fc.record({ logits: fc.constant(logits), used: fc.integer({ min: 1, max: Math.min(logits.length, 12) }) }),
      );
    fc.assert(
      fc.property(scene, ({ logits, used }) => {
        const ours = chosen(logits, used, amongChosen);
        const exact = choose(logits, used, amongChosen);
        expect(ours.ids).toEqual(exact.ids);
        for (const [i, weight] of exact.weights.entries()) {
          expect(Math.abs(ours.weights[i]! / weight - 1)).toBeLessThan(2e-6);
        }
        arena.clear();
      }),
      { numRuns: 200 },
    );
  });

  it("of equal logits, those of the first experts are chosen, in their order", () => {
    expect(chosen([1, 3, 2, 3, 3, 2], 4, true).ids).toEqual([1, 3, 4, 2]);
    expect(chosen(new Array(8).fill(-5), 3, true)).toEqual({
      ids: [0, 1, 2],
      weights: new Array(3).fill(Math.fround(1 / 3)),
    });
    expect(chosen(new Array(8).fill(-5), 3, false).weights).toEqual(new Array(3).fill(0.125));
  });

  it("logits far apart: all weight goes to the largest, and none overflows", () => {
    expect(chosen([-3e38, 0, 3e38, 1], 2, true)).toEqual({ ids: [2, 3], weights: [1, 0] });
    expect(chosen([-3e38, 0, 3e38, 1], 2, false)).toEqual({ ids: [2, 3], weights: [1, 0] });
    expect(chosen([Number.NEGATIVE_INFINITY, -1e4, -1e4], 3, true)).toEqual({ ids: [1, 2, 0], weights: [0.5, 0.5, 0] });
  });

  it("whatever the logits are, the choice is of different experts that exist", () => {
    const value = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1, 2);
    fc.assert(
      fc.property(fc.array(value, { minLength: 4, maxLength: 40 }), fc.integer({ min: 1, max: 4 }), (logits, used) => {
        const { ids } = chosen(logits, used, true);
        expect(new Set(ids).size).toBe(used);
        expect(ids.every((id) => id >= 0 && id < logits.length)).toBe(true);
        arena.clear();
      }),
    );
    expect(chosen([0, Number.NaN, 1], 2, false).weights.every(Number.isNaN)).toBe(true);
  });

  it("addWeightedRows adds the terms in their order, and nothing beside the columns", () => {
    const random = randomStream(3);
    const rows = Array.from({ length: 9 }, () => Float32Array.from({ length: 84 }, () => random.normal()));
    const stride = 4 * 84 + 64;
    const at = arena.room(rows.length * stride);
    for (const [i, row] of rows.entries()) arena.bytes.set(new Uint8Array(row.buffer), at + i * stride);
    for (const count of [4, 8, 60, 64, 68, 84]) {
      for (const terms of [1, 2, 5, 8]) {
        const indices = Array.from({ length: terms }, (_, i) => (i * 5 + 3) % 9);
        const weights = Float32Array.from(indices, () => random.normal());
        const y = Float32Array.from({ length: count }, () => random.normal());
        const to = arena.place(y);
        kernels.addWeightedRows(
          to,
          at,
          stride,
          arena.place(Int32Array.from(indices)),
          arena.place(weights),
          terms,
          count,
        );
        const exact = weightedSum(y, rows, indices, weights);
        for (const [i, value] of arena.floats(to, count).entries()) {
          expect(Math.abs(value - exact[i]!)).toBeLessThan(3e-6);
        }
      }
    }
    // 1e8 + 1 - 1e8: the order shows.
    const big = Math.fround(1e8);
    const three = arena.place(Float32Array.of(big, 0, 0, 0, 1, 0, 0, 0, -big, 0, 0, 0));
    const ones = arena.place(Float32Array.of(1, 1, 1));
    for (const [order, sum] of [
      [[0, 1, 2], 0],
      [[0, 2, 1], 1],
    ] as const) {
      const to = arena.place(new Float32Array(4));
      kernels.addWeightedRows(to, three, 16, arena.place(Int32Array.from(order)), ones, 3, 4);
      expect(arena.floats(to, 4)[0]).toBe(sum);
    }
  });
});
