// Files of vectors: what is written reads back, by NumPy's format; what is damaged or of another kind is refused.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { loadVectors, saveVectors } from "cria";
import { expect, it } from "vitest";
import fc from "../support/fast-check.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
const vectors = [
  [1, -2.5, 3e-38],
  [0, 0.1, 3e38],
].map((vector) => Float32Array.from(vector));

/** A file with this header, written as NumPy writes it, and these bytes after it. */
function npy(header: string, data: Uint8Array, { version = 1, align = 64 } = {}): Uint8Array {
  const before = version === 1 ? 10 : 12;
  const size = Math.ceil((before + header.length + 1) / align) * align - before;
  const bytes = new Uint8Array(before + size + data.length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, size & 0xff, size >> 8]);
  bytes.set(new TextEncoder().encode(`${header.padEnd(size - 1)}\n`), before);
  bytes.set(data, before + size);
  return bytes;
}
const headerOf = (shape: string, type = "<f4", order = "False") =>
  `{'descr': '${type}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
const data = new Uint8Array(Float32Array.from(vectors.flatMap((vector) => [...vector])).buffer);

it("has NumPy's bytes, and reads back from a path, a URL and bytes", async () => {
  const path = join(folder.path("."), "saved.npy");
  await saveVectors(path, vectors);
  const bytes = readFileSync(path);
  expect(new Uint8Array(bytes)).toEqual(npy(headerOf("(2, 3)"), data));
  expect((bytes.length - data.length) % 64).toBe(0);
  for (const source of [path, pathToFileURL(path), new Uint8Array(bytes)]) {
    expect(await loadVectors(source)).toEqual(vectors);
  }
  await saveVectors(pathToFileURL(path), []);
  expect(await loadVectors(path)).toEqual([]);
  expect(readdirSync(folder.path(".")).filter((name) => name.includes("partial"))).toEqual([]);
});

it("many vectors, in more than one piece", async () => {
  const path = join(folder.path("."), "many.npy");
  const many = Array.from({ length: 3000 }, (_, i) => Float32Array.from({ length: 257 }, (_, d) => i - d / 8));
  await saveVectors(path, many);
  expect(await loadVectors(path)).toEqual(many);
});

it("reads what others write: versions 2 and 3, double quotes, another order, another alignment", async () => {
  const files = [
    npy(headerOf("(2, 3)"), data, { version: 2 }),
    npy(headerOf("(2, 3)"), data, { version: 3 }),
    npy(headerOf("(2, 3)"), data, { align: 1 }),
    npy('{"shape": (2,3), "fortran_order": False, "descr": "<f4"}', data),
  ];
  for (const file of files) expect(await loadVectors(file)).toEqual(vectors);
});

const nan = Uint8Array.from(data);
nan.set([0, 0, 0xc0, 0x7f], 16);
const good = npy(headerOf("(2, 3)"), data);

it.each([
  ["nothing", new Uint8Array(0), "VECTORS_CORRUPT", /does not begin as a file of NumPy's does/],
  ["something else", new TextEncoder().encode("GGUF and so on, and so on"), "VECTORS_CORRUPT", /does not begin/],
  ["an end in the header", good.slice(0, 40), "VECTORS_CORRUPT", /ends within its header/],
  ["an end in the data", good.slice(0, -1), "VECTORS_CORRUPT", /2 vectors of 3 take 24 bytes, and it has 23/],
  ["more data", npy(headerOf("(2, 2)"), data), "VECTORS_CORRUPT", /take 16 bytes, and it has 24/],
  ["a count past all bounds", npy(headerOf("(999999999999999, 999999999999999)"), data), "VECTORS_CORRUPT", /take/],
  ["a longer number", npy(headerOf("(9999999999999999, 1)"), data), "VECTORS_CORRUPT", /its shape is/],
  ["vectors of nothing", npy(headerOf("(5, 0)"), new Uint8Array(0)), "VECTORS_CORRUPT", /no elements/],
  ["no shape", npy("{'descr': '<f4', 'fortran_order': False}", data), "VECTORS_CORRUPT", /neither order nor shape/],
  ["an element that is not a number", npy(headerOf("(2, 3)"), nan), "VECTORS_CORRUPT", /vector 1 has an element/],
  ["float64", npy(headerOf("(1, 3)", "<f8"), data), "UNSUPPORTED_VECTORS", /elements of type <f8/],
  ["big endian", npy(headerOf("(2, 3)", ">f4"), data), "UNSUPPORTED_VECTORS", /elements of type >f4/],
  ["records", npy(headerOf("(2,)").replace("'<f4'", "[('a', '<f4')]"), data), "UNSUPPORTED_VECTORS", /type/],
  ["columns", npy(headerOf("(2, 3)", "<f4", "True"), data), "UNSUPPORTED_VECTORS", /order of columns/],
  ["one dimension", npy(headerOf("(6,)"), data), "UNSUPPORTED_VECTORS", /1 dimensions/],
  ["three dimensions", npy(headerOf("(1, 2, 3)"), data), "UNSUPPORTED_VECTORS", /3 dimensions/],
  [
    "a header longer than any",
    npy(`${headerOf("(2, 3)")}${" ".repeat(12_000)}`, data),
    "VECTORS_CORRUPT",
    /its header has/,
  ],
  ["version 9", npy(headerOf("(2, 3)"), data, { version: 9 }), "UNSUPPORTED_VECTORS", /version 9/],
])("refuses %s", async (_, bytes, code, message) => {
  await expect(loadVectors(bytes)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

it("whatever the bytes are, gives whole vectors or one typed error", async () => {
  const change = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255) });
  const damaged = fc.record({ changes: fc.array(change, { maxLength: 4 }), length: fc.nat(good.length + 8) });
  await fc.assert(
    fc.asyncProperty(damaged, async ({ changes, length }) => {
      const bytes = new Uint8Array(length);
      bytes.set(good.subarray(0, length));
      for (const { at, byte } of changes) if (at < length) bytes[at] = byte;
      try {
        const read = await loadVectors(bytes);
        expect(new Set(read.map((vector) => vector.length)).size).toBeLessThanOrEqual(1);
        expect(read.every((vector) => vector.every(Number.isFinite))).toBe(true);
      } catch (error) {
        expect(["VECTORS_CORRUPT", "UNSUPPORTED_VECTORS"]).toContain((error as { code?: string }).code);
      }
    }),
    { numRuns: 500 },
  );
});

it.each([
  ["no array", "ab", /^vectors must be an array of Float32Array/],
  ["plain arrays", [[1, 2]], /^vectors\[0\] must be a Float32Array/],
  ["nothing in them", [new Float32Array(0)], /^vectors\[0\] must be a Float32Array of at least one element/],
  [
    "different dimensions",
    [new Float32Array(2), new Float32Array(3)],
    /^vectors\[1\] must be a vector of 2 numbers, not of 3/,
  ],
  ["what is not finite", [Float32Array.of(Number.NaN)], /^vectors\[0\] must be a vector of finite numbers/],
])("does not write %s, and leaves the file as it was", async (_, given, message) => {
  const path = join(folder.path("."), "kept.npy");
  writeFileSync(path, good);
  const refused = { code: "INVALID_OPTION", message: expect.stringMatching(message) };
  await expect(saveVectors(path, given as never)).rejects.toMatchObject(refused);
  expect(await loadVectors(path)).toEqual(vectors);
});

it("tells what the file system refuses", async () => {
  const missing = join(folder.path("."), "no", "such.npy");
  await expect(loadVectors(missing)).rejects.toMatchObject({ code: "FILE_NOT_FOUND", path: missing });
  await expect(saveVectors(missing, vectors)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  await expect(loadVectors(5 as never)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  await expect(saveVectors(undefined as never, vectors)).rejects.toMatchObject({ code: "INVALID_OPTION" });
});
