// Gates, the sigmoid, the soft limit, the addition of a bias and a factor, against f64 and by their rule. SwiGLU is also where the kernels' own exp is seen by itself.

import { afterEach, describe, expect, it } from "vitest";
import { EXP_TABLE_BYTES } from "../../dist/abi.js";
import fc from "../support/fast-check.js";
import { Arena, builds } from "../support/kernels/arena.js";

const f = Math.fround;

describe.each(builds)("element by element (%s)", (build) => {
  const arena = new Arena(build, 2 ** 21);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  function swiGlu(gate: readonly number[], up: readonly number[]): Float32Array {
    const to = arena.place(Float32Array.from(gate));
    kernels.swiGlu(to, arena.place(Float32Array.from(up)), gate.length, arena.room(EXP_TABLE_BYTES));
    return arena.floats(to, gate.length);
  }

  const silu = (x: number) => (x >= 0 ? x / (1 + Math.exp(-x)) : (x * Math.exp(x)) / (1 + Math.exp(x)));

  it("swiGlu has a relative error below 5e-7, wherever silu is a normal number", () => {
    const gate: number[] = [];
    for (let x = -87; x < 100; x += 1 / 256) gate.push(f(x));
    for (let exponent = -120; exponent <= 30; exponent++) gate.push(2 ** exponent, -(2 ** Math.min(exponent, 6)));
    while (gate.length % 4 !== 0) gate.push(1);
    const ours = swiGlu(gate, new Array(gate.length).fill(1));
    const worst = gate.reduce((most, x, i) => {
      const exact = silu(x);
      return Math.abs(exact) < 2 ** -126 ? most : Math.max(most, Math.abs(ours[i]! / exact - 1));
    }, 0);
    expect(worst).toBeLessThan(5e-7);
  });

  it("swiGlu multiplies by up, whatever lies in the lanes beside it", () => {
    const number = fc.float({ min: -80, max: 80, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { minLength: 4, maxLength: 40 }), (pairs) => {
        const whole = pairs.slice(0, pairs.length & ~3);
        const gate = whole.map(([x]) => x);
        const up = whole.map(([, y]) => y);
        const ours = swiGlu(gate, up);
        const alone = gate.map((x) => swiGlu([x, 0, 0, 0], [1, 1, 1, 1])[0]);
        expect(ours).toEqual(Float32Array.from(alone, (x, i) => x! * up[i]!));
        arena.clear();
      }),
      { numRuns: 50 },
    );
  });

  it("swiGlu at the ends: x for large x, 0 for large -x, infinity, and NaN where there is no number", () => {
    const gate = [1e4, 3e38, -88, -1e4, -3e38, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
    const ours = swiGlu(gate, new Array(8).fill(1));
    expect([...ours.map((y) => y + 0)]).toEqual(
      [1e4, f(3e38), 0, 0, 0, Number.POSITIVE_INFINITY, Number.NaN, Number.NaN], // -infinity times 0
    );
    expect([...swiGlu([0, -0, 0, -0], [1, 1, 2, 2])]).toEqual([0, -0, 0, -0]);
  });

  function geGlu(gate: readonly number[], up: readonly number[]): Float32Array {
    const to = arena.place(Float32Array.from(gate));
    kernels.geGlu(to, arena.place(Float32Array.from(up)), gate.length, arena.room(EXP_TABLE_BYTES));
    return arena.floats(to, gate.length);
  }

  function geluAlone(x: readonly number[]): Float32Array {
    const to = arena.place(Float32Array.from(x));
    kernels.gelu(to, x.length, arena.room(EXP_TABLE_BYTES));
    return arena.floats(to, x.length);
  }

  const gelu = (x: number) => {
    const z = 2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
    return z >= 0 ? x / (1 + Math.exp(-z)) : (x * Math.exp(z)) / (1 + Math.exp(z));
  };

  it("geGlu is gelu with tanh, and multiplies by up", () => {
    const gate: number[] = [];
    for (let x = -12; x < 20; x += 1 / 256) gate.push(f(x));
    for (let exponent = -120; exponent <= 30; exponent++) gate.push(2 ** exponent);
    while (gate.length % 4 !== 0) gate.push(1);
    const up = gate.map((_, i) => f(1 + i / 1000));
    const ours = geGlu(gate, up);
    expect(geluAlone(gate)).toEqual(geGlu(gate, new Array(gate.length).fill(1)));
    for (const [i, x] of gate.entries()) {
      // The exponent has a rounding of its own, which grows with it; where e^z is no longer a normal number, 0 is near enough.
      const tolerance = 5e-7 * (1 + Math.abs(x) ** 3 / 4) * Math.abs(gelu(x) * up[i]!) + 1e-36;
      expect(Math.abs(ours[i]! - gelu(x) * up[i]!)).toBeLessThan(tolerance);
      const tanh = 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
      expect(Math.abs(ours[i]! - tanh * up[i]!)).toBeLessThan(1e-6 * (1 + Math.abs(x)) * up[i]!);
    }
  });

  it("geGlu at the ends: x for large x, 0 for large -x, infinity, and NaN where there is no number", () => {
    const gate = [1e4, 3e38, -88, -1e4, -3e38, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
    const ours = geGlu(gate, new Array(8).fill(1));
    expect([...ours.map((y) => y + 0)]).toEqual([
      1e4,
      f(3e38),
      0,
      0,
      0,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      Number.NaN,
    ]);
    expect([...geGlu([0, -0, 0, -0], [1, 1, 2, 2])]).toEqual([0, -0, 0, -0]);
  });

  it("sigmoidGate multiplies by the sigmoid of the gate", () => {
    const gate: number[] = [];
    for (let x = -40; x < 40; x += 1 / 64) gate.push(f(x));
    gate.push(-1e4, 1e4, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    const x = gate.map((_, i) => f(i / 700 - 3));
    const to = arena.place(Float32Array.from(x));
    kernels.sigmoidGate(to, arena.place(Float32Array.from(gate)), gate.length, arena.room(EXP_TABLE_BYTES));
    const ours = arena.floats(to, gate.length);
    for (const [i, z] of gate.entries()) {
      const exact = z >= 0 ? x[i]! / (1 + Math.exp(-z)) : (x[i]! * Math.exp(z)) / (1 + Math.exp(z));
      expect(Math.abs(ours[i]! - exact)).toBeLessThanOrEqual(5e-7 * Math.abs(exact));
    }
  });

  function clampedSwiGlu(gate: readonly number[], up: readonly number[]): Float32Array {
    const to = arena.place(Float32Array.from(gate));
    kernels.clampedSwiGlu(to, arena.place(Float32Array.from(up)), gate.length, arena.room(EXP_TABLE_BYTES));
    return arena.floats(to, gate.length);
  }

  it("clampedSwiGlu has limits on both sides of up, on one of the gate, and adds 1 to up", () => {
    const gate: number[] = [];
    const up: number[] = [];
    for (let x = -40; x < 20; x += 1 / 64) {
      gate.push(f(x));
      up.push(f((gate.length % 41) - 20 + x / 64));
    }
    const ours = clampedSwiGlu(gate, up);
    const exact = gate.map((g, i) => {
      const x = Math.min(g, 7);
      const e = Math.exp(-1.702 * Math.abs(x));
      return ((x < 0 ? x * e : x) / (1 + e)) * (Math.max(-7, Math.min(up[i]!, 7)) + 1);
    });
    // 1.702 x has a rounding of its own, which grows with x.
    for (const [i, y] of exact.entries()) {
      expect(Math.abs(ours[i]! - y)).toBeLessThanOrEqual((5e-7 + 2e-7 * Math.abs(gate[i]!)) * Math.abs(y) + 1e-36);
    }
  });

  it("clampedSwiGlu at the ends: the limits for what is large, and NaN where there is no number", () => {
    const infinity = Number.POSITIVE_INFINITY;
    const ours = clampedSwiGlu(
      [7, infinity, 3e38, 8, 1, 1, Number.NaN, 1],
      [1, 1, -infinity, infinity, 1e9, -1e9, 1, Number.NaN],
    );
    const [seven, one] = [7 / (1 + Math.exp(-7 * 1.702)), 1 / (1 + Math.exp(-1.702))];
    for (const [i, y] of [2 * seven, 2 * seven, -6 * seven, 8 * seven, 8 * one, -6 * one].entries()) {
      expect(Math.abs(ours[i]! / y - 1)).toBeLessThan(1e-6);
    }
    expect([...ours.subarray(6)]).toEqual([Number.NaN, Number.NaN]);
  });

  it("sigmoid has a relative error below 5e-7, for any number of elements", () => {
    const x: number[] = [];
    for (let value = -86; value < 100; value += 1 / 128) x.push(f(value));
    for (const count of [1, 2, 3, 4, 5, 7, x.length]) {
      const from = arena.place(Float32Array.from(x.slice(-count)));
      const to = arena.room(4 * count);
      kernels.sigmoid(from, to, count, arena.room(EXP_TABLE_BYTES));
      for (const [i, y] of arena.floats(to, count).entries()) {
        const value = x[x.length - count + i]!;
        const exact = value < 0 ? Math.exp(value) / (1 + Math.exp(value)) : 1 / (1 + Math.exp(-value));
        expect(Math.abs(y / exact - 1)).toBeLessThan(5e-7);
      }
      arena.clear();
    }
  });

  it("softcap is cap * tanh(x / cap) with a relative error below 5e-7, near 0 too, and odd", () => {
    const x: number[] = [];
    for (let value = -300; value < 300; value += 1 / 32) x.push(f(value));
    for (let exponent = -90; exponent <= 30; exponent++) x.push(2 ** exponent, -(1.7 * 2 ** exponent));
    while (x.length % 4 !== 0) x.push(1);
    for (const cap of [1, 30, 50]) {
      const at = arena.place(Float32Array.from(x));
      kernels.softcap(at, cap, x.length, arena.room(EXP_TABLE_BYTES));
      const ours = arena.floats(at, x.length).slice();
      for (const [i, value] of x.entries()) {
        const exact = cap * Math.tanh(f(value) / cap);
        expect(Math.abs(ours[i]! - exact)).toBeLessThanOrEqual(5e-7 * Math.abs(exact));
      }
      const opposite = arena.place(Float32Array.from(x, (value) => -value));
      kernels.softcap(opposite, cap, x.length, arena.room(EXP_TABLE_BYTES));
      expect(arena.floats(opposite, x.length)).toEqual(ours.map((value) => -value));
      arena.clear();
    }
  });

  it("softcap at the ends: the cap for infinity, 0 with its sign, and NaN where there is no number", () => {
    const at = arena.place(Float32Array.of(Infinity, -Infinity, 0, -0, Number.NaN, 3e38, -3e38, 1e-45));
    kernels.softcap(at, 30, 8, arena.room(EXP_TABLE_BYTES));
    expect([...arena.floats(at, 7)]).toEqual([30, -30, 0, -0, Number.NaN, 30, -30]);
  });

  it("scale multiplies", () => {
    const x = Float32Array.from({ length: 52 }, (_, i) => i / 7);
    const at = arena.place(x);
    kernels.scale(at, 1.7, 52);
    expect(arena.floats(at, 52)).toEqual(x.map((value) => value * f(1.7)));
  });

  it("addBias adds", () => {
    const y = Float32Array.from({ length: 52 }, (_, i) => i / 7);
    const bias = Float32Array.from({ length: 52 }, (_, i) => 1e3 / (i + 1));
    const to = arena.place(y);
    kernels.addBias(to, arena.place(bias), 52);
    expect(arena.floats(to, 52)).toEqual(y.map((value, i) => value + bias[i]!));
  });

  it("addBiasRows and geluRows are addBias and gelu of every row, and leave what lies between rows", () => {
    const [rows, columns, stride] = [3, 20, 4 * 20 + 48];
    const values = Array.from({ length: rows }, (_, row) =>
      Float32Array.from({ length: columns }, (_, i) => i - 7 * row),
    );
    const bias = Float32Array.from({ length: columns }, (_, i) => 3 / (i + 1));
    const biasAt = arena.place(bias);
    const scratch = arena.room(EXP_TABLE_BYTES);
    const finished = (finish: (at: number) => void) => {
      const at = arena.room(rows * stride);
      for (const [row, one] of values.entries()) arena.bytes.set(new Uint8Array(one.slice().buffer), at + row * stride);
      finish(at);
      for (let row = 0; row < rows; row++) {
        const between = arena.bytes.subarray(at + row * stride + 4 * columns, at + (row + 1) * stride);
        expect(between.every((byte) => byte === 0xff)).toBe(true);
      }
      return values.map((_, row) => arena.floats(at + row * stride, columns));
    };
    const sums = values.map((row) => row.map((value, i) => value + bias[i]!));
    expect(finished((at) => kernels.addBiasRows(at, stride, rows, biasAt, columns))).toEqual(sums);
    const alone = (row: Float32Array) => geluAlone([...row]);
    expect(finished((at) => kernels.geluRows(at, stride, rows, biasAt, columns, scratch))).toEqual(sums.map(alone));
    expect(finished((at) => kernels.geluRows(at, stride, rows, 0, columns, scratch))).toEqual(values.map(alone));
  });
});
