// Writes GGUF files: metadata and the tensor directory are collected, then laid out; the tensor data is streamed, so a file
// may be larger than memory.
//
//   const writer = new GgufWriter();
//   writer.set("general.architecture", "string", "llama");
//   writer.addTensor("token_embd.weight", "F32", [64, 512]);
//   await writer.writeFile("model.gguf", (tensor) => bytesOf(tensor.name));

import { GgufError, printable } from "../errors.js";
import { localPath, NewFile } from "../files.js";
import { ByteBuilder, encodeEntry, type GgufInput, utf8 } from "./encode-values.js";
import {
  DEFAULT_ALIGNMENT,
  type HeaderTensor,
  isAlignment,
  LARGEST_ALIGNMENT,
  LONGEST_KEY,
  LONGEST_TENSOR_NAME,
  MOST_DIMENSIONS,
  padded,
} from "./header.js";
import { type TensorTypeName, tensorBytes, tensorTypeByName } from "./tensor-types.js";
import type { GgufType } from "./values.js";

const ALIGNMENT_KEY = "general.alignment";

/** The data of one tensor: at once, or in pieces, in order. */
export type TensorData = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

interface Layout {
  readonly header: Uint8Array<ArrayBuffer>;
  readonly tensors: readonly HeaderTensor[];
  readonly size: number;
}

/** Writes a GGUF file: keys and tensors first, then the bytes of each tensor. */
export class GgufWriter {
  readonly #version: number;
  readonly #entries = new Map<string, { readonly type: GgufType; readonly encoded: Uint8Array }>();
  readonly #tensors = new Map<string, Omit<HeaderTensor, "offset">>();
  #alignment = DEFAULT_ALIGNMENT;

  /** `alignment` sets general.alignment (a power of two; files without it have 32); `version` is 3 by default. */
  constructor({ alignment, version = 3 }: { readonly alignment?: number; readonly version?: 2 | 3 } = {}) {
    this.#version = version;
    if (alignment !== undefined) this.set(ALIGNMENT_KEY, "uint32", alignment);
  }

  /**
   * Sets a key, in place of an earlier value of it. Arrays are typed arrays, plain arrays or a StringTable; an array of arrays
   * ("array[]") is [{ type, value }]. Throws GgufError where the value is not of the type.
   */
  set(key: string, type: GgufType, value: GgufInput): this {
    checkName(key, LONGEST_KEY, "GGUF_KEY", "a key");
    if (key === ALIGNMENT_KEY) {
      if (type !== "uint32" || typeof value !== "number" || !isAlignment(value)) {
        throw new GgufError("GGUF_ALIGNMENT", `expected a uint32 power of two from 1 to ${LARGEST_ALIGNMENT}`, {
          subject: key,
        });
      }
      this.#alignment = value;
    }
    const encoded = new ByteBuilder();
    encodeEntry(encoded, key, type, value);
    this.#entries.set(key, { type, encoded: encoded.finish() });
    return this;
  }

