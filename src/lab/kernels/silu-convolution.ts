// Gated DeltaNet's short convolution (assembly/kernels/convolution.ts).
//
// It works in place, over what the run before has written. So it is timed with weights that leave the rows as they are, and with
// numbers so large that silu leaves them too; no weight changes the time of any others. The error is that of a run over noise.

import { EXP_TABLE_BYTES } from "#abi";
import { checkInteger } from "../../options.js";
import { checkMultiple, f32, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { noise, relativeError, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

/** The shape of gated DeltaNet's short convolution. */
export interface SiluConvolutionShape {
  /** Default 1. */
  readonly rows?: number;
  /** A multiple of 4. */
  readonly channels: number;
  /** Weights of each channel. Default 4. */
  readonly width?: number;
}

/**
 * y[t] = silu(w[0] x[t - width + 1] + ... + w[width - 1] x[t]) of each channel by itself, in place: a second run takes the first one's
 * result for its x. From `KernelLab.siluConvolution`.
 */
export interface SiluConvolutionKernel extends ShapedKernel<SiluConvolutionShape> {
  /** x, the weights and the state, which is read and written. */
  readonly bytes: number;
  /** Two for each weight and row. */
  readonly operations: number;
  /**
   * @param x (rows, channels) f32
   * @param weight (channels, width) f32
   * @param state (width - 1, channels) f32: the rows before x
   * @throws CriaError INVALID_SHAPE
   */
  setInput(x: Float32Array, weight: Float32Array, state: Float32Array): this;
  /** (rows, channels) f32. */
  readonly result: Float32Array;
}

export const siluConvolution = declareKernel<
  SiluConvolutionShape,
  SiluConvolutionKernel,
  "x" | "weight" | "state" | "next" | "scratch"
>({
  plan(given) {
    const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 16);
    const channels = checkInteger("channels", given.channels, 4, 2 ** 20);
    const width = checkInteger("width", given.width ?? 4, 2, 256);
    checkMultiple("channels", channels, 4);
    return {
      shape: { rows, channels, width },
      bytes: 4 * channels * (rows + width + 2 * (width - 1)),
      operations: 2 * rows * channels * width,
      buffers: {
        x: f32(rows, channels),
        weight: f32(channels, width),
        state: f32(width - 1, channels),
        next: f32(width - 1, channels),
        scratch: u8(EXP_TABLE_BYTES + 16 * width),
      },
      set: { setInput: ["x", "weight", "state"] },
      run: ({ at, kernels }) =>
        kernels.siluConvolution(
          at.x,
          channels * 4,
          rows,
          channels,
          0,
          channels,
          at.weight,
          width,
          at.state,
          at.next,
          at.scratch,
        ),
      result: "x",
    };
  },
  dimensions: ["rows", "channels"],
  // Decode, and a prefill chunk, with q, k and v of Qwen3.5-2B.
  shapes: () => [
    [1, 6144],
    [128, 6144],
  ],
  share: shareOf(1, 4),
  fill(kernel) {
    const { rows, channels, width } = kernel.shape;
    const before = (width - 1) * channels;
    const lasting = () => {
      const weight = Float32Array.from({ length: channels * width }, (_, i) => (i % width === width - 1 ? 1 : 0));
      const all = noise(before + rows * channels, 1).map((value) => value + 20);
      kernel.setInput(all.subarray(before), weight, all.subarray(0, before));
    };
    lasting();
    return () => {
      const weight = noise(channels * width, 2);
      const all = noise(before + rows * channels, 3);
      kernel.setInput(all.subarray(before), weight, all.subarray(0, before)).run();
      const exact = Float64Array.from({ length: rows * channels }, (_, at) => {
        let sum = 0;
        for (let i = 0; i < width; i++) sum += weight[(at % channels) * width + i]! * all[at + i * channels]!;
        return sum / (1 + Math.exp(-sum));
      });
      const error = relativeError(kernel.result, exact);
      lasting();
      return error;
    };
  },
});
