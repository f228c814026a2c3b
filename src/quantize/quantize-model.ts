// quantizeModel: from a file of floats to a smaller one. Tensors are read, encoded and written piece by piece: the model is never in
// memory as a whole. While this thread reads and writes, workers encode the next pieces.

import { stat } from "node:fs/promises";
import { GgufError, UnsupportedError } from "../errors.js";
import { type Gguf, GgufWriter, openGguf, printable, type TensorTypeName, tensorTypeByName } from "../gguf/index.js";
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
import { type FileType, type FileTypeName, fileTypes, floatTypes, type TypeChoice, typeChoice } from "./file-types.js";
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
  /** Tensors whose rows do not fit the blocks of the type that they should have: what they have instead. */
  readonly fallbacks: readonly QuantizeFallback[];
}

/** Tensors that share a fallback. */
export interface QuantizeFallback {
  readonly wanted: TensorTypeName;
  readonly type: TensorTypeName;
  readonly tensors: number;
  /** The lengths of their rows, of which none is a multiple of the block size of `wanted`. */
  readonly rowLengths: readonly number[];
  /** Bytes that they take beyond what they would take in the wanted type. */
  readonly extraBytes: number;
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
    const { writer, fallbacks } = layOut(gguf, fileType);
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
    return { ...summary(gguf, writer), fallbacks };
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
function layOut(gguf: Gguf, fileType: FileType) {
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
  const fallen: (TypeChoice & { shape: readonly number[] })[] = [];
  for (const { name, type, shape } of gguf.tensors) {
    const choice = typeChoice(fileType, name, shape, model) ?? { wanted: type, type };
    if (choice.type !== type && !floatTypes.includes(type)) {
      throw new UnsupportedError(
        "UNSUPPORTED_FORMAT",
        `tensor "${printable(name)}" is ${type}: a quantised tensor is not quantised again; supported: ${floatTypes.join(", ")}`,
      );
    }
    writer.addTensor(name, choice.type, shape);
    if (choice.type !== choice.wanted) fallen.push({ ...choice, shape });
  }
  return { writer, fallbacks: fallbacksOf(fallen) };
}

/** Sums up tensors by what they fall back from and to. */
function fallbacksOf(fallen: readonly (TypeChoice & { readonly shape: readonly number[] })[]): QuantizeFallback[] {
  const kinds = new Map<string, QuantizeFallback>();
  for (const { wanted, type, shape } of fallen) {
    const kind = `${wanted} ${type}`;
    const { tensors = 0, rowLengths = [], extraBytes = 0 } = kinds.get(kind) ?? {};
    const extra = weightsOf(shape) * (bytesPerWeight(type) - bytesPerWeight(wanted));
    kinds.set(kind, {
      ...{ wanted, type, tensors: tensors + 1 },
      rowLengths: [...new Set([...rowLengths, shape[0]!])].sort((a, b) => a - b),
      extraBytes: extraBytes + Math.round(extra),
    });
  }
  return [...kinds.values()];
}

function bytesPerWeight(name: TensorTypeName): number {
  const { blockBytes, blockSize } = tensorTypeByName(name)!;
  return blockBytes / blockSize;
}

function architecture(gguf: Gguf): string {
  return gguf.metadata.getString("general.architecture") ?? "";
}

function parameters(gguf: Gguf): number {
  return gguf.tensors.reduce((sum, { shape }) => sum + weightsOf(shape), 0);
}

function summary(gguf: Gguf, writer: GgufWriter): Omit<QuantizeSummary, "fallbacks"> {
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
