// The activations as they are measured: a prefill chunk of Llama-3.2-1B's feed-forward width.
//
// They work in place, over what the run before has written. From most numbers that leads, run by run, to 0 by way of subnormal numbers,
// which are slow, or to infinity; and a copy before each run would be timed with it. So they are timed on numbers so large that
// 1 / (1 + e^-z) rounds to 1, from z = 17 on: there silu(x) and gelu(x) are x, bit for bit, and with an up of 1 the input stays what it
// is, however often a kernel runs. No kernel branches on what it reads, and these numbers are normal in all that is made of them: they
// take the time of any others. The error is that of a run over the whole curve.

import { type KernelRow, noise, shareOf } from "./case.js";
import { relativeError } from "./exact.js";

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

const chunk = {
  dimensions: ["rows", "columns"],
  formats: () => ["f32"],
  shapes: () => [[128, 8192]],
  share: shareOf(0),
  peak: () => undefined,
} as const satisfies Partial<KernelRow>;

export const swiGlu = gate("swiGlu", silu);
export const geGlu = gate("geGlu", geluWithTanh);

export const gelu: KernelRow = {
  ...chunk,
  check: (lab, _, [rows, columns = 0]) => void lab.gelu({ rows, columns }),
  prepare: (lab, _, [rows = 1, columns = 0]) => {
    const lasting = lastingInput(rows * columns, geluWithTanh);
    const kernel = lab.gelu({ rows, columns }).setInput(lasting);
    const error = () => {
      const x = curve(rows * columns);
      kernel.setInput(x).run();
      const distance = relativeError(kernel.result, Float64Array.from(x, geluWithTanh.exact));
      kernel.setInput(lasting);
      return distance;
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};

function gate(name: "swiGlu" | "geGlu", activation: Activation): KernelRow {
  return {
    ...chunk,
    check: (lab, _, [rows, columns = 0]) => void lab[name]({ rows, columns }),
    prepare: (lab, _, [rows = 1, columns = 0]) => {
      const lasting = lastingInput(rows * columns, activation);
      const ones = new Float32Array(rows * columns).fill(1);
      const kernel = lab[name]({ rows, columns }).setInput(lasting, ones);
      const error = () => {
        const x = curve(rows * columns);
        const up = noise(rows * columns, 2);
        kernel.setInput(x, up).run();
        const exact = Float64Array.from(x, (value, i) => activation.exact(value) * up[i]!);
        const distance = relativeError(kernel.result, exact);
        kernel.setInput(lasting, ones);
        return distance;
      };
      return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
    },
  };
}

/** Where the activation bends: [-8, 8). */
function curve(count: number): Float32Array {
  return noise(count, 1).map((value) => 8 * value);
}

/** What the activation leaves as it is. */
function lastingInput(count: number, { large }: Activation): Float32Array {
  return noise(count, 1).map((value) => large + 1 + value);
}
