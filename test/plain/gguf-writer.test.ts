// The writer: what it writes reads back equal, and it refuses what no file may hold.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Gguf,
  GgufError,
  type GgufInnerArray,
  type GgufScalarType,
  type GgufType,
  type GgufValue,
  GgufWriter,
  openGguf,
  StringTable,
  type TensorTypeName,
  tensorTypes,
} from "cria/gguf";
import { afterAll, describe, expect, it } from "vitest";
import { withFullDisk } from "../support/disks.js";
import fc from "../support/fast-check.js";
import { hasReferenceData, referenceData } from "../support/reference-data.js";

const folder = mkdtempSync(join(tmpdir(), "cria-writer-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Model {
  readonly version: 2 | 3;
  readonly alignment: number | undefined;
  readonly pairs: readonly { readonly key: string; readonly type: GgufType; readonly value: GgufValue }[];
  readonly tensors: readonly {
    readonly name: string;
    readonly type: TensorTypeName;
    readonly shape: readonly number[];
  }[];
  readonly seed: number;
}

const integers = (bits: number, signed: boolean) => {
  const [min, max] = signed ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n] : [0n, 2n ** BigInt(bits) - 1n];
  return fc.bigInt({ min, max }).map((n) => (Number.isSafeInteger(Number(n)) ? Number(n) : n) as GgufValue);
};
const text = fc.string({ unit: "grapheme", maxLength: 40 });
const scalars: Readonly<Record<GgufScalarType, fc.Arbitrary<GgufValue>>> = {
  uint8: integers(8, false),
  int8: integers(8, true),
  uint16: integers(16, false),
  int16: integers(16, true),
  uint32: integers(32, false),
  int32: integers(32, true),
  uint64: integers(64, false),
  int64: integers(64, true),
  float32: fc.float(),
  float64: fc.double(),
  bool: fc.boolean(),
  string: text,
};
const arrays: Readonly<Record<GgufScalarType, fc.Arbitrary<GgufInnerArray["value"]>>> = {
  uint8: fc.uint8Array(),
  int8: fc.int8Array(),
  uint16: fc.uint16Array(),
  int16: fc.int16Array(),
  uint32: fc.uint32Array(),
  int32: fc.int32Array(),
  uint64: fc.bigUint64Array(),
  int64: fc.bigInt64Array(),
  float32: fc.float32Array(),
  float64: fc.float64Array(),
  bool: fc.array(fc.constantFrom(0, 1)).map((bits) => Uint8Array.from(bits)),
  string: fc.array(text, { maxLength: 30 }).map((strings) => StringTable.from(strings)),
};
const scalarNames = Object.keys(scalars) as GgufScalarType[];
const flatArray = fc.constantFrom(...scalarNames).chain((type) => {
  return arrays[type].map((value): GgufInnerArray => ({ type: `${type}[]`, value }));
});
const nestedArray = fc.array(flatArray, { maxLength: 4 }).map((value): GgufInnerArray => ({ type: "array[]", value }));
const entry: fc.Arbitrary<{ type: GgufType; value: GgufValue }> = fc.oneof(
  fc.constantFrom(...scalarNames).chain((type) => scalars[type].map((value) => ({ type, value }))),
  flatArray,
  nestedArray,
  fc.array(nestedArray, { maxLength: 2 }).map((value) => ({ type: "array[]" as const, value })),
);
const name = (longest: number) => {
  return fc
    .oneof(fc.string({ minLength: 1, maxLength: 15, unit: "grapheme" }), fc.constantFrom("__proto__", "constructor"))
    .filter((value) => !value.includes("\0") && Buffer.byteLength(value) <= longest);
};
const tensorRecord = fc
  .tuple(name(63), fc.constantFrom(...tensorTypes), fc.array(fc.nat(3), { maxLength: 3 }), fc.nat(2))
  .map(([tensorName, type, rest, blocks]) => {
    return { name: tensorName, type: type.name, shape: [blocks * type.blockSize, ...rest] };
  });
