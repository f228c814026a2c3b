// Matmul as it is measured: one token from weights in the caches, one token from weights in memory, and a prefill chunk.

import { GROUP_ROWS } from "#abi";
import { type ActivationName, rowBytes, type WeightFormat } from "../kernels/formats.js";
import { type KernelRow, noise, type PeakName, sampled, shareOf } from "./case.js";
import { exactRow, relativeError } from "./exact.js";

const COLUMNS = 2048;
const PREFILL_TOKENS = 128;

const peaks: Readonly<Record<ActivationName, PeakName>> = {
  f32: "f32",
  q8_32: "int8",
  centred_q8_32: "int8",
  q8_256: "int8",
  q16_32: "int16",
};

/** How a format multiplies. */
export function peakOf({ activation }: WeightFormat): PeakName {
  return peaks[activation];
}

export const matmul: KernelRow = {
  dimensions: ["rows", "columns", "tokens"],
  formats: (lab) => lab.formats.map(({ name }) => name),
  shapes: (lab, format, { cachedBytes, streamedBytes }) => {
    const groupBytes = GROUP_ROWS * rowBytes(lab.format(format), COLUMNS);
    const rowsOf = (bytes: number) => Math.max(1, Math.ceil(bytes / groupBytes)) * GROUP_ROWS;
    return [
      [rowsOf(cachedBytes), COLUMNS, 1],
      [rowsOf(streamedBytes), COLUMNS, 1],
      [COLUMNS, COLUMNS, PREFILL_TOKENS],
    ];
  },
  check: (lab, format, [, columns = 0, tokens]) => void lab.matmul({ format, rows: 1, columns, tokens }),
  share: shareOf(0, GROUP_ROWS),
  peak: (lab, format) => peakOf(lab.format(format)),
  prepare: (lab, format, [rows = 0, columns = 0, tokens = 1]) => {
    const weights = lab.randomWeights(format, rows, columns);
    const x = noise(tokens * columns, 1);
    const kernel = lab.matmul({ format, rows, columns, tokens }).setWeights(weights).setActivations(x);
    const bytes = rowBytes(kernel.format, columns);
    // Copies: a large matrix need not stay for the sake of a few rows.
    const rowsKept = sampled(rows).map((row) => ({ row, weights: weights.slice(row * bytes, (row + 1) * bytes) }));
    const error = () => {
      const { result } = kernel;
      const meaning = lab.dequantize({ format, columns });
      const exact = rowsKept.flatMap(({ weights }) => {
        meaning.setWeights(weights).run();
        return exactRow(meaning.result, x);
      });
      const ours = rowsKept.flatMap(({ row }) => Array.from({ length: tokens }, (_, t) => result[t * rows + row]!));
      return relativeError(ours, exact);
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: kernel.operations, error };
  },
};
