import { afterEach, describe, expect, it } from "vitest";
import { Arena, builds } from "../support/kernels/arena.js";
import { randomStream } from "../support/seed.js";

const f = Math.fround;

interface Input {
  readonly channels: number;
  readonly width: number;
  /** (rows, 3 * channels) */
  readonly bcx: Float32Array;
  /** (channels, width) */
  readonly weight: Float32Array;
  /** (width - 1, channels); undefined: the text begins. */
  readonly before: Float32Array | undefined;
}

/** Of every channel the columns of u, those of the state first; each product and each sum is rounded to f32. */
function convolutionTwin({ channels, width, bcx, weight, before }: Input): { y: Float32Array; after: Float32Array } {
  const rows = bcx.length / (3 * channels);
  const y = new Float32Array(rows * channels);
  const after = new Float32Array((width - 1) * channels);
  for (let channel = 0; channel < channels; channel++) {
    const [b, c, x] = [0, 1, 2].map((part) => (row: number) => bcx[(3 * row + part) * channels + channel]!);
    const old = Array.from({ length: width - 1 }, (_, column) => before?.[column * channels + channel] ?? 0);
    const u = [...old, ...Array.from({ length: rows }, (_, row) => f(b!(row) * x!(row)))];
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let tap = 0; tap < width; tap++) sum = f(sum + f(weight[channel * width + tap]! * u[row + tap]!));
      y[row * channels + channel] = f(c!(row) * sum);
    }
    for (const [column, value] of u.slice(rows).entries()) after[column * channels + channel] = value;
  }
  return { y, after };
}

describe.each(builds)("shortConvolution (%s)", (build) => {
  const arena = new Arena(build, 2 ** 20);
  const { kernels } = arena;
  const random = randomStream(1);
  afterEach(() => arena.clear());

  const vector = (length: number) => Float32Array.from({ length }, () => random.normal());
  const inputOf = (rows: number, channels: number, width: number, begins: boolean): Input => ({
    ...{ channels, width, bcx: vector(rows * 3 * channels), weight: vector(channels * width) },
    before: begins ? undefined : vector((width - 1) * channels),
  });

  /** By calls for the channels between `cuts`, as several workers make them. Rows lie 64 bytes further apart than they must. */
  function convolve({ channels, width, bcx, weight, before }: Input, cuts: readonly number[]) {
    const rows = bcx.length / (3 * channels);
    const stride = 3 * channels + 16;
    const spaced = new Float32Array(rows * stride).fill(Number.NaN);
    for (let row = 0; row < rows; row++) {
      spaced.set(bcx.subarray(row * 3 * channels, (row + 1) * 3 * channels), row * stride);
    }
    const from = arena.place(spaced);
    const weights = arena.place(weight);
    const old = before === undefined ? 0 : arena.place(before);
    const after = arena.room((width - 1) * channels * 4);
    const y = arena.room(rows * channels * 4);
    const scratch = arena.room(16 * width);
    for (const [i, end] of [...cuts, channels].entries()) {
      const first = cuts[i - 1] ?? 0;
      kernels.shortConvolution(
        ...([from, stride * 4, rows, channels, first, end, weights, width] as const),
        ...([old, after, y, channels * 4, scratch] as const),
      );
    }
    if (before !== undefined) expect(arena.floats(old, before.length)).toEqual(before);
    return { y: arena.floats(y, rows * channels), after: arena.floats(after, (width - 1) * channels) };
  }

  it.each([
    [1, 4, 3],
    [2, 20, 3],
    [3, 64, 3],
    [17, 48, 3],
    [5, 8, 2],
    [7, 16, 4],
    [3, 8, 9],
  ])("%i rows of %i channels, each of which sees %i", (rows, channels, width) => {
    for (const begins of [true, false]) {
      const input = inputOf(rows, channels, width, begins);
      expect(convolve(input, [])).toEqual(convolutionTwin(input));
    }
  });

  it("gives the same however channels and rows are divided", () => {
    const input = inputOf(11, 48, 3, false);
    const whole = convolutionTwin(input);
    expect(convolve(input, [4, 16, 36])).toEqual(whole);
    const row = 3 * input.channels;
    const first = convolve({ ...input, bcx: input.bcx.slice(0, row) }, []);
    const rest = convolve({ ...input, bcx: input.bcx.slice(row), before: first.after }, []);
    expect([...first.y, ...rest.y]).toEqual([...whole.y]);
    expect(rest.after).toEqual(whole.after);
  });

  it("a NaN spoils its channel from its row on, and no other", () => {
    const input = inputOf(4, 8, 3, true);
    input.bcx[24 + 5] = Number.NaN; // b of channel 5 in row 1
    const { y } = convolve(input, []);
    const spoiled = [...y.keys()].filter((at) => Number.isNaN(y[at]!));
    expect(spoiled).toEqual([8 + 5, 16 + 5, 24 + 5]);
  });
});
