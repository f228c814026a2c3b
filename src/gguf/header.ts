// Reads what comes before the tensor data, and checks that the data is where the header says.
//
//   "GGUF" | version u32 | tensors u64 | pairs u64
//   pairs:    key string | value type u32 | value
//   tensors:  name string | dimensions u32 | ne0 u64, ne1 ... | tensor type u32 | offset u64 from the data's start
//   padding to general.alignment
//   data:     tensor 0 | padding | tensor 1 | padding | ...
//
// As in ggml, each tensor begins where the one before it, padded, ends: there are no gaps and no overlaps.
// Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

import { printable } from "../errors.js";
import { likelyMistake } from "./magic.js";
import { type GgufEntry, GgufMetadata } from "./metadata.js";
import { MOST_INNER_ARRAYS, readEntry } from "./read-values.js";
import type { Source } from "./source.js";
import { removedTensorTypes, type TensorTypeName, tensorBytes, tensorTypeById, tensorTypes } from "./tensor-types.js";
import { amount, HeaderWindow } from "./window.js";

/** The default of general.alignment. */
export const DEFAULT_ALIGNMENT = 32;
/** No data needs a larger alignment than a huge page; the specification sets no limit. */
export const LARGEST_ALIGNMENT = 2 ** 24;
/** Bytes that a key may have (specification). */
export const LONGEST_KEY = 65535;
/** Bytes that a tensor's name may have (GGML_MAX_NAME less its NUL). */
export const LONGEST_TENSOR_NAME = 63;
/** Dimensions that a tensor may have (GGML_MAX_DIMS). */
export const MOST_DIMENSIONS = 4;

const MAGIC = [0x47, 0x47, 0x55, 0x46];
const FIXED_BYTES = 24;
// A key of one byte (8 + 1), a type (4) and a value of one byte.
const LEAST_PAIR_BYTES = 14;
// A name of one byte (8 + 1), no dimensions (4), a type (4) and an offset (8).
const LEAST_TENSOR_BYTES = 25;

// Each pair and each tensor becomes an object, larger than its bytes. The largest known models have a few thousand tensors.
const MOST_PAIRS = 2 ** 16;
const MOST_TENSORS = 2 ** 18;

