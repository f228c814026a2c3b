// RoPE: the table against the host's sine and cosine, the rotation bit for bit its plain version.

import { afterEach, describe, expect, it } from "vitest";
import { Arena, builds } from "../support/kernels/arena.js";
import { randomStream } from "../support/seed.js";

const f = Math.fround;

describe.each(builds)("rope (%s)", (build) => {
  const arena = new Arena(build, 2 ** 20);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  /** Cosines and sines of one position, (headDim) each. */
  function table(frequencies: readonly number[], headDim: number, position: number, magnitude: number) {
    const from = arena.place(Float64Array.from(frequencies));
    const to = arena.room(8 * headDim);
    kernels.ropeTable(from, frequencies.length, headDim, position, magnitude, to, arena.room(16));
    return { address: to, cosines: arena.floats(to, headDim), sines: arena.floats(to + 4 * headDim, headDim) };
  }

  const llama = Array.from({ length: 32 }, (_, i) => 500000 ** (-i / 32));

  // A value is rounded to f32: half a unit in the last place of 1 is 2^-25, which leaves 1e-9 for the sine itself.
  it("has sines and cosines that are right to the last bit of f32, up to position 10^6", () => {
    const positions = [0, 1, 2, 3, 63, 64, 100, 4095, 4096, 131071, 999_999, 1_000_000];
    for (let i = 0; i < 2000; i++) positions.push((i * 7919 * 61) % 1_000_000);
    let worst = 0;
    for (const position of positions) {
      const { cosines, sines } = table(llama, 64, position, 1);
      for (const [i, frequency] of llama.entries()) {
        const angle = frequency * position;
        worst = Math.max(
          worst,
          Math.abs(cosines[2 * i]! - Math.cos(angle)),
          Math.abs(sines[2 * i + 1]! - Math.sin(angle)),
        );
      }
      arena.clear();
    }
    expect(worst).toBeLessThan(2 ** -25 + 1e-9);
  });

  it("is right to 1e-7 for frequencies far beyond those of any model", () => {
    const frequencies = [2, 10, 33.3, 100, Math.PI, Math.PI / 2, Math.PI / 4, 1000 / 3];
    for (const position of [1, 2, 5, 1000, 65_535, 1_000_000]) {
      const { cosines, sines } = table(frequencies, 16, position, 1);
      for (const [i, frequency] of frequencies.entries()) {
        expect(Math.abs(cosines[2 * i]! - Math.cos(frequency * position))).toBeLessThan(1e-7);
        expect(Math.abs(sines[2 * i + 1]! - Math.sin(frequency * position))).toBeLessThan(1e-7);
      }
    }
  });

  it("multiplies by the magnitude, has each value twice, and leaves what is not rotated as it is", () => {
    const { cosines, sines } = table([1, 0.1, 0.01], 10, 17, 1.25);
    for (const [i, frequency] of [1, 0.1, 0.01].entries()) {
      expect(cosines[2 * i]).toBe(f(Math.cos(frequency * 17) * 1.25));
      expect(cosines[2 * i + 1]).toBe(cosines[2 * i]);
      expect(sines[2 * i + 1]).toBe(f(Math.sin(frequency * 17) * 1.25));
      expect(sines[2 * i]).toBe(-sines[2 * i + 1]!);
    }
    expect([...cosines.subarray(6)]).toEqual([1, 1, 1, 1]);
    expect([...sines.subarray(6).map((value) => value + 0)]).toEqual([0, 0, 0, 0]);
  });

  it.each([
    [4, 1],
    [12, 2],
    [32, 3],
    [64, 32],
    [80, 2],
    [96, 8],
    [128, 5],
    [256, 1],
  ])("heads of %i, %i of them", (headDim, heads) => {
    const random = randomStream(headDim);
    const x = Float32Array.from({ length: heads * headDim }, () => random.normal());
    for (const pairs of [headDim / 2, headDim / 4]) {
      const frequencies = Array.from({ length: pairs }, (_, i) => 10000 ** (-i / pairs));
      const { address, cosines, sines } = table(frequencies, headDim, 77, 1);
      const at = arena.place(x);
      kernels.rope(at, heads, headDim, address);
      const expected = x.map((value, i) => f(value * cosines[i % headDim]!) + f(x[i ^ 1]! * sines[i % headDim]!));
      expect(arena.floats(at, x.length)).toEqual(expected);
      const halves = arena.place(x);
      kernels.ropeHalves(halves, heads, headDim, pairs, address);
      const turned = x.map((value, i) => {
        const within = i % headDim;
        if (within >= 2 * pairs) return value;
        const pair = within % pairs;
        const [cosine, sine] = [cosines[2 * pair], sines[2 * pair + 1]];
        return within < pairs
          ? f(value * cosine!) - f(x[i + pairs]! * sine!)
          : f(x[i - pairs]! * sine!) + f(value * cosine!);
      });
      expect(arena.floats(halves, x.length)).toEqual(turned);
      const rotated = arena.floats(at, x.length);
      for (let head = 0; head < x.length; head += headDim) {
        const beyond = [head + 2 * pairs, head + headDim] as const;
        expect(rotated.slice(...beyond)).toEqual(x.slice(...beyond));
      }
    }
  });
});
