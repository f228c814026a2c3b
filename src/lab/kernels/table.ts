// The kernels: one row each, in the order in which they are measured.

import { attention } from "./attention.js";
import { shortConvolution } from "./convolution.js";
import type { KernelRow } from "./declaration.js";
import { deltaRule } from "./delta-rule.js";
import { dequantize } from "./dequantize.js";
import { addBias, addBiasRows, scale } from "./elementwise.js";
import { encode } from "./encode.js";
import { addWeightedRows, chooseExperts } from "./experts.js";
import { clampedSwiGlu, geGlu, gelu, geluRows, sigmoid, sigmoidGate, softcap, swiGlu } from "./gates.js";
import { peak, read } from "./limits.js";
import { matmul } from "./matmul.js";
import { meanRows } from "./mean.js";
import { mergeAttention } from "./merge-attention.js";
import { layerNorm, rmsNorm } from "./norm.js";
import { pack, unpack } from "./pack.js";
import { quantize } from "./quantize.js";
import { rope, ropeHalves } from "./rope.js";
import { ropeTable } from "./rope-table.js";
import { siluConvolution } from "./silu-convolution.js";
import { storeKv } from "./store-kv.js";
import { textAttention } from "./text-attention.js";

/** How each kernel is measured. Rows that callers may prepare, too, have a method of `KernelLab`. */
export const kernelRows = {
  read,
  peak,
  matmul,
  attention,
  mergeAttention,
  textAttention,
  storeKv,
  shortConvolution,
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
  clampedSwiGlu,
  geGlu,
  gelu,
  geluRows,
  sigmoid,
  softcap,
  sigmoidGate,
  addBias,
  addBiasRows,
  scale,
  chooseExperts,
  addWeightedRows,
  siluConvolution,
  deltaRule,
} as const satisfies Readonly<Record<string, KernelRow>>;

/** The name of a measured kernel. */
export type KernelName = keyof typeof kernelRows;

/** The names of all measured kernels. */
export const kernelNames = Object.keys(kernelRows) as readonly KernelName[];

/** One kernel, in one format, of one shape. It survives JSON. */
export interface KernelCase {
  readonly kernel: KernelName;
  readonly format: string;
  readonly shape: readonly number[];
}
