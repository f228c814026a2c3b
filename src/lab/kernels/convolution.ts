// The short convolution between two gates (assembly/kernels/convolution.ts).

import { checkInteger } from "../../options.js";
import { checkMultiple, f32, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { noise, relativeError, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

/** The shape of a short convolution. */
export interface ShortConvolutionShape {
  /** Rows of one text. Default 1. */
  readonly rows?: number;
  /** A multiple of 4. */
  readonly channels: number;
  /** Rows that a row sees, with its own. Default 3. */
  readonly width?: number;
}

/**
 * y[t] = c[t] * (w[0] u[t - width + 1] + ... + w[width - 1] u[t]) with u[t] = b[t] * x[t], channel by channel (LFM2, Liquid AI 2025).
 * From `KernelLab.shortConvolution`.
 */
export interface ShortConvolutionKernel extends ShapedKernel<ShortConvolutionShape> {
  /** b, c, x and y, the weights, and the state before and after. */
  readonly bytes: number;
  /**
   * @param bcx (rows, 3 * channels) f32: of each row b, then c, then x
   * @param weight (channels, width) f32
   * @param before (width - 1, channels) f32: u of the rows before, the oldest first
   * @throws CriaError INVALID_SHAPE
   */
  setInput(bcx: Float32Array, weight: Float32Array, before: Float32Array): this;
  /** (rows, channels) f32. */
  readonly result: Float32Array;
}

type BufferName = "bcx" | "weight" | "before" | "after" | "y" | "scratch";

export const shortConvolution = declareKernel<ShortConvolutionShape, ShortConvolutionKernel, BufferName>({
  plan(given) {
    const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 16);
    const channels = checkInteger("channels", given.channels, 4, 2 ** 17);
    const width = checkInteger("width", given.width ?? 3, 2, 256);
    checkMultiple("channels", channels, 4);
    const stride = 3 * channels * 4;
    return {
      shape: { rows, channels, width },
      bytes: 4 * channels * (4 * rows + width + 2 * (width - 1)),
      buffers: {
        bcx: f32(rows, 3 * channels),
        weight: f32(channels, width),
        before: f32(width - 1, channels),
        after: f32(width - 1, channels),
        y: f32(rows, channels),
        scratch: u8(16 * width),
      },
      set: { setInput: ["bcx", "weight", "before"] },
      run({ at, kernels }) {
        kernels.shortConvolution(
          at.bcx,
          stride,
          rows,
          channels,
          0,
          channels,
          at.weight,
          width,
          at.before,
          at.after,
          at.y,
          channels * 4,
          at.scratch,
        );
      },
      result: "y",
    };
  },
  dimensions: ["rows", "channels"],
  // A prefill chunk of LFM2-1.2B's width.
  shapes: () => [[128, 2048]],
  share: shareOf(1, 4),
  fill(kernel) {
    const { rows, channels, width } = kernel.shape;
    const bcx = noise(rows * 3 * channels, 1);
    const weight = noise(channels * width, 2);
    const before = noise((width - 1) * channels, 3);
    kernel.setInput(bcx, weight, before);
    return () => {
      const exact = new Float64Array(rows * channels);
      const part = (row: number, which: number, channel: number) => bcx[(3 * row + which) * channels + channel]!;
      for (let channel = 0; channel < channels; channel++) {
        const u = (row: number) =>
          row < 0 ? before[(row + width - 1) * channels + channel]! : part(row, 0, channel) * part(row, 2, channel);
        for (let row = 0; row < rows; row++) {
          let sum = 0;
          for (let tap = 0; tap < width; tap++) sum += weight[channel * width + tap]! * u(row - width + 1 + tap);
          exact[row * channels + channel] = part(row, 1, channel) * sum;
        }
      }
      return relativeError(kernel.result, exact);
    };
  },
});
