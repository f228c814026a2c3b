// What is done to weights beside multiplying them, as it is measured: some rows of Llama-3.2-1B's width, which stay in the caches as the
// pieces do in which a file is loaded.

import { GROUP_ROWS } from "#abi";
import { type KernelRow, noise, sampled, shareOf } from "./case.js";
import { relativeError } from "./exact.js";

const someRows = {
  dimensions: ["rows", "columns"],
  formats: (lab) => lab.formats.map(({ name }) => name),
  shapes: () => [[64, 2048]],
  peak: () => undefined,
} as const satisfies Partial<KernelRow>;

// Bit for bit what the format means: the tests hold it to that, so no error is shown.
export const dequantize: KernelRow = {
  ...someRows,
  check: (lab, format, [, columns = 0]) => void lab.dequantize({ format, columns }),
  share: shareOf(0),
  prepare: (lab, format, [rows = 1, columns = 0]) => {
    const kernel = lab.dequantize({ format, rows, columns }).setWeights(lab.randomWeights(format, rows, columns));
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0 };
  },
};

// The error of packing and unpacking is that of the bytes that come back: 0.
export const pack: KernelRow = {
  ...someRows,
  check: (lab, format, [, columns = 0]) => void lab.pack({ format, columns }),
  share: shareOf(0, GROUP_ROWS),
  prepare: (lab, format, [rows = 1, columns = 0]) => {
    const weights = lab.randomWeights(format, rows, columns);
    const kernel = lab.pack({ format, rows, columns }).setWeights(weights);
    const error = () => {
      const back = lab.unpack({ format, rows, columns }).setPacked(kernel.result);
      back.run();
      return relativeError(back.result, weights);
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};

export const unpack: KernelRow = {
  ...someRows,
  check: (lab, format, [, columns = 0]) => void lab.unpack({ format, columns }),
  share: shareOf(0, GROUP_ROWS),
  prepare: (lab, format, [rows = 1, columns = 0]) => {
    const weights = lab.randomWeights(format, rows, columns);
    const packed = lab.pack({ format, rows, columns }).setWeights(weights);
    packed.run();
    const kernel = lab.unpack({ format, rows, columns }).setPacked(packed.result);
    const error = () => relativeError(kernel.result, weights);
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};

// Its error is what the format loses of numbers that are spread evenly.
export const quantize: KernelRow = {
  ...someRows,
  formats: (lab) => lab.formats.filter(({ largest }) => largest > 0).map(({ name }) => name),
  check: (lab, format, [, columns = 0]) => void lab.quantize({ format, columns }),
  share: shareOf(0),
  prepare: (lab, format, [rows = 1, columns = 0]) => {
    const x = noise(rows * columns, 1);
    const kernel = lab.quantize({ format, rows, columns }).setInput(x);
    const error = () => {
      const { result } = kernel;
      const rowBytes = result.length / rows;
      const meaning = lab.dequantize({ format, columns });
      const chosen = sampled(rows);
      const ours = chosen.flatMap((row) => {
        meaning.setWeights(result.subarray(row * rowBytes, (row + 1) * rowBytes)).run();
        return [...meaning.result];
      });
      return relativeError(
        ours,
        chosen.flatMap((row) => [...x.subarray(row * columns, (row + 1) * columns)]),
      );
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};
