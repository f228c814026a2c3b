// Vectors in a file, in NumPy's format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. So `numpy.load` reads them
// too, and whatever else reads .npy. All numbers are little endian.
//
//   byte 0    6        7        8                        10 (12 in versions 2 and 3)       a multiple of 64
//        +--------+--------+--------+-------------------+--------------------------------+-------------------------------+
//        | \x93   | major  | minor  | bytes of the      | {'descr': '<f4',               | vector 0, vector 1, ...       |
//        | NUMPY  |   1    |   0    | header: uint16    |  'fortran_order': False,       | (vectors, dimensions) f32     |
//        |        |        |        | (2 and 3: uint32) |  'shape': (3, 256), } ... \n   |                               |
//        +--------+--------+--------+-------------------+--------------------------------+-------------------------------+

import { CriaError, printable, UnsupportedError } from "../../errors.js";
import { localPath, NewFile, readWholeFile } from "../../files.js";
import { checkArray, invalidOption, readable } from "../../options.js";

/** A file of vectors: its bytes, or its path or `file:` URL. */
export type VectorSource = Uint8Array | string | URL;

const MAGIC = [0x93, ...new TextEncoder().encode("NUMPY")];
const ALIGNMENT = 64;
/** Bytes of the longest header, as NumPy has it; that of two dimensions has some 120. */
const LONGEST_HEADER = 10_000;
/** Bytes of the largest file: what one ArrayBuffer holds on Node 20. */
const MOST_BYTES = 2 ** 32;
/** Bytes that are written at a time. */
const PIECE = 2 ** 20;
const DESCRIPTION = "little-endian float32, by rows, of two dimensions";

/**
 * Writes vectors to a file in NumPy's format (.npy): float32, (vectors, dimensions). The file takes its name when all of it is on the disk:
 * where writing fails, what was there before stays.
 *
 * @param vectors all of the same dimensions, as `model.embed` gives them; changes while they are written go into the file
 * @throws CriaError INVALID_OPTION; FileError
 */
export async function saveVectors(path: string | URL, vectors: readonly Float32Array[]): Promise<void> {
  const file = await localPath("path", path);
  const all = checkVectors(vectors);
  const dimensions = all[0]?.length ?? 0;
  const written = await NewFile.create(file);
  try {
    await written.write(headerOf(all.length, dimensions));
    const perPiece = Math.max(1, Math.floor(PIECE / (4 * Math.max(1, dimensions))));
    for (let from = 0; from < all.length; from += perPiece) {
      const rows = all.slice(from, from + perPiece);
      const piece = new Float32Array(rows.length * dimensions);
      for (const [i, row] of rows.entries()) piece.set(row, i * dimensions);
      await written.write(new Uint8Array(piece.buffer));
    }
    await written.finish();
  } catch (error) {
    await written.discard();
    throw error;
  }
}

/**
 * Reads vectors that `saveVectors` has written, or NumPy has: `numpy.save("x.npy", array.astype("<f4"))`. The file's size must be what its
 * header says, and every element a finite number.
 *
 * @returns the vectors, (dimensions) f32 each: parts of one buffer
 * @throws CriaError VECTORS_CORRUPT for what is not a whole file of vectors, UnsupportedError UNSUPPORTED_VECTORS for arrays of other
 * types or dimensions, FileError, CriaError INVALID_OPTION
 */
export async function loadVectors(source: VectorSource): Promise<Float32Array[]> {
  return vectorsIn(await bytesOf(source));
}

function checkVectors(vectors: unknown): readonly Float32Array[] {
  const all = checkArray("vectors", vectors, "Float32Array", (name, vector) => {
    return readable(name, vector, () => {
      if (vector instanceof Float32Array && vector.length > 0) return vector;
      throw invalidOption(name, "a Float32Array of at least one element", vector);
    });
  });
  for (const [i, vector] of all.entries()) {
    const name = `vectors[${i}]`;
    const { length } = all[0]!;
    if (vector.length !== length) {
      throw invalidOption(name, `a vector of ${length} numbers, not of ${vector.length}`, vector);
    }
    if (!vector.every(Number.isFinite)) throw invalidOption(name, "a vector of finite numbers", vector);
  }
  return all;
}

