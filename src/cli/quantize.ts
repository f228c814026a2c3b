// cria quantize: makes a smaller model.

import { printable, tensorTypeByName } from "../gguf/index.js";
import { type FileTypeName, fileTypes, type QuantizeSummary, quantizeModel } from "../quantize/index.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { mebibytes } from "./mebibytes.js";
import { localPath, offlineOption } from "./model-source.js";
import { progressBar } from "./progress-bar.js";

const names = fileTypes.map(({ name }) => name).join(" ");

export const quantize = command({
  usage: "[options] in.gguf out.gguf TYPE",
  about: `Makes a smaller model from one whose weights are floats (F32, F16, BF16). Of a split model, name the first part. Types, the
largest first: ${names}.
Which matrices get which type is llama.cpp's choice. stdout gets the sizes and the bits per weight.`,
  options: {
    ...offlineOption,
    threads: {
      flags: ["-t", "--threads"],
      type: "number",
      value: "N",
      help: "workers that encode (default: the processors that this process may use)",
    },
  },
  async run({ threads, offline }, positionals) {
    const [input, output, type, ...more] = positionals;
    if (input === undefined || output === undefined || type === undefined || more.length > 0) {
      throw new UsageError(
        `quantize takes in.gguf, out.gguf and one of ${names}; arguments given: ${positionals.length}`,
      );
    }
    const summary = await interruptible(async (signal) => {
      const path = await localPath(input, offline, signal);
      const bar = progressBar(path, "quantising");
      const options = { type: type.toUpperCase() as FileTypeName, threads, signal, onProgress: bar.show };
      return quantizeModel(path, output, options).finally(bar.clear);
    });
    const types = [...summary.tensors].map(([name, count]) => `${count} ${name}`).join(", ");
    const lines = [
      `${printable(input)}: ${sizeOf(summary.inputBytes)}`,
      `${printable(output)}: ${sizeOf(summary.outputBytes)}, ${summary.bitsPerWeight.toFixed(2)} bits per weight: ${types}`,
      ...fallbackLines(summary),
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
  },
});

/** Which tensors could not have the type that they should, and what that costs. */
function fallbackLines({ fallbacks, outputBytes }: QuantizeSummary): string[] {
  if (fallbacks.length === 0) return [];
  const rows = fallbacks.map(({ wanted, type, tensors, rowLengths, extraBytes }) => {
    const { blockSize } = tensorTypeByName(wanted)!;
    const lengths = `${rowLengths.slice(0, 4).join(", ")}${rowLengths.length > 4 ? ", ..." : ""}`;
    const what = `${tensors} ${tensors === 1 ? "tensor" : "tensors"} ${type} in place of ${wanted}`;
    return `  ${what}: rows of ${lengths} are not a multiple of ${blockSize}; ${mebibytes(extraBytes)} more`;
  });
  const tensors = fallbacks.reduce((sum, fallback) => sum + fallback.tensors, 0);
  const bytes = fallbacks.reduce((sum, { extraBytes }) => sum + extraBytes, 0);
  const without = outputBytes - bytes;
  const share = `${mebibytes(bytes)} more than without, ${((100 * bytes) / without).toFixed(1)} %`;
  return [`fallback types: ${tensors} ${tensors === 1 ? "tensor" : "tensors"}, ${bytes} bytes (${share})`, ...rows];
}

function sizeOf(bytes: number): string {
  return `${bytes} bytes (${mebibytes(bytes)})`;
}