const model: fc.Arbitrary<Model> = fc.record({
  version: fc.constantFrom(2 as const, 3 as const),
  alignment: fc.constantFrom(undefined, 1, 2, 8, 32, 64, 256),
  pairs: fc.uniqueArray(
    fc.tuple(name(65535), entry).map(([key, value]) => ({ key, ...value })),
    {
      selector: ({ key }) => key,
      maxLength: 8,
    },
  ),
  tensors: fc.uniqueArray(tensorRecord, { selector: (tensor) => tensor.name, maxLength: 5 }),
  seed: fc.nat(255),
});

async function write({ version, alignment, pairs, tensors, seed }: Model) {
  const writer = new GgufWriter({ version, alignment });
  for (const { key, type, value } of pairs) writer.set(key, type, value);
  for (const tensor of tensors) writer.addTensor(tensor.name, tensor.type, tensor.shape);
  const data = new Map(
    writer.tensors.map(({ name, bytes }, index) => [name, new Uint8Array(bytes).fill(seed + index)]),
  );
  return { writer, data, bytes: await writer.toBytes(data) };
}

/** Everything that a model holds, comparable. String tables are given as bytes, because their buffers may be larger. */
async function contents(gguf: Gguf) {
  return {
    version: gguf.version,
    alignment: gguf.alignment,
    pairs: [...gguf.metadata].map(([key, value]) => ({ key, type: gguf.metadata.typeOf(key), value })),
    tensors: gguf.tensors,
    data: gguf.hasData ? await Promise.all(gguf.tensors.map((tensor) => gguf.readTensor(tensor))) : [],
  };
}

