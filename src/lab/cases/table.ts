// The kernels that can be measured: one row each.

import { attention } from "./attention.js";
import type { KernelRow } from "./case.js";
import { addBias, scale } from "./elementwise.js";
import { encode } from "./encode.js";
import { geGlu, gelu, swiGlu } from "./gates.js";
import { peak, read } from "./limits.js";
import { matmul } from "./matmul.js";
import { meanRows } from "./mean.js";
import { layerNorm, rmsNorm } from "./norm.js";
import { rope, ropeHalves, ropeTable } from "./rope.js";
import { storeKv } from "./store-kv.js";
import { dequantize, pack, quantize, unpack } from "./weights.js";

/** How each kernel is measured. */
export const kernelRows = {
  read,
  peak,
  matmul,
  attention,
  storeKv,
  encode,
  dequantize,
  quantize,
  pack,
  unpack,
  rmsNorm,
  layerNorm,
  meanRows,
  ropeTable,
  rope,
  ropeHalves,
  swiGlu,
  geGlu,
  gelu,
  addBias,
  scale,
} as const satisfies Readonly<Record<string, KernelRow>>;

/** The name of a kernel that the lab measures. */
export type KernelName = keyof typeof kernelRows;

/** All kernels that the lab measures. */
export const kernelNames = Object.keys(kernelRows) as readonly KernelName[];

/** One kernel, in one format, of one shape. It survives JSON. */
export interface KernelCase {
  readonly kernel: KernelName;
  readonly format: string;
  readonly shape: readonly number[];
}