  /** Adds a tensor after those before it; `shape` in GGUF's order, the row length first. `bytes`, if given, is checked. */
  addTensor(name: string, type: TensorTypeName, shape: readonly number[], bytes?: number): this {
    const subject = printable(name);
    checkName(name, LONGEST_TENSOR_NAME, "GGUF_TENSOR_NAME", "a tensor's name");
    if (this.#tensors.has(name)) throw new GgufError("GGUF_TENSOR_NAME", "this tensor occurs twice", { subject });
    const tensorType = tensorTypeByName(type);
    if (tensorType === undefined) {
      throw new GgufError("GGUF_TENSOR_TYPE", `${printable(type)} is not a tensor type`, { subject });
    }
    if (shape.length > MOST_DIMENSIONS || !shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
      throw new GgufError("GGUF_TENSOR_SHAPE", `shape (${shape.join(", ")}) is not possible`, { subject });
    }
    const actual = tensorBytes(tensorType, shape);
    if (typeof actual !== "number") throw new GgufError("GGUF_TENSOR_SHAPE", actual.reason, { subject });
    if (bytes !== undefined && bytes !== actual) {
      throw new GgufError("GGUF_TENSOR_SHAPE", `${type} of (${shape.join(", ")}) takes ${actual} bytes, not ${bytes}`, {
        subject,
      });
    }
    this.#tensors.set(name, { name, type, shape: [...shape], bytes: actual });
    return this;
  }

  /** Everything before the first tensor's data, padding included. */
  header(): Uint8Array<ArrayBuffer> {
    return this.#layout().header;
  }

  /** The tensors with their byte offsets in the file; after each comes padding to the next one or to `size`. */
  get tensors(): readonly HeaderTensor[] {
    return this.#layout().tensors;
  }

  /** Bytes of the whole file, padding included. */
  get size(): number {
    return this.#layout().size;
  }

  /** The whole file, piece by piece. Throws GgufError where a tensor's data is not as long as it must be. */
  async *chunks(data: (tensor: HeaderTensor) => TensorData | Promise<TensorData>): AsyncGenerator<Uint8Array> {
    const { header, tensors, size } = this.#layout();
    yield header;
    for (const [index, tensor] of tensors.entries()) {
      let written = 0;
      for await (const piece of pieces(await data(tensor))) {
        written += piece.length;
        if (written > tensor.bytes) break;
        yield piece;
      }
      if (written !== tensor.bytes) {
        const amount = written > tensor.bytes ? "more" : `${written}`;
        throw new GgufError("GGUF_TENSOR_SIZE", `expected ${tensor.bytes} bytes of data, got ${amount}`, {
          subject: printable(tensor.name),
        });
      }
      const next = tensors[index + 1]?.offset ?? size;
      yield new Uint8Array(next - tensor.offset - tensor.bytes);
    }
  }

  /** The whole file in memory. `data` has the bytes of each tensor by name. */
  async toBytes(data: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
    const file = new Uint8Array(this.size);
    let position = 0;
    for await (const chunk of this.chunks(({ name }) => data.get(name) ?? new Uint8Array(0))) {
      file.set(chunk, position);
      position += chunk.length;
    }
    return file;
  }

  /**
   * Writes the file to `path`, asking for each tensor's data when it is its turn. A file that exists is replaced once the new one is
   * complete; a new one that fails is removed.
   *
   * @throws FileError, GgufError GGUF_TENSOR_SIZE, or what `data` throws
   */
  async writeFile(path: string, data: (tensor: HeaderTensor) => TensorData | Promise<TensorData>): Promise<void> {
    const file = await NewFile.create(await localPath("path", path));
    try {
      for await (const chunk of this.chunks(data)) await file.write(chunk);
      await file.finish();
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  #layout(): Layout {
    const alignment = this.#alignment;
    const out = new ByteBuilder();
    out.append(new Uint8Array([0x47, 0x47, 0x55, 0x46]));
    out.uint32(this.#version);
    out.uint64(this.#tensors.size);
    out.uint64(this.#entries.size);
    for (const [key, { encoded }] of this.#entries) {
      out.string(utf8(key, key));
      out.append(encoded);
    }
    let dataOffset = 0;
    const offsets: number[] = [];
    for (const { name, type, shape, bytes } of this.#tensors.values()) {
      out.string(utf8(name, name));
      out.uint32(shape.length);
      for (const n of shape) out.uint64(n);
      out.uint32(tensorTypeByName(type)!.id);
      out.uint64(dataOffset);
      offsets.push(dataOffset);
      dataOffset = padded(dataOffset + bytes, alignment);
      if (dataOffset > Number.MAX_SAFE_INTEGER - LARGEST_ALIGNMENT) {
        throw new GgufError("GGUF_TENSOR_OFFSET", "the sizes of the tensors add up to more than 2^53 - 1 bytes", {
          subject: printable(name),
        });
      }
    }
    if (this.#tensors.size > 0) out.reserve(padded(out.length, alignment) - out.length);
    const header = out.finish();
    const tensors = [...this.#tensors.values()].map((tensor, index) => {
      return { ...tensor, offset: header.length + offsets[index]! };
    });
    return { header, tensors, size: header.length + dataOffset };
  }
}

function pieces(data: TensorData): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  return data instanceof Uint8Array ? [data] : data;
}

function checkName(name: string, longest: number, code: string, what: string): void {
  const bytes = utf8(name, name).length;
  if (bytes > 0 && bytes <= longest && !name.includes("\0")) return;
  throw new GgufError(code, `${what} has 1 to ${longest} bytes and no NUL; this one has ${bytes}`, {
    subject: printable(name),
  });
}