describe("properties", () => {
  it("parse(write(x)) = x", async () => {
    await fc.assert(
      fc.asyncProperty(model, async (x) => {
        const { writer, data, bytes } = await write(x);
        const gguf = await openGguf(bytes);
        const read = await contents(gguf);
        const pairs = read.pairs.filter(({ key }) => key !== "general.alignment");
        expect(pairs).toEqual(x.pairs.filter(({ key }) => key !== "general.alignment"));
        expect(read.version).toBe(x.version);
        expect(read.alignment).toBe(x.alignment ?? 32);
        expect(gguf.tensors).toEqual(writer.tensors.map((tensor) => ({ ...tensor, part: 0 })));
        expect(gguf.tensors.map(({ name, type, shape }) => ({ name, type, shape }))).toEqual(x.tensors);
        for (const tensor of gguf.tensors) expect(await gguf.readTensor(tensor)).toEqual(data.get(tensor.name));
      }),
      { numRuns: 300 },
    );
  });

  it("every window gives the same", async () => {
    await fc.assert(
      fc.asyncProperty(model, fc.constantFrom(1, 9, 64), async (x, windowBytes) => {
        const { bytes } = await write(x);
        const narrow = await contents(await openGguf(bytes, { windowBytes }));
        expect(narrow).toEqual(await contents(await openGguf(new Blob([bytes]))));
      }),
      { numRuns: 100 },
    );
  });

  it("every truncation is an error, or exactly a header, or lacks exactly the last padding", async () => {
    await fc.assert(
      fc.asyncProperty(model, async (x) => {
        const { writer, bytes } = await write(x);
        const last = writer.tensors.at(-1);
        const header = writer.header().length;
        const whole = new Set([header, last === undefined ? header : last.offset + last.bytes]);
        for (let length = 0; length < bytes.length; length++) {
          if (length > 3000 && length < bytes.length - 600) continue;
          const opened = await openGguf(bytes.subarray(0, length)).catch((error: unknown) => error);
          if (whole.has(length)) expect(opened).not.toBeInstanceOf(Error);
          else expect(opened).toBeInstanceOf(GgufError);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("every flipped bit is an error or stays in bounds", async () => {
    await fc.assert(
      fc.asyncProperty(model, fc.nat(), async (x, position) => {
        const { writer, bytes } = await write(x);
        const bit = position % (writer.header().length * 8);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        try {
          const gguf = await openGguf(bytes);
          for (const tensor of gguf.hasData ? gguf.tensors : []) {
            expect(tensor.offset + tensor.bytes).toBeLessThanOrEqual(bytes.length);
            expect((await gguf.readTensor(tensor)).length).toBe(tensor.bytes);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(GgufError);
          expect((error as GgufError).message).not.toMatch(/\p{Cc}/u);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("random bytes after a good start are an error or stay in bounds", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(3), fc.nat(3), async (tail, tensors, pairs) => {
        const start = [0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0, tensors, 0, 0, 0, 0, 0, 0, 0, pairs, 0, 0, 0, 0, 0, 0, 0];
        const opened = await openGguf(Uint8Array.from([...start, ...tail])).catch((error: unknown) => error);
        if (opened instanceof Error) expect(opened).toBeInstanceOf(GgufError);
        else expect((opened as Gguf).metadata.size).toBe(pairs);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("the writer", () => {
  it("streams a file to disk, and asks for each tensor in turn", async () => {
    const path = join(folder, "streamed.gguf");
    const writer = new GgufWriter({ alignment: 64 }).addTensor("a", "F32", [3]).addTensor("b", "Q8_0", [64], 68);
    const asked: string[] = [];
    await writer.writeFile(path, async function* ({ name, bytes }) {
      asked.push(name);
      for (let done = 0; done < bytes; done += 4) yield new Uint8Array(4).fill(name.charCodeAt(0));
    });
    expect(asked).toEqual(["a", "b"]);
    expect(readFileSync(path).length).toBe(writer.size);
    const gguf = await openGguf(path);
    expect(await gguf.readTensor(gguf.tensor("b")!)).toEqual(new Uint8Array(68).fill(98));
    expect(gguf.tensors.every(({ offset }) => offset % 64 === 0)).toBe(true);
    await gguf.close();
  });

  it.each([0, 11, 13])("refuses %i bytes for a tensor of 12, and leaves no file", async (bytes) => {
    const path = join(folder, "wrong.gguf");
    const writer = new GgufWriter().addTensor("a", "F32", [3]);
    const written = writer.writeFile(path, () => [new Uint8Array(bytes)]);
    await expect(written).rejects.toMatchObject({ code: "GGUF_TENSOR_SIZE", subject: "a" });
    expect(existsSync(path)).toBe(false);
    await expect(writer.toBytes(new Map([["a", new Uint8Array(bytes)]]))).rejects.toThrow(GgufError);
  });

  it("replaces a file only by a whole one", async () => {
    const path = join(folder, "replaced.gguf");
    const writer = new GgufWriter().addTensor("a", "F32", [3]);
    writeFileSync(path, "a file that was there");
    const names = readdirSync(folder);
    await expect(writer.writeFile(path, () => [new Uint8Array(11)])).rejects.toMatchObject({
      code: "GGUF_TENSOR_SIZE",
    });
    const reason = new Error("no data");
    await expect(writer.writeFile(path, () => Promise.reject(reason))).rejects.toBe(reason);
    for (const bytes of [10, 200]) {
      const writing = withFullDisk(bytes, () =>
        new GgufWriter().addTensor("a", "F32", [300]).writeFile(path, () => new Uint8Array(1200)),
      );
      await expect(writing).rejects.toMatchObject({ name: "FileError", code: "FILE_NO_SPACE", path });
    }
    expect(readFileSync(path, "utf8")).toBe("a file that was there");
    expect(readdirSync(folder)).toEqual(names);
    await writer.writeFile(path, () => new Uint8Array(12));
    expect(readFileSync(path).length).toBe(writer.size);
    expect(readdirSync(folder)).toEqual(names);
    await expect(writer.writeFile(5 as unknown as string, () => [])).rejects.toMatchObject({ code: "INVALID_OPTION" });
    await expect(writer.writeFile(folder, () => [])).rejects.toMatchObject({
      name: "FileError",
      code: "FILE_NOT_A_FILE",
    });
  });

  it("takes plain arrays, and replaces a key that is set again", async () => {
    const writer = new GgufWriter()
      .set("k", "uint8", 1)
      .set("strings", "string[]", ["a", "b"])
      .set("numbers", "int32[]", [1, -1])
      .set("flags", "bool[]", [true, false])
      .set("k", "float32[]", Float32Array.of(0.5));
    const { metadata } = await openGguf(await writer.toBytes(new Map()));
    expect([...metadata.keys()]).toEqual(["k", "strings", "numbers", "flags"]);
    expect(metadata.get("k")).toEqual(Float32Array.of(0.5));
    expect([...metadata.getStrings("strings")!]).toEqual(["a", "b"]);
    expect(metadata.get("numbers")).toEqual(Int32Array.of(1, -1));
    expect(metadata.get("flags")).toEqual(Uint8Array.of(1, 0));
  });

  it.each<[GgufType, unknown]>([
    ["uint8", 256],
    ["uint8", -1],
    ["int8", 128],
    ["int8", -129],
    ["uint32", 1.5],
    ["uint32", 2 ** 32],
    ["int64", 2n ** 63n],
    ["uint64", -1n],
    ["uint64", 2 ** 53],
    ["int32", "1"],
    ["float32", 1n],
    ["bool", 1],
    ["string", 5],
    ["string", "\ud800"],
    ["int32[]", 5],
    ["int32[]", [2 ** 31]],
    ["string[]", [1]],
    ["array[]", [1]],
    ["array[]", Int32Array.of(1)],
    ["uint7" as GgufType, 1],
    ["uint7[]" as GgufType, [1]],
  ])("refuses as %s: %s", (type, value) => {
    expect(() => new GgufWriter().set("k", type, value as GgufValue)).toThrow(
      expect.objectContaining({ code: "GGUF_METADATA_TYPE", subject: "k" }),
    );
  });

  it("refuses names, shapes and alignments that no reader takes", () => {
    const writer = new GgufWriter().addTensor("a", "F32", [1]);
    for (const key of ["", "a\0", "k".repeat(65536), "\udc00"]) {
      expect(() => writer.set(key, "uint8", 1)).toThrow(GgufError);
    }
    for (const tensorName of ["", "a", "n".repeat(64), "\u00e9".repeat(32)]) {
      expect(() => writer.addTensor(tensorName, "F32", [1])).toThrow(GgufError);
    }
    expect(() => writer.addTensor("b", "Q4_2" as TensorTypeName, [32])).toThrow(/Q4_2 is not a tensor type/);
    expect(() => writer.addTensor("b", "Q4_0", [33])).toThrow(/not a multiple/);
    expect(() => writer.addTensor("b", "F32", [1, 1, 1, 1, 1])).toThrow(GgufError);
    expect(() => writer.addTensor("b", "F32", [-1])).toThrow(GgufError);
    expect(() => writer.addTensor("b", "F32", [1], 5)).toThrow(/takes 4 bytes, not 5/);
    for (const alignment of [0, 3, 2 ** 31, -8]) expect(() => new GgufWriter({ alignment })).toThrow(GgufError);
    for (const each of ["b", "c", "d"]) writer.addTensor(each, "F32", [2 ** 50]);
    expect(() => writer.size).toThrow(/more than 2\^53/);
  });

  it.skipIf(!hasReferenceData).each(["micro/Q4_0.gguf", "tokenizers/ggml-vocab-bert-bge.gguf"])(
    "writes %s back byte for byte",
    async (model) => {
      const original = readFileSync(referenceData(model));
      const gguf = await openGguf(original);
      const writer = new GgufWriter({ version: gguf.version as 2 | 3 });
      for (const [key, value] of gguf.metadata) writer.set(key, gguf.metadata.typeOf(key)!, value);
      for (const { name, type, shape, bytes } of gguf.tensors) writer.addTensor(name, type, shape, bytes);
      const data = new Map<string, Uint8Array>();
      for (const tensor of gguf.tensors) data.set(tensor.name, await gguf.readTensor(tensor));
      const written = await writer.toBytes(data);
      expect(Buffer.compare(written, original.subarray(0, written.length))).toBe(0);
      expect(original.length - written.length).toBeLessThan(gguf.alignment);
    },
  );
});
