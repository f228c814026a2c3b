// The weight formats that the kernels multiply, as the kernels themselves describe them.

import {
  ACTIVATION_CENTRED_Q8_32,
  ACTIVATION_F32,
  ACTIVATION_NONE,
  ACTIVATION_Q8_32,
  ACTIVATION_Q8_256,
  ACTIVATION_Q16_32,
} from "#abi";
import { UnsupportedError } from "../../errors.js";
import { tensorTypes } from "../../gguf/index.js";
import type { Kernels } from "../../machine/kernels.js";
import { checkMultiple } from "./buffers.js";

/** How activations are encoded for a format's inner product: assembly/activations draws them. */
export type ActivationName = keyof typeof activationKinds;

export const activationKinds = {
  f32: ACTIVATION_F32,
  q8_32: ACTIVATION_Q8_32,
  centred_q8_32: ACTIVATION_CENTRED_Q8_32,
  q8_256: ACTIVATION_Q8_256,
  q16_32: ACTIVATION_Q16_32,
} as const;

/** A weight format. */
export interface WeightFormat {
  /** ggml's name, such as "Q4_K". */
  readonly name: string;
  /** ggml's type number. */
  readonly type: number;
  /** Weights in one block: the columns of a matrix are a multiple of it. */
  readonly blockWeights: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
  readonly activation: ActivationName;
  /** The largest magnitude that its encoder takes; 0: it has no encoder. */
  readonly largest: number;
}

/** The formats that have kernels. */
export function listFormats(kernels: Kernels): readonly WeightFormat[] {
  const names = Object.keys(activationKinds) as ActivationName[];
  return tensorTypes.flatMap(({ id, name, blockSize, blockBytes }) => {
    const kind = kernels.formatActivation(id);
    if (kind === ACTIVATION_NONE) return [];
    const activation = names.find((one) => activationKinds[one] === kind)!;
    const largest = kernels.formatLargest(id);
    return [{ name, type: id, blockWeights: blockSize, blockBytes, activation, largest }];
  });
}

/** @throws UnsupportedError for a name that is not among them */
export function findFormat(formats: readonly WeightFormat[], name: string): WeightFormat {
  const format = formats.find((one) => one.name === name);
  if (format !== undefined) return format;
  const known = formats.map((one) => one.name).join(", ");
  throw new UnsupportedError("UNSUPPORTED_FORMAT", `no kernels for the format "${name}"; supported: ${known}`);
}

/** @throws CriaError INVALID_SHAPE when rows of so many columns are not whole blocks */
export function rowBytes({ name, blockWeights, blockBytes }: WeightFormat, columns: number): number {
  checkMultiple("columns", columns, blockWeights, `, the weights of one block of ${name}`);
  return (columns / blockWeights) * blockBytes;
}