function headerOf(count: number, dimensions: number): Uint8Array {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${count}, ${dimensions}), }`;
  const before = MAGIC.length + 4;
  const size = Math.ceil((before + text.length + 1) / ALIGNMENT) * ALIGNMENT - before;
  const bytes = new Uint8Array(before + size);
  bytes.set([...MAGIC, 1, 0, size & 0xff, size >> 8]);
  bytes.set(new TextEncoder().encode(`${text.padEnd(size - 1)}\n`), before);
  return bytes;
}

function vectorsIn(bytes: Uint8Array<ArrayBuffer>): Float32Array[] {
  const { count, dimensions, start } = readHeader(bytes);
  const promised = count * dimensions * 4;
  if (bytes.length - start !== promised) {
    throw corrupt(`${count} vectors of ${dimensions} take ${promised} bytes, and it has ${bytes.length - start}`);
  }
  // A Float32Array begins at a multiple of 4; NumPy's data does, too, but not that of everybody.
  const values =
    start % 4 === 0
      ? new Float32Array(bytes.buffer, start, count * dimensions)
      : new Float32Array(bytes.slice(start).buffer);
  const bad = values.findIndex((element) => !Number.isFinite(element));
  if (bad !== -1) throw corrupt(`vector ${Math.floor(bad / dimensions)} has an element that is not a finite number`);
  return Array.from({ length: count }, (_, i) => values.subarray(i * dimensions, (i + 1) * dimensions));
}

/** What the header says, and where the data starts. */
function readHeader(bytes: Uint8Array): { count: number; dimensions: number; start: number } {
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw corrupt("it does not begin as a file of NumPy's does");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw unsupported(`version ${version} of NumPy's format`);
  const before = version === 1 ? 10 : 12;
  const size = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (size > LONGEST_HEADER) throw corrupt(`its header has ${size} bytes; at most ${LONGEST_HEADER} make sense`);
  if (before + size > bytes.length) throw corrupt("it ends within its header");
  const header = new TextDecoder().decode(bytes.subarray(before, before + size));
  const field = (name: string, value: string) => new RegExp(`['"]${name}['"]\\s*:\\s*${value}`).exec(header)?.[1];
  const type = field("descr", `['"]([^'"]*)['"]`);
  const byColumns = field("fortran_order", "(True|False)");
  const shape = field("shape", "\\(([^)]*)\\)");
  if (byColumns === undefined || shape === undefined) throw corrupt("its header says neither order nor shape");
  if (type !== "<f4") throw unsupported(`elements of type ${printable(type ?? "record", 40)}`);
  if (byColumns === "True") throw unsupported("elements in the order of columns");
  const sizes = shape.split(",").map((each) => each.trim());
  if (sizes.at(-1) === "") sizes.pop();
  if (sizes.some((each) => !/^\d{1,15}$/.test(each))) throw corrupt(`its shape is (${printable(shape, 40)})`);
  if (sizes.length !== 2) throw unsupported(`${sizes.length} dimensions`);
  const [count, dimensions] = sizes.map(Number) as [number, number];
  if (count > 0 && dimensions === 0) throw corrupt("its vectors have no elements");
  return { count, dimensions, start: before + size };
}

async function bytesOf(source: VectorSource): Promise<Uint8Array<ArrayBuffer>> {
  // A copy, because the vectors are parts of it.
  const bytes = readable("source", source, () => (source instanceof Uint8Array ? new Uint8Array(source) : undefined));
  if (bytes !== undefined) return bytes;
  if (typeof source !== "string" && !readable("source", source, () => source instanceof URL)) {
    throw invalidOption("source", "a Uint8Array, a path or a file: URL", source);
  }
  return readWholeFile(await localPath("source", source), MOST_BYTES, (bytes) => {
    return unsupported(`${bytes} bytes; at most ${MOST_BYTES} are read, so divide the vectors among several files`);
  });
}

function corrupt(problem: string): CriaError {
  return new CriaError("VECTORS_CORRUPT", `not a whole file of vectors (.npy): ${problem}`);
}

function unsupported(what: string): UnsupportedError {
  return new UnsupportedError("UNSUPPORTED_VECTORS", `the file of vectors has ${what}; supported: ${DESCRIPTION}`);
}
