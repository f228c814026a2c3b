// The LoRA adapters that a caller gives: their files, and what they add, as numbers.

import { giveWay } from "../../event-loop.js";
import { type GgufTensor, openGguf, tensorTypeByName } from "../../gguf/index.js";
import { downloadModel, isRemote } from "../../hub/index.js";
import { instantiateKernels, type KernelModule, type Kernels } from "../../machine/kernels.js";
import { allocateBuffer, allocateMemory, SharedMemory, WASM_PAGE } from "../../machine/shared-memory.js";
import type { AdaptedMatrix, Lora, LoraTerm } from "../../model/plan/lora.js";
import { checkArray, checkNumber, groupOf, invalidOption, namesOf } from "../../options.js";
import type { LoadOptions, LoraOptions } from "./load-options.js";

/** Scales are within minus and plus this. */
const LARGEST_SCALE = 1e6;

const optionNames = namesOf<LoraOptions>({ path: true, scale: true });

/** The option `lora`: a copy of it. */
export function checkLora(given: unknown): readonly Required<LoraOptions>[] {
  if (given === undefined) return [];
  return checkArray("lora", given, "objects { path, scale }", (name, item) => {
    const { path, scale = 1 } = groupOf<LoraOptions>(name, item, optionNames);
    if (path === undefined) throw invalidOption(`${name}.path`, "the path of a GGUF file", path);
    return { path, scale: checkNumber(`${name}.scale`, scale, -LARGEST_SCALE, LARGEST_SCALE) };
  });
}

/** Opens adapters, those from the network after they were brought. The caller closes them. */
export async function openLoras(
  given: readonly Required<LoraOptions>[],
  { offline, onDownload, signal }: LoadOptions,
): Promise<readonly Lora[]> {
  const loras: Lora[] = [];
  try {
    for (const { path, scale } of given) {
      const local = isRemote(path) ? await downloadModel(path, { offline, onProgress: onDownload, signal }) : path;
      loras.push({ gguf: await openGguf(local), scale });
    }
  } catch (error) {
    await closeLoras(loras);
    throw error;
  }
  return loras;
}

export async function closeLoras(loras: readonly Lora[]): Promise<void> {
  await Promise.all(loras.map(({ gguf }) => gguf.close()));
}

/** Elements that are dequantised at once: whole blocks of all formats. */
const PIECE = 65536;

// The memory in which that is done: a job | a piece as it is in the file | the piece as F32.
const JOB = 1024;
const SOURCE = JOB + 64;
const VALUES = SOURCE + PIECE * 4;

/** A and B of all matrices in F32, at their offsets in a buffer of `bytes` bytes. undefined: there are none. */
export async function readLora(
  { matrices, bytes }: { readonly matrices: readonly AdaptedMatrix[]; readonly bytes: number },
  kernels: KernelModule,
): Promise<ArrayBufferLike | undefined> {
  if (matrices.length === 0) return undefined;
  const buffer = allocateBuffer(bytes, "LoRA adapters");
  const dequantiser = new Dequantiser(kernels);
  for (const { terms, a, b } of matrices) {
    const [toA, toB] = [a, b].map(({ offset, rows, columns }) => new Float32Array(buffer, offset, rows * columns));
    let first = 0; // row of A and column of B
    for (const term of terms) {
      await giveWay();
      toA!.set(await dequantiser.read(term, term.a), first * a.columns);
      const values = await dequantiser.read(term, term.b);
      for (let row = 0; row < b.rows; row++) {
        for (let i = 0; i < term.rank; i++) {
          toB![row * b.columns + first + i] = values[row * term.rank + i]! * term.scale;
        }
      }
      first += term.rank;
    }
  }
  return buffer;
}

/** Reads tensors as 32-bit floats, by the kernels. */
class Dequantiser {
  readonly #memory: SharedMemory;
  readonly #kernels: Kernels;

  constructor({ module }: KernelModule) {
    const memory = allocateMemory(Math.ceil((VALUES + PIECE * 4) / WASM_PAGE), "LoRA adapters");
    this.#memory = new SharedMemory(memory);
    this.#kernels = instantiateKernels(module, memory);
  }

  async read({ gguf }: LoraTerm, tensor: GgufTensor): Promise<Float32Array> {
    const { id, blockSize, blockBytes } = tensorTypeByName(tensor.type)!;
    const bytes = await gguf.readTensor(tensor);
    const count = tensor.shape.reduce((product, n) => product * n, 1);
    const values = new Float32Array(count);
    for (let first = 0; first < count; first += PIECE) {
      const elements = Math.min(PIECE, count - first);
      const from = (first / blockSize) * blockBytes;
      this.#memory.bytes.set(bytes.subarray(from, from + (elements / blockSize) * blockBytes), SOURCE);
      this.#kernels.dequantizeRow(id, SOURCE, elements, VALUES, JOB);
      values.set(this.#memory.floats(VALUES, elements), first);
    }
    return values;
  }
}