/** A tensor as one file's header describes it. */
export interface HeaderTensor {
  readonly name: string;
  readonly type: TensorTypeName;
  readonly shape: readonly number[];
  /** Byte offset in the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** The header of one file. */
export interface Header {
  readonly version: number;
  readonly metadata: GgufMetadata;
  readonly tensors: readonly HeaderTensor[];
  readonly alignment: number;
  /** Byte offset at which the tensor data begins, or would. */
  readonly dataOffset: number;
  /** False where the file ends exactly at `dataOffset`, though its tensors have bytes: a header published by itself. */
  readonly hasData: boolean;
}

interface TensorRecord extends Omit<HeaderTensor, "offset"> {
  /** From the data's start; may be beyond 2^53, then rounded. */
  readonly dataOffset: number;
  /** Where in the file it says so. */
  readonly saidAt: number;
}

/** Reads and checks the header of a source. Throws GgufError. */
export async function readHeader(source: Source, windowBytes: number): Promise<Header> {
  const window = new HeaderWindow(source, windowBytes);
  await checkMagic(source, window);
  const version = await readVersion(window);
  const tensorCount = await window.uint64("the number of tensors");
  const pairCount = await window.uint64("the number of key-value pairs");
  window.expect(
    pairCount * LEAST_PAIR_BYTES + tensorCount * LEAST_TENSOR_BYTES,
    `a header of ${amount(pairCount)} key-value pairs and ${amount(tensorCount)} tensors`,
  );
  if (pairCount > MOST_PAIRS || tensorCount > MOST_TENSORS) {
    const [pairs, tensors] = [amount(pairCount), amount(tensorCount)];
    throw window.fail(
      "GGUF_LIMIT",
      `${pairs} key-value pairs and ${tensors} tensors, at most ${MOST_PAIRS} and ${MOST_TENSORS} are read`,
    );
  }
  const metadata = await readMetadata(window, pairCount);
  const alignment = readAlignment(window, metadata);
  const records: TensorRecord[] = [];
  const names = new Set<string>();
  for (let index = 0; index < tensorCount; index++) records.push(await readTensor(window, index, names));
  const dataOffset = tensorCount === 0 ? window.position : padded(window.position, alignment);
  const { tensors, hasData } = placeTensors(source, window, records, alignment, dataOffset);
  return { version, metadata, tensors, alignment, dataOffset, hasData };
}

/** `size` rounded up to a multiple of `alignment`, without 32-bit arithmetic. */
export function padded(size: number, alignment: number): number {
  return Math.ceil(size / alignment) * alignment;
}

async function checkMagic(source: Source, window: HeaderWindow): Promise<void> {
  if (source.size === 0) throw window.fail("GGUF_TRUNCATED", "the file is empty");
  const start = new Uint8Array(Math.min(source.size, FIXED_BYTES));
  await source.read(0, start);
  if (!MAGIC.every((byte, index) => start[index] === byte || index >= start.length)) {
    throw window.fail("GGUF_MAGIC", `not a GGUF file: ${likelyMistake(start)}`);
  }
  if (start.length < FIXED_BYTES) window.expect(FIXED_BYTES, "the fixed part of the header");
  await window.field(4, "the magic");
}

async function readVersion(window: HeaderWindow): Promise<number> {
  const offset = window.position;
  const version = await window.uint32("the version");
  if (version === 2 || version === 3) return version;
  if (version !== 0 && version % 2 ** 16 === 0) {
    throw window.fail("GGUF_BIG_ENDIAN", `version ${version}: this file is big-endian, which is not supported`, offset);
  }
  const advice = version === 1 ? ": convert the model again" : "";
  throw window.fail("GGUF_VERSION", `version ${version} is not supported, only 2 and 3 are${advice}`, offset);
}

async function readMetadata(window: HeaderWindow, count: number): Promise<GgufMetadata> {
  const entries = new Map<string, GgufEntry>();
  const budget = { innerArrays: MOST_INNER_ARRAYS };
  for (let index = 0; index < count; index++) {
    const offset = window.position;
    window.subject = undefined;
    const key = await window.name(`key ${index} of ${count}`, LONGEST_KEY, "GGUF_KEY");
    window.subject = printable(key);
    if (entries.has(key)) throw window.fail("GGUF_KEY", "this key occurs twice", offset);
    entries.set(key, await readEntry(window, budget));
  }
  window.subject = undefined;
  return new GgufMetadata(entries);
}

function readAlignment(window: HeaderWindow, metadata: GgufMetadata): number {
  const key = "general.alignment";
  const alignment = metadata.get(key) ?? DEFAULT_ALIGNMENT;
  const type = metadata.typeOf(key) ?? "uint32";
  window.subject = key;
  if (type !== "uint32" || typeof alignment !== "number") {
    throw window.fail("GGUF_ALIGNMENT", `expected a uint32, the file has ${type}`);
  }
  if (!isAlignment(alignment)) {
    throw window.fail("GGUF_ALIGNMENT", `${alignment} is not a power of two from 1 to ${LARGEST_ALIGNMENT}`);
  }
  window.subject = undefined;
  return alignment;
}

/** Whether tensor data may be aligned so. */
export function isAlignment(value: number): boolean {
  return value >= 1 && value <= LARGEST_ALIGNMENT && Number.isInteger(Math.log2(value));
}

async function readTensor(window: HeaderWindow, index: number, names: Set<string>): Promise<TensorRecord> {
  let offset = window.position;
  window.subject = undefined;
  const name = await window.name(`the name of tensor ${index}`, LONGEST_TENSOR_NAME, "GGUF_TENSOR_NAME");
  window.subject = printable(name);
  if (names.has(name)) throw window.fail("GGUF_TENSOR_NAME", "this tensor occurs twice", offset);
  names.add(name);

  offset = window.position;
  const dimensions = await window.uint32("the number of dimensions");
  if (dimensions > MOST_DIMENSIONS) {
    throw window.fail("GGUF_TENSOR_SHAPE", `${dimensions} dimensions, at most ${MOST_DIMENSIONS} are allowed`, offset);
  }
  const shape: number[] = [];
  for (let dimension = 0; dimension < dimensions; dimension++) {
    const n = await window.uint64(`dimension ${dimension}`);
    if (n > Number.MAX_SAFE_INTEGER) {
      throw window.fail("GGUF_TENSOR_SHAPE", `dimension ${dimension} is beyond 2^53 - 1`, window.position - 8);
    }
    shape.push(n);
  }

  const number = await window.uint32("the tensor type");
  const type = tensorTypeById(number);
  if (type === undefined) {
    const removed = removedTensorTypes.get(number);
    const why =
      removed === undefined
        ? `is unknown; the newest known one is ${tensorTypes.at(-1)!.id}`
        : `(${removed}) was removed from ggml: convert the model again`;
    throw window.fail("GGUF_TENSOR_TYPE", `tensor type ${number} ${why}`, window.position - 4);
  }
  const bytes = tensorBytes(type, shape);
  if (typeof bytes !== "number") throw window.fail("GGUF_TENSOR_SHAPE", bytes.reason, offset);
  const saidAt = window.position;
  return { name, type: type.name, shape, bytes, dataOffset: await window.uint64("the offset"), saidAt };
}

// Holds each offset to the running sum of the padded sizes, and the sum to the bytes that are there.
function placeTensors(
  source: Source,
  window: HeaderWindow,
  records: readonly TensorRecord[],
  alignment: number,
  dataOffset: number,
): Pick<Header, "tensors" | "hasData"> {
  window.subject = undefined;
  if (dataOffset > source.size) {
    throw window.fail(
      "GGUF_TRUNCATED",
      `the file is cut off: the tensor data begins at ${dataOffset}, the file has ${source.size} bytes`,
    );
  }
  const total = records.reduce((sum, { bytes }) => sum + bytes, 0);
  const hasData = total === 0 || source.size > dataOffset;
  let end = dataOffset;
  const tensors = records.map(({ name, type, shape, bytes, dataOffset: said, saidAt }) => {
    window.subject = printable(name);
    const offset = padded(end, alignment);
    if (said !== offset - dataOffset) {
      throw window.fail("GGUF_TENSOR_OFFSET", `offset ${amount(said)}, expected ${offset - dataOffset}`, saidAt);
    }
    end = offset + bytes;
    if (padded(end, alignment) > Number.MAX_SAFE_INTEGER - alignment) {
      throw window.fail("GGUF_TENSOR_OFFSET", "the sizes of the tensors add up to more than 2^53 - 1 bytes", saidAt);
    }
    if (hasData && end > source.size) {
      throw window.fail(
        "GGUF_TRUNCATED",
        `the file is cut off: ${bytes} bytes at ${offset} end at ${end}, the file has ${source.size}`,
        saidAt,
      );
    }
    return { name, type, shape, offset, bytes };
  });
  // The padding after the last tensor may be left out; where it was begun, the file has been cut.
  if (hasData && source.size > end && source.size < padded(end, alignment)) {
    throw window.fail(
      "GGUF_TRUNCATED",
      `the file is cut off: it ends at ${source.size}, inside the padding to ${padded(end, alignment)}`,
      source.size,
    );
  }
  return { tensors, hasData };
}
