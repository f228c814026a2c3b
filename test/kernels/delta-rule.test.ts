// The gated delta rule against a plain version in float64; and that its bits do not depend on how a text is divided.

import { afterEach, describe, expect, it } from "vitest";
import { Arena, builds } from "../support/kernels/arena.js";
import { type DeltaText, deltaRule } from "../support/kernels/delta-rule-twin.js";
import { relativeError } from "../support/reference/relative-error.js";
import { randomStream } from "../support/seed.js";

const EPSILON = 1e-6;

describe.each(builds)("deltaRule (%s)", (build) => {
  const arena = new Arena(build, 2 ** 22);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  const random = randomStream(1);
  const numbers = (count: number, factor = 1) => Float32Array.from({ length: count }, () => factor * random.normal());

  function textOf(rows: number, dims: number): DeltaText {
    return {
      dims,
      q: numbers(rows * dims),
      k: numbers(rows * dims),
      v: numbers(rows * dims),
      alpha: numbers(rows, 3),
      beta: numbers(rows, 3),
      dt: random.normal(),
      a: -Math.exp(random.normal()),
      state: numbers(dims * dims),
    };
  }

  /** The text in steps of so many rows; what comes out, and the state behind it. */
  function run(text: DeltaText, steps: readonly number[] = [text.alpha.length], inPlace = false) {
    const begins = text.state.every((value) => value === 0);
    const { dims } = text;
    // Rows lie apart, with what is not to be touched between them.
    const stride = 4 * dims + 48;
    const spread = (values: Float32Array, columns: number, bytes: number) => {
      const at = arena.room((values.length / columns) * bytes);
      for (let row = 0; row < values.length / columns; row++) {
        const from = values.subarray(row * columns, (row + 1) * columns);
        arena.bytes.set(new Uint8Array(from.buffer, from.byteOffset, from.byteLength), at + row * bytes);
      }
      return at;
    };
    const rows = text.alpha.length;
    const [q, k, v] = [spread(text.q, dims, stride), spread(text.k, dims, stride), spread(text.v, dims, stride)];
    const [alpha, beta] = [spread(text.alpha, 1, 12), spread(text.beta, 1, 12)];
    const [dt, a] = [arena.place(Float32Array.of(text.dt)), arena.place(Float32Array.of(text.a))];
    const before = arena.place(text.state);
    const after = inPlace ? before : arena.room(text.state.byteLength);
    const out = inPlace ? v : arena.room(rows * stride);
    const scratch = arena.room(kernels.deltaRuleScratchBytes(dims));
    let row = 0;
    for (const count of steps) {
      const skip = row * stride;
      const [at, gates] = [[q + skip, k + skip, v + skip] as const, [alpha + row * 12, beta + row * 12] as const];
      const states = [row > 0 ? after : begins ? 0 : before, after] as const;
      kernels.deltaRule(
        ...at,
        stride,
        count,
        dims,
        ...gates,
        12,
        dt,
        a,
        EPSILON,
        ...states,
        out + skip,
        stride,
        scratch,
      );
      row += count;
    }
    const y = Float32Array.from({ length: rows * dims });
    for (let i = 0; i < rows; i++) y.set(arena.floats(out + i * stride, dims), i * dims);
    if (!inPlace) expect(arena.floats(before, dims * dims)).toEqual(text.state);
    return { y, state: arena.floats(after, dims * dims) };
  }

  it.each([
    [1, 16],
    [3, 32],
    [16, 64],
    [17, 128],
    [100, 16],
    [40, 48],
  ])("%i tokens of %i elements", (rows, dims) => {
    const text = textOf(rows, dims);
    const ours = run(text);
    const exact = deltaRule(text, EPSILON);
    expect(relativeError(exact.y, ours.y)).toBeLessThan(2e-6);
    expect(relativeError(exact.state, ours.state)).toBeLessThan(2e-6);
  });

  it("bits do not depend on the steps, nor on where the results and the state go", () => {
    const text = textOf(41, 32);
    const whole = run(text);
    for (const steps of [[40, 1], [1, 40], [16, 16, 9], [7, 17, 16, 1], new Array(41).fill(1)]) {
      expect(run(text, steps)).toEqual(whole);
    }
    expect(run(text, [41], true)).toEqual(whole);
  });

  it("a text that begins has nothing in its state", () => {
    const text = textOf(20, 16);
    text.state.fill(0);
    const exact = deltaRule(text, EPSILON);
    const ours = run(text);
    expect(relativeError(exact.y, ours.y)).toBeLessThan(2e-6);
    expect(relativeError(exact.state, ours.state)).toBeLessThan(2e-6);
  });

  it("what fades by almost nothing for thousands of tokens fades by the right amount", () => {
    const text = { ...textOf(4000, 16), dt: -9.25 };
    text.alpha.fill(0.125);
    text.beta.fill(-30); // nothing is learned
    text.state.fill(1);
    const { state } = run(text, [4000]);
    const left = Math.exp(4000 * text.a * Math.log1p(Math.exp(0.125 - 9.25)));
    for (const value of state) expect(Math.abs(value / left - 1)).toBeLessThan(4e-4); // two roundings to f32 for each token
  });

  it("gates at their ends: all is forgotten, or nothing; all is learned, or nothing", () => {
    for (const alpha of [-1e4, 1e4]) {
      for (const beta of [-1e4, 1e4]) {
        const text = textOf(5, 16);
        text.alpha.fill(alpha);
        text.beta.fill(beta);
        const ours = run(text);
        if (alpha > 0 && beta < 0) {
          expect([...ours.y, ...ours.state].every((value) => value === 0)).toBe(true);
          continue;
        }
        const exact = deltaRule(text, EPSILON);
        expect(relativeError(exact.state, ours.state)).toBeLessThan(2e-6);
        expect(relativeError(exact.y, ours.y)).toBeLessThan(2e-6);
      }
    }
  });

  it.each([
    ["fades", {}],
    // The state ends below 2^-126, where an f32 has steps of 2^-149, however small it is.
    ["all but disappears", { a: -12, dt: 1, alpha: Float32Array.of(1.5, 1.5, 1.5) }],
  ])("keys and queries of nothing are left as they are, and what was remembered %s", (_, gates) => {
    const text = { ...textOf(3, 16), ...gates };
    text.k.fill(0);
    text.q.fill(0);
    const { y, state } = run(text);
    expect(y.every((value) => value === 0)).toBe(true);
    const exact = deltaRule(text, EPSILON);
    // Each token rounds the state, to half a step at most.
    for (const [i, value] of exact.state.entries())
      expect(Math.abs(state[i]! - value)).toBeLessThanOrEqual(1e-6 * Math.abs(value) + 3 * 2 ** -150);
  });

  it("a gate that is not a number spoils the head, and ends no worker", () => {
    for (const name of ["alpha", "beta"] as const) {
      const text = textOf(4, 16);
      text[name][1] = Number.NaN;
      const { y } = run(text);
      expect(y.subarray(0, 16).some(Number.isNaN)).toBe(false);
      expect(y.subarray(16).every(Number.isNaN)).toBe(true);
    }
    const text = { ...textOf(4, 16), a: 1e30 };
    expect(run(text).y.subarray(32).every(Number.isFinite)).toBe(false);
  });
});
