// Attention within a text: against softmax in f64, and a row's result the same however the rows are divided among calls.

import { afterEach, describe, expect, it } from "vitest";
import fc from "../support/fast-check.js";
import { Arena, builds } from "../support/kernels/arena.js";
import { attend } from "../support/kernels/attention-twin.js";
import { randomStream } from "../support/seed.js";

/** Positions of a tile of the kernel. */
const TILE = 256;
const ALL = 2 ** 30;

/** (length, columns) each. */
interface Text {
  readonly q: readonly Float32Array[];
  readonly k: readonly Float32Array[];
  readonly v: readonly Float32Array[];
}

interface How {
  readonly window?: number;
  readonly ahead?: number;
  readonly sinks?: Float32Array | undefined;
  readonly slopes?: Float32Array | undefined;
  readonly softcap?: number;
}

function randomText(length: number, heads: number, headDim: number, seed: number, factor = 1): Text {
  const random = randomStream(seed);
  const rows = (columns: number, by: number) =>
    Array.from({ length }, () => Float32Array.from({ length: columns }, () => by * random.normal()));
  return { q: rows(heads * headDim, factor), k: rows(headDim, 1), v: rows(headDim, 1) };
}

describe.each(builds)("attention within a text (%s)", (build) => {
  const arena = new Arena(build, 2 ** 24);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  /** Rows apart from each other, with NaN between them and behind the last. */
  function place(rows: readonly Float32Array[], stride: number): number {
    const at = arena.room(rows.length * stride);
    for (const [i, row] of rows.entries()) arena.bytes.set(new Uint8Array(row.slice().buffer), at + i * stride);
    return at;
  }

  /** The results of all rows, `callRows` in each call. */
  function run({ q, k, v }: Text, how: How = {}, callRows = q.length): Float32Array[] {
    const { window = 0, ahead = ALL, sinks, slopes, softcap = 0 } = how;
    const headDim = k[0]!.length;
    const width = q[0]!.length;
    const heads = width / headDim;
    const [stride, kvStride] = [4 * width + 32, 4 * headDim + 16];
    const queries = place(q, stride);
    const [keys, values] = [place(k, kvStride), place(v, kvStride)];
    const out = arena.room(q.length * stride);
    const given = [sinks, slopes].map((one) => (one === undefined ? 0 : arena.place(one)));
    const scratch = arena.room(kernels.textAttentionScratchBytes(headDim, Math.min(callRows, q.length) * heads));
    for (let first = 0; first < q.length; first += callRows) {
      const rows = Math.min(callRows, q.length - first);
      kernels.textAttention(
        queries + first * stride,
        keys,
        values,
        out + first * stride,
        stride,
        kvStride,
        q.length,
        first,
        rows,
        heads,
        headDim,
        1 / Math.sqrt(headDim),
        softcap,
        window,
        ahead,
        given[0]!,
        given[1]!,
        scratch,
      );
    }
    return q.map((_, row) => {
      const beyond = arena.bytes.subarray(out + row * stride + 4 * width, out + (row + 1) * stride);
      expect(beyond.every((byte) => byte === 0xff)).toBe(true);
      return arena.floats(out + row * stride, width);
    });
  }

  /** Expects these rows near the exact ones. */
  function expectExact(text: Text, how: How, results: readonly Float32Array[], rows?: readonly number[]): void {
    const { window = 0, ahead = ALL, sinks, slopes, softcap = 0 } = how;
    const headDim = text.k[0]!.length;
    for (const row of rows ?? text.q.keys()) {
      const [first, end] = [window > 0 ? Math.max(0, row + 1 - window) : 0, Math.min(text.k.length, row + 1 + ahead)];
      const seen = [text.k, text.v].map((all) => all.slice(first, end));
      const query = text.q[row]!;
      for (let at = 0; at < query.length; at += headDim) {
        const slope = slopes?.[at / headDim] ?? 0;
        const loss = (p: number) => slope * Math.abs(row - (first + p));
        const head = query.subarray(at, at + headDim);
        const exact = attend(head, seen[0]!, seen[1]!, 1 / Math.sqrt(headDim), sinks?.[at / headDim], loss, softcap);
        const ours = results[row]!.subarray(at, at + headDim);
        const far = exact.reduce((most, value, d) => Math.max(most, Math.abs(value - ours[d]!)), 0);
        expect(far).toBeLessThan(1e-5);
      }
    }
  }

  it.each([4, 8, 12, 32, 64, 80, 96, 128, 256])("heads of %i: softmax in f64", (headDim) => {
    for (const heads of [1, 2, 3, 8]) {
      for (const length of [1, 2, 3, 4, 7, 8, 9, 17, 33]) {
        const text = randomText(length, heads, headDim, headDim + heads);
        expectExact(text, {}, run(text));
        arena.clear();
      }
    }
  });

  it("texts of several tiles, and of nearly one", () => {
    for (const length of [TILE - 1, TILE, TILE + 1, 2 * TILE + 13]) {
      for (const heads of [1, 3]) {
        const text = randomText(length, heads, 32, length);
        expectExact(text, {}, run(text), [0, 1, TILE - 2, length - 1]);
        arena.clear();
      }
    }
  });

  it("windows, back and ahead, in one tile and across several", () => {
    for (const length of [5, 40, 2 * TILE + 9]) {
      for (const [window, ahead] of [
        [1, 0],
        [2, 1],
        [9, 8],
        [65, 64],
        [3, ALL],
        [0, 0],
        [TILE + 2, TILE + 1],
      ] as const) {
        for (const heads of [1, 3]) {
          const text = randomText(length, heads, 8, length + window);
          const rows = [0, 1, 2, 3, 4, 30, TILE - 1, TILE, TILE + 1, length - 2, length - 1];
          expectExact(
            text,
            { window, ahead },
            run(text, { window, ahead }),
            rows.filter((row) => row < length),
          );
          arena.clear();
        }
      }
    }
  });

  it("sinks, slopes and a soft limit", () => {
    const slopes = Float32Array.of(0.25, 0, 2 ** -8, 1);
    const sinks = Float32Array.of(-200, 0.5, 3, 12);
    for (const length of [11, TILE + 30]) {
      const text = randomText(length, 4, 32, length, 3);
      for (const how of [
        { slopes },
        { sinks },
        { softcap: 4 },
        { slopes, sinks, softcap: 50, window: 31, ahead: 30 },
      ]) {
        expectExact(text, how, run(text, how), [0, 1, 5, length - 1]);
        arena.clear();
      }
    }
  });

  it("large scores give the largest's v, equal ones the mean", () => {
    const text = randomText(40, 1, 32, 5);
    const none = { ...text, q: text.q.map((row) => row.map(() => 0)) };
    expectExact(none, {}, run(none));
    // A score of 10^5 or so has a last bit of a hundredth: each query has the sum of one key, far ahead of the others.
    const keyed = { ...text, q: text.k.map((row) => row.map((value) => 1e4 * value)) };
    const results = run(keyed);
    // Not equal: what weighs 2^-126 is seen beside a value of 0.
    for (const [row, result] of results.entries()) {
      for (const [d, value] of text.v[row]!.entries()) expect(Math.abs(result[d]! - value)).toBeLessThan(1e-36);
    }
  });

  it("a row has the bits that it has in any other call, and beside any other text", () => {
    const scene = fc.record({
      headDim: fc.constantFrom(4, 12, 32, 64),
      heads: fc.integer({ min: 1, max: 4 }),
      length: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: TILE - 4, max: 2 * TILE + 4 })),
      window: fc.constantFrom(0, 0, 1, 9, 64, 300),
      calls: fc.constantFrom(4, 16, 64, 256),
      seed: fc.integer({ min: 0, max: 1000 }),
    });
    fc.assert(
      fc.property(scene, ({ headDim, heads, length, window, calls, seed }) => {
        const text = randomText(length, heads, headDim, seed);
        const how = { window, ahead: window === 0 ? ALL : window - 1 };
        const whole = run(text, how);
        expect(run(text, how, calls)).toEqual(whole);
        arena.clear();
      }),
      { numRuns: 30 },
    );
  });
});
