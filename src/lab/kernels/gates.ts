// The activations of feed-forward networks (assembly/kernels/elementwise.ts): SwiGLU and GeGLU (Shazeer 2020), gpt-oss's SwiGLU with
// limits, and GELU, the sigmoid and the soft limit by themselves.
//
// They work in place, over what the run before has written. From most numbers that leads, run by run, to 0 by way of subnormal numbers,
// which are slow, or to infinity; and a copy before each run would be timed with it. So they are timed on numbers so large that
// 1 / (1 + e^-z) rounds to 1, from z = 17 on: there silu(x) and gelu(x) are x, bit for bit, and with an up of 1 the input stays what it
// is, however often a kernel runs. With limits, a gate beyond its limit is the limit, so that a run's result gives itself again. A soft
// limit is timed with one so large that it leaves numbers as they are. No kernel branches on what it reads, and these numbers and all that is made of them are normal: they
// take the time of any others. The error is that of a run over the whole curve.

import { EXP_TABLE_BYTES } from "#abi";
import { checkNumber } from "../../options.js";
import { checkLength, f32, fill, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { checkElementwise, type ElementwiseShape } from "./elementwise.js";
import { noise, relativeError, rowsOfChunk } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

interface Activation {
  /** In float64. */
  exact(x: number): number;
  /** From here to 2 beyond it, z is 17 at least, and e^-z a normal number. */
  readonly large: number;
}

const silu: Activation = { exact: (x) => x / (1 + Math.exp(-x)), large: 20 };
const geluWithTanh: Activation = {
  exact: (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  large: 6,
};

/** A prefill chunk of Llama-3.2-1B's feed-forward width. */
const feedForwardChunk = { ...rowsOfChunk, shapes: () => [[128, 8192]] } as const;

/**
 * gate = activation(gate) * up, in place: a second run takes the first one's result for its gate. The activation is silu in swiGlu, and
 * in geGlu gelu as in GeluKernel; in clampedSwiGlu it is x * sigmoid(1.702 x) with x = min(gate, 7), times up + 1, with up between -7
 * and 7. From `KernelLab.swiGlu`, `KernelLab.geGlu` and `KernelLab.clampedSwiGlu`.
 */
export interface GatedKernel extends ShapedKernel<ElementwiseShape> {
  readonly kernel: "swiGlu" | "clampedSwiGlu" | "geGlu";
  /** gate and up. */
  readonly bytes: number;
  /** @param gate (rows, columns) f32 @param up the same shape @throws CriaError INVALID_SHAPE */
  setInput(gate: Float32Array, up: Float32Array): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const swiGlu = declareGate("swiGlu", silu);
export const geGlu = declareGate("geGlu", geluWithTanh);

function declareGate(name: GatedKernel["kernel"], activation: Activation) {
  return declareKernel<ElementwiseShape, GatedKernel, "gate" | "up" | "scratch">({
    plan(given) {
      const shape = checkElementwise(given);
      const count = shape.rows * shape.columns;
      return {
        kernel: name,
        shape,
        bytes: 8 * count,
        buffers: { gate: f32(1, count), up: f32(1, count), scratch: u8(EXP_TABLE_BYTES) },
        set: { setInput: ["gate", "up"] },
        run: ({ at, kernels }) => kernels[name](at.gate, at.up, count, at.scratch),
        result: "gate",
      };
    },
    ...feedForwardChunk,
    fill(kernel) {
      const count = kernel.shape.rows * kernel.shape.columns;
      const lasting = lastingInput(count, activation);
      const ones = new Float32Array(count).fill(1);
      kernel.setInput(lasting, ones);
      return () => {
        const x = curve(count);
        const up = noise(count, 2);
        kernel.setInput(x, up).run();
        const exact = Float64Array.from(x, (value, i) => activation.exact(value) * up[i]!);
        const error = relativeError(kernel.result, exact);
        kernel.setInput(lasting, ones);
        return error;
      };
    },
  });
}

/** gpt-oss's gate with limits, in float64. */
function clampedGate(gate: number, up: number): number {
  const x = Math.min(gate, 7);
  return (x / (1 + Math.exp(-1.702 * x))) * (Math.min(Math.max(up, -7), 7) + 1);
}

export const clampedSwiGlu = declareKernel<ElementwiseShape, GatedKernel, "gate" | "up" | "scratch">({
  plan(given) {
    const shape = checkElementwise(given);
    const count = shape.rows * shape.columns;
    return {
      kernel: "clampedSwiGlu",
      shape,
      bytes: 8 * count,
      buffers: { gate: f32(1, count), up: f32(1, count), scratch: u8(EXP_TABLE_BYTES) },
      set: { setInput: ["gate", "up"] },
      run: ({ at, kernels }) => kernels.clampedSwiGlu(at.gate, at.up, count, at.scratch),
      result: "gate",
    };
  },
  ...feedForwardChunk,
  fill(kernel) {
    const count = kernel.shape.rows * kernel.shape.columns;
    // Results above 7, which a run gives again.
    const ups = noise(count, 2).map((value) => value + 2);
    const lasting = () => {
      kernel.setInput(new Float32Array(count).fill(8), ups).run();
      kernel.setInput(kernel.result, ups);
    };
    lasting();
    return () => {
      const gate = noise(count, 1).map((value) => 10 * value);
      const up = noise(count, 3).map((value) => 10 * value);
      kernel.setInput(gate, up).run();
      const error = relativeError(
        kernel.result,
        Float64Array.from(gate, (value, i) => clampedGate(value, up[i]!)),
      );
      lasting();
      return error;
    };
  },
});

/** x = x * sigmoid(gate), in place: a second run takes the first one's result for its x. From `KernelLab.sigmoidGate`. */
export interface SigmoidGateKernel extends ShapedKernel<ElementwiseShape> {
  /** x and gate. */
  readonly bytes: number;
  /** @param x (rows, columns) f32 @param gate the same shape @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array, gate: Float32Array): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const sigmoidGate = declareKernel<ElementwiseShape, SigmoidGateKernel, "x" | "gate" | "scratch">({
  plan(given) {
    const shape = checkElementwise(given);
    const count = shape.rows * shape.columns;
    return {
      shape,
      bytes: 8 * count,
      buffers: { x: f32(1, count), gate: f32(1, count), scratch: u8(EXP_TABLE_BYTES) },
      set: { setInput: ["x", "gate"] },
      run: ({ at, kernels }) => kernels.sigmoidGate(at.x, at.gate, count, at.scratch),
      result: "x",
    };
  },
  ...feedForwardChunk,
  fill(kernel) {
    const count = kernel.shape.rows * kernel.shape.columns;
    const x = noise(count, 1);
    const lasting = lastingInput(count, silu); // its sigmoid is 1
    kernel.setInput(x, lasting);
    return () => {
      const gate = curve(count);
      kernel.setInput(x, gate).run();
      const exact = Float64Array.from(x, (value, i) => value / (1 + Math.exp(-gate[i]!)));
      const error = relativeError(kernel.result, exact);
      kernel.setInput(x, lasting);
      return error;
    };
  },
});

/** y = 1 / (1 + e^-x). From `KernelLab.sigmoid`. */
export interface SigmoidKernel extends ShapedKernel<ElementwiseShape> {
  /** x and y. */
  readonly bytes: number;
  /** @param x (rows, columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const sigmoid = declareKernel<ElementwiseShape, SigmoidKernel, "x" | "y" | "scratch">({
  plan(given) {
    const shape = checkElementwise(given);
    const count = shape.rows * shape.columns;
    return {
      shape,
      bytes: 8 * count,
      buffers: { x: f32(1, count), y: f32(1, count), scratch: u8(EXP_TABLE_BYTES) },
      set: { setInput: ["x"] },
      run: ({ at, kernels }) => kernels.sigmoid(at.x, at.y, count, at.scratch),
      result: "y",
    };
  },
  ...feedForwardChunk,
  fill(kernel) {
    const x = curve(kernel.shape.rows * kernel.shape.columns);
    kernel.setInput(x);
    return () =>
      relativeError(
        kernel.result,
        Float64Array.from(x, (value) => 1 / (1 + Math.exp(-value))),
      );
  },
});

/**
 * x = x / 2 * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), the form of GELU with tanh (Hendrycks and Gimpel 2016), in place: a second run
 * takes the first one's result for its x. From `KernelLab.gelu`.
 */
export interface GeluKernel extends ShapedKernel<ElementwiseShape> {
  /** x. */
  readonly bytes: number;
  /** @param x (rows, columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const gelu = declareKernel<ElementwiseShape, GeluKernel, "x" | "scratch">({
  plan(given) {
    const shape = checkElementwise(given);
    const count = shape.rows * shape.columns;
    return {
      shape,
      bytes: 4 * count,
      buffers: { x: f32(1, count), scratch: u8(EXP_TABLE_BYTES) },
      set: { setInput: ["x"] },
      run: ({ at, kernels }) => kernels.gelu(at.x, count, at.scratch),
      result: "x",
    };
  },
  ...feedForwardChunk,
  fill(kernel) {
    const count = kernel.shape.rows * kernel.shape.columns;
    const lasting = lastingInput(count, geluWithTanh);
    kernel.setInput(lasting);
    return () => {
      const x = curve(count);
      kernel.setInput(x).run();
      const error = relativeError(kernel.result, Float64Array.from(x, geluWithTanh.exact));
      kernel.setInput(lasting);
      return error;
    };
  },
});

/** x = gelu(x + bias), the same bias for every row, in place: see `GeluKernel`. From `KernelLab.geluRows`. */
export interface GeluRowsKernel extends ShapedKernel<ElementwiseShape> {
  /** x and the bias. */
  readonly bytes: number;
  /** @param x (rows, columns) f32 @param bias (columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array, bias: Float32Array): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const geluRows = declareKernel<ElementwiseShape, GeluRowsKernel, "x" | "bias" | "scratch">({
  plan(given) {
    const shape = checkElementwise(given);
    const { rows, columns } = shape;
    return {
      shape,
      bytes: 4 * rows * columns + 4 * columns,
      buffers: { x: f32(rows, columns), bias: f32(1, columns), scratch: u8(EXP_TABLE_BYTES) },
      set: { setInput: ["x", "bias"] },
      run: ({ at, kernels }) => kernels.geluRows(at.x, columns * 4, rows, at.bias, columns, at.scratch),
      result: "x",
    };
  },
  ...feedForwardChunk,
  fill(kernel) {
    const { rows, columns } = kernel.shape;
    const lasting = lastingInput(rows * columns, geluWithTanh);
    const none = new Float32Array(columns);
    kernel.setInput(lasting, none);
    return () => {
      const x = curve(rows * columns);
      const bias = noise(columns, 2);
      kernel.setInput(x, bias).run();
      const sums = x.map((value, i) => value + bias[i % columns]!);
      const error = relativeError(kernel.result, Float64Array.from(sums, geluWithTanh.exact));
      kernel.setInput(lasting, none);
      return error;
    };
  },
});

/** x = cap * tanh(x / cap), in place: a second run takes the first one's result for its x. From `KernelLab.softcap`. */
export interface SoftcapKernel extends ShapedKernel<ElementwiseShape> {
  /** x. */
  readonly bytes: number;
  /**
   * @param x (rows, columns) f32
   * @param cap a positive number that the results stay below
   * @throws CriaError INVALID_SHAPE, INVALID_OPTION
   */
  setInput(x: Float32Array, cap: number): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const softcap = declareKernel<ElementwiseShape, SoftcapKernel, "x" | "scratch">({
  plan(given) {
    const shape = checkElementwise(given);
    const count = shape.rows * shape.columns;
    let limit = 1;
    return {
      shape,
      bytes: 4 * count,
      buffers: { x: f32(1, count), scratch: u8(EXP_TABLE_BYTES) },
      set: {
        setInput(space, x, cap) {
          checkLength("x", x, count);
          limit = checkNumber("cap", cap, 2 ** -20, 2 ** 20);
          fill(space, ["x"], [x]);
        },
      },
      run: ({ at, kernels }) => kernels.softcap(at.x, limit, count, at.scratch),
      result: "x",
    };
  },
  ...feedForwardChunk,
  fill(kernel) {
    const x = curve(kernel.shape.rows * kernel.shape.columns);
    kernel.setInput(x, LARGE_CAP);
    return () => {
      kernel.setInput(x, CAP).run();
      const exact = Float64Array.from(x, (value) => CAP * Math.tanh(value / CAP));
      const error = relativeError(kernel.result, exact);
      kernel.setInput(x, LARGE_CAP);
      return error;
    };
  },
});

/** A cap that bends the curve, and one that leaves numbers as small as the curve's what they are, bit for bit. */
const CAP = 4;
const LARGE_CAP = 2 ** 20;

/** Where the activation bends: [-8, 8). */
function curve(count: number): Float32Array {
  return noise(count, 1).map((value) => 8 * value);
}

/** What the activation leaves as it is. */
function lastingInput(count: number, { large }: Activation): Float32Array {
  return noise(count, 1).map((value) => large + 1 + value);
}
