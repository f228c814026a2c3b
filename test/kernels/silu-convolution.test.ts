// Gated DeltaNet's short convolution against float64; and that its bits do not depend on how a text is divided.

import { afterEach, describe, expect, it } from "vitest";
import { EXP_TABLE_BYTES } from "../../dist/abi.js";
import { Arena, builds } from "../support/kernels/arena.js";
import { relativeError } from "../support/reference/relative-error.js";
import { randomStream } from "../support/seed.js";

describe.each(builds)("siluConvolution (%s)", (build) => {
  const arena = new Arena(build, 2 ** 21);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  const random = randomStream(1);
  const numbers = (count: number) => Float32Array.from({ length: count }, () => random.normal());

  interface Scene {
    readonly channels: number;
    readonly width: number;
    /** (width - 1 + rows, channels): what lies before the text, and the text. */
    readonly all: Float32Array;
    readonly weight: Float32Array;
  }

  function scene(rows: number, channels: number, width: number): Scene {
    return { channels, width, all: numbers((width - 1 + rows) * channels), weight: numbers(channels * width) };
  }

  /** The text in steps of so many rows, with the channels in parts of `part`, and the state behind it. */
  function run({ channels, width, all, weight }: Scene, steps?: readonly number[], part = channels) {
    const earlier = width - 1;
    const rows = all.length / channels - earlier;
    const stride = 4 * channels + 32;
    const x = arena.room(rows * stride);
    for (let row = 0; row < rows; row++) {
      const values = all.slice((earlier + row) * channels, (earlier + row + 1) * channels);
      arena.bytes.set(new Uint8Array(values.buffer), x + row * stride);
    }
    const states = [arena.place(all.slice(0, earlier * channels)), arena.room(earlier * channels * 4)] as const;
    const weights = arena.place(weight);
    const scratch = arena.room(EXP_TABLE_BYTES + 16 * width);
    const hasState = all.subarray(0, earlier * channels).some((value) => value !== 0);
    let row = 0;
    let at = 0;
    for (const count of steps ?? [rows]) {
      const from = row === 0 && !hasState ? 0 : states[at]!;
      const to = states[1 - at]!;
      for (let first = 0; first < channels; first += part) {
        const end = Math.min(channels, first + part);
        kernels.siluConvolution(
          ...([x + row * stride, stride, count, channels, first, end, weights, width, from, to, scratch] as const),
        );
      }
      row += count;
      at = 1 - at;
    }
    const y = Array.from({ length: rows }, (_, i) => [...arena.floats(x + i * stride, channels)]);
    return { y: Float32Array.from(y.flat()), state: arena.floats(states[at]!, earlier * channels) };
  }

  it.each([
    [1, 4, 4],
    [2, 64, 4],
    [3, 20, 4],
    [50, 128, 4],
    [1, 8, 3],
    [9, 36, 3],
    [6, 12, 2],
    [5, 4, 7],
  ])("%i rows of %i channels, %i weights", (rows, channels, width) => {
    const one = scene(rows, channels, width);
    const { y, state } = run(one);
    const exact = Float64Array.from(y, (_, at) => {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += one.weight[(at % channels) * width + i]! * one.all[at + i * channels]!;
      return sum / (1 + Math.exp(-sum));
    });
    expect(relativeError(exact, y)).toBeLessThan(1e-6);
    expect(state).toEqual(one.all.slice(rows * channels));
  });

  it("bits do not depend on the steps, nor on who takes which channels", () => {
    const one = scene(23, 24, 4);
    const whole = run(one);
    for (const steps of [[22, 1], [1, 22], [2, 1, 20], [3, 4, 16], new Array(23).fill(1)]) {
      expect(run(one, steps)).toEqual(whole);
      expect(run(one, steps, 8)).toEqual(whole);
    }
  });

  it("a text that begins has zeros before it", () => {
    const one = scene(4, 8, 4);
    one.all.fill(0, 0, 3 * 8);
    const { y } = run(one);
    for (let channel = 0; channel < 8; channel++) {
      const sum = one.weight[channel * 4 + 3]! * one.all[3 * 8 + channel]!;
      expect(y[channel]).toBeCloseTo(sum / (1 + Math.exp(-sum)), 5);
    }
  });
});
