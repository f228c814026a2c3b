// quantizeModel: from a file of floats to a smaller one. Tensors are read, encoded and written piece by piece: the model is never in
// memory as a whole. While this thread reads and writes, workers encode the next pieces.

import { stat } from "node:fs/promises";
import { GgufError, UnsupportedError } from "../errors.js";
import { type Gguf, GgufWriter, openGguf, printable, type TensorTypeName } from "../gguf/index.js";
import { mostThreads, usableCpus } from "../machine/cpu/threads.js";
import { cpuTopology } from "../machine/cpu/topology.js";
import { compileKernels } from "../machine/kernels.js";
import {
  checkCallback,
  checkChoice,
  checkInteger,
  checkSignal,
  checkText,
  invalidOption,
  namesOf,
  optionsOf,
} from "../options.js";
import { EncoderPool } from "./encoder-pool.js";
import { type FileType, type FileTypeName, fileTypes, floatTypes, quantizedType } from "./file-types.js";
import { encodedPieces, weightsOf } from "./pieces.js";

/** How to quantize a file. */
export interface QuantizeOptions {
  /** The type of the new file: see `fileTypes`. */
  readonly type: FileTypeName;
  /** Workers that encode. Default: the processors that this process may use. */
  readonly threads?: number;
  /** Called with the fraction of the weights that are done, 0 to 1, after each piece. */
  readonly onProgress?: (fraction: number) => void;
  /** Ends the work: `quantizeModel` then rejects with the signal's reason, and leaves no file. */
  readonly signal?: AbortSignal;
}

const optionNames = namesOf<QuantizeOptions>({ type: true, threads: true, onProgress: true, signal: true });

/** What a quantised file is. */
export interface QuantizeSummary {
  /** Bytes of the file that was read (all its parts), and of the one that was written. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Weights, all tensors together. */
  readonly parameters: number;
  /** Bits of tensor data for each weight. */
  readonly bitsPerWeight: number;
  /** How many tensors have which type. */
  readonly tensors: ReadonlyMap<TensorTypeName, number>;
}

/** GGML_QNT_VERSION: which meaning the block formats have. */
const QUANTIZATION_VERSION = 2;

/**
 * Writes the model at `inputPath` (of a split one, its first part) to one file at `outputPath`, its matrices as `options.type` says and
 * everything else as it is. A file that exists is replaced once the new one is complete.
 *
 * @throws GgufError when the input is not a well-formed model, or has a weight that is not finite or beyond what its type can hold;
 * UnsupportedError when it is quantised already; FileError; CriaError INVALID_OPTION; WorkerError; the signal's reason
 */
export async function quantizeModel(
  inputPath: string,
  outputPath: string,
  given: QuantizeOptions,
): Promise<QuantizeSummary> {
  checkText("inputPath", inputPath, 1);
  checkText("outputPath", outputPath, 1);
  const options = optionsOf("quantizeModel", given, optionNames);
  const type = checkChoice(
    "type",
    options.type,
    fileTypes.map(({ name }) => name),
  );
  const fileType = fileTypes.find(({ name }) => name === type)!;
  const machine = await cpuTopology();
  const threads = checkInteger("threads", options.threads ?? usableCpus(machine), 1, mostThreads(machine));
  const { signal, onProgress } = options;
  checkCallback("onProgress", onProgress);
  checkSignal(signal);
  signal?.throwIfAborted();
  const gguf = await openGguf(inputPath);
  try {
    checkModel(gguf);
    await checkOutput(gguf, outputPath);
    const writer = layOut(gguf, fileType);
    const { module } = await compileKernels();
    const pool = await EncoderPool.start(threads, module);
    try {
      const total = parameters(gguf);
      let done = 0;
      await writer.writeFile(outputPath, async function* ({ name, type }) {
        const tensor = gguf.tensor(name)!;
        for await (const { bytes, weights } of encodedPieces(gguf, tensor, type, pool)) {
          signal?.throwIfAborted();
          yield bytes;
          done += weights;
          onProgress?.(done / total);
        }
      });
    } finally {
      await pool.close();
    }
    return summary(gguf, writer);
  } finally {
    await gguf.close();
  }
}

function checkModel(gguf: Gguf): void {
  if (!gguf.hasData) throw new GgufError("GGUF_NO_DATA", "the file has a header and no tensor data");
}

/** The output must not be the input, under any name, and must be a file where it exists. */
async function checkOutput(gguf: Gguf, path: string): Promise<void> {
  const output = await stat(path, { bigint: true }).catch(() => undefined);
  if (output === undefined) return;
  if (!output.isFile()) throw invalidOption("outputPath", "a file, or a name that is free", path);
  for (const part of gguf.parts) {
    const input = await stat(part.path!, { bigint: true });
    if (input.dev === output.dev && input.ino === output.ino)
      throw invalidOption("outputPath", "another file than the input", path);
  }
}

/** The new file's metadata and tensor directory. */
function layOut(gguf: Gguf, fileType: FileType): GgufWriter {
  const writer = new GgufWriter();
  for (const [key, value] of gguf.metadata) {
    if (!key.startsWith("split.")) writer.set(key, gguf.metadata.typeOf(key)!, value);
  }
  writer.set("general.file_type", "uint32", fileType.id);
  writer.set("general.quantization_version", "uint32", QUANTIZATION_VERSION);
  const model = {
    layers: gguf.metadata.getNumber(`${architecture(gguf)}.block_count`) ?? 0,
    tied: gguf.tensor("output.weight") === undefined,
    experts: gguf.metadata.getNumber(`${architecture(gguf)}.expert_count`) ?? 0,
  };
  for (const { name, type, shape } of gguf.tensors) {
    const wanted = quantizedType(fileType, name, shape, model) ?? type;
    if (wanted !== type && !floatTypes.includes(type)) {
      throw new UnsupportedError(
        "UNSUPPORTED_FORMAT",
        `tensor "${printable(name)}" is ${type}: a quantised tensor is not quantised again; supported: ${floatTypes.join(", ")}`,
      );
    }
    writer.addTensor(name, wanted, shape);
  }
  return writer;
}

function architecture(gguf: Gguf): string {
  return gguf.metadata.getString("general.architecture") ?? "";
}

function parameters(gguf: Gguf): number {
  return gguf.tensors.reduce((sum, { shape }) => sum + weightsOf(shape), 0);
}

function summary(gguf: Gguf, writer: GgufWriter): QuantizeSummary {
  const count = parameters(gguf);
  const tensors = new Map<TensorTypeName, number>();
  for (const { type } of writer.tensors) tensors.set(type, (tensors.get(type) ?? 0) + 1);
  return {
    inputBytes: gguf.parts.reduce((sum, { size }) => sum + size, 0),
    outputBytes: writer.size,
    parameters: count,
    bitsPerWeight: (8 * writer.tensors.reduce((sum, { bytes }) => sum + bytes, 0)) / count,
    tensors,
  };
}
