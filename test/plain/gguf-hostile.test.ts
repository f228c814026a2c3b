// Hostile and mistaken bytes: each must give one GgufError with the right code, at the right place, and quickly.

import { GgufError, openGguf } from "cria/gguf";
import { describe, expect, it } from "vitest";
import {
  type Field,
  type FileFields,
  file,
  pair,
  type TensorFields,
  tensor,
  text,
  u32,
  u64,
} from "../support/gguf-bytes.js";

async function failure(bytes: Uint8Array): Promise<GgufError> {
  for (const source of [bytes, new Blob([bytes as Uint8Array<ArrayBuffer>])]) {
    const error = await openGguf(source).then(
      () => new Error("accepted"),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(GgufError);
    if (source !== bytes) return error as GgufError;
  }
  throw new Error("unreachable");
}

async function expectFailure(bytes: Uint8Array, code: string, message?: RegExp): Promise<GgufError> {
  const started = performance.now();
  const error = await failure(bytes);
  expect(performance.now() - started).toBeLessThan(1000);
  expect(error.code).toBe(code);
  expect(error.message).not.toMatch(/\p{Cc}/u);
  if (message !== undefined) expect(error.message).toMatch(message);
  return error;
}

const ascii = (value: string) => new TextEncoder().encode(value);

describe("the header", () => {
  it.each([0, 1, 3, 4, 7, 8, 23])("of %i bytes is truncated", async (length) => {
    await expectFailure(file().subarray(0, length), "GGUF_TRUNCATED");
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["one byte off", ascii("GGUX0000000000000000000000"), /47 47 55 58/],
    ["ggml", ascii("lmgg0000000000000000000000"), /old ggml file/],
    ["ggjt", ascii("tjgg0000000000000000000000"), /old ggml file/],
    ["GGLA", ascii("algg0000000000000000000000"), /old ggml file/],
    ["zip", ascii("PK\x03\x04000000000000000000000"), /zip/],
    ["safetensors", Uint8Array.from([200, 1, 0, 0, 0, 0, 0, 0, ...ascii('{"__metadata__":{}}')]), /safetensors/],
    ["an HTML page", ascii("<!DOCTYPE html><html><head>"), /HTML/],
    ["an HTML page after blanks", ascii("\n  <html lang=en><head></head>"), /HTML/],
    ["JSON", ascii('{"error":"Repository not found"}'), /JSON/],
    ["a Git LFS pointer", ascii("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), /Git LFS pointer/],
    ["three bytes", ascii("abc"), /61 62 63/],
  ])("of another format is named: %s", async (_, bytes, message) => {
    const error = await expectFailure(bytes, "GGUF_MAGIC", message);
    expect(error.offset).toBe(0);
  });

  it.each([0, 1, 4, 2 ** 31 + 3])("of version %i is refused", async (version) => {
    const error = await expectFailure(file({ version }), "GGUF_VERSION", new RegExp(`version ${version} `));
    expect(error.offset).toBe(4);
  });

  it.each([2 ** 24 * 3, 2 ** 24 * 2, 2 ** 31])("of version %i is said to be big-endian", async (version) => {
    await expectFailure(file({ version }), "GGUF_BIG_ENDIAN");
  });

  it.each([2n ** 64n - 1n, 2n ** 63n, 10n ** 9n, 3n])(
    "with a count of %i and no such items is truncated",
    async (count) => {
      await expectFailure(file({ tensorCount: count }), "GGUF_TRUNCATED", /tensors/);
      await expectFailure(file({ pairCount: count }), "GGUF_TRUNCATED", /key-value pairs/);
    },
  );

  it("whose counts are more than the bytes behind it can hold is refused before they are read", async () => {
    const bytes = new Uint8Array(1000);
    bytes.set(file({ tensorCount: 40 }));
    await expectFailure(bytes, "GGUF_TRUNCATED", /40 tensors/);
  });
});

describe("counts beyond any model, in files large enough for them", () => {
  const header = (tensorCount: number, pairCount: number, bytes: number) => {
    const large = new Uint8Array(bytes);
    large.set(file({ tensorCount, pairCount }));
    return large;
  };
  it("of tensors", () => expectFailure(header(300_000, 0, 8_000_000), "GGUF_LIMIT", /300000 tensors/));
  it("of pairs", () => expectFailure(header(0, 100_000, 2_000_000), "GGUF_LIMIT", /100000 key-value pairs/));
  it("of arrays in arrays", async () => {
    const bytes = new Uint8Array(1_000_000);
    bytes.set(file({ pairs: [pair("k", 9, u32(9), u64(70_000))] }));
    const error = await expectFailure(bytes, "GGUF_LIMIT", /more than 65536 arrays/);
    expect(error.subject).toBe("k");
  });
});

describe("keys", () => {
  const one: Field = [1];
  it.each<[string, Field, string]>([
    ["empty", pair("", 7, one, [0, 0]), "GGUF_KEY"],
    ["of 2^64 - 1 bytes", [...u64(2n ** 64n - 1n), ...ascii("key"), ...u32(7), 1], "GGUF_TRUNCATED"],
    ["one byte past the end", [...u64(11), ...ascii("0123456789")], "GGUF_TRUNCATED"],
    ["of 65536 bytes", pair("k".repeat(65536), 7, one), "GGUF_KEY"],
    ["that is not UTF-8", pair(Uint8Array.of(0x61, 0xff), 7, one), "GGUF_KEY"],
    ["with a NUL inside", pair("a\0b", 7, one), "GGUF_KEY"],
  ])("%s", async (_, bad, code) => {
    await expectFailure(file({ pairs: [bad] }), code);
  });

  it("that occur twice", async () => {
    const error = await expectFailure(file({ pairs: [pair("twice", 7, one), pair("twice", 7, one)] }), "GGUF_KEY");
    expect(error.subject).toBe("twice");
    expect(error.offset).toBe(24 + 8 + 5 + 4 + 1);
  });

  it("with control characters are escaped in the message", async () => {
    const error = await expectFailure(file({ pairs: [pair("a\n\u001b[31m\u202e", 99, one)] }), "GGUF_VALUE_TYPE");
    expect(error.message).toContain("a\\u{a}\\u{1b}[31m\\u{202e}");
  });

  it("with the names of object properties are plain keys", async () => {
    const names = ["__proto__", "constructor", "toString"];
    const { metadata } = await openGguf(file({ pairs: names.map((name) => pair(name, 4, u32(5))) }));
    expect([...metadata.keys()]).toEqual(names);
    expect(metadata.getNumber("__proto__")).toBe(5);
    expect(metadata.get("hasOwnProperty")).toBeUndefined();
  });

  it("of 65535 bytes are allowed", async () => {
    expect((await openGguf(file({ pairs: [pair("k".repeat(65535), 7, one)] }))).metadata.size).toBe(1);
  });
});

describe("values", () => {
  const nested = (depth: number): Field => {
    return [...Array.from({ length: depth }, () => [...u32(9), ...u64(1)]).flat(), ...u32(0), ...u64(0)];
  };
  it.each<[string, Field, string]>([
    ["of type 13", pair("k", 13, u64(0)), "GGUF_VALUE_TYPE"],
    ["of type 99", pair("k", 99, u64(0)), "GGUF_VALUE_TYPE"],
    ["of type 2^32 - 1", pair("k", 2 ** 32 - 1, u64(0)), "GGUF_VALUE_TYPE"],
    ["a string of 2^62 bytes", pair("k", 8, u64(2n ** 62n)), "GGUF_TRUNCATED"],
    ["a string past the end", pair("k", 8, u64(1000), [1, 2, 3]), "GGUF_TRUNCATED"],
    ["a string one byte past the end", pair("k", 8, u64(4), [1, 2, 3]), "GGUF_TRUNCATED"],
    ["an array of 2^40", pair("k", 9, u32(0), u64(2n ** 40n)), "GGUF_TRUNCATED"],
    ["an array of 2^64 - 1 doubles", pair("k", 9, u32(12), u64(2n ** 64n - 1n)), "GGUF_TRUNCATED"],
    ["an array one element past the end", pair("k", 9, u32(5), u64(2), u32(1), [0, 0, 0]), "GGUF_TRUNCATED"],
    ["an array of type 99", pair("k", 9, u32(99), u64(1), [0]), "GGUF_VALUE_TYPE"],
    ["900,000 strings in 50 bytes", pair("k", 9, u32(8), u64(900_000), text("a")), "GGUF_TRUNCATED"],
    ["an array whose last string is past the end", pair("k", 9, u32(8), u64(2), text("a"), u64(1)), "GGUF_TRUNCATED"],
    [
      "an array whose first string takes the others' bytes",
      pair("k", 9, u32(8), u64(3), u64(20), u64(0), u64(0)),
      "GGUF_TRUNCATED",
    ],
    ["arrays in arrays, 5 deep", pair("k", 9, nested(4)), "GGUF_LIMIT"],
    ["arrays in arrays, 2000 deep", pair("k", 9, nested(2000)), "GGUF_LIMIT"],
    ["an array of arrays of 2^40", pair("k", 9, u32(9), u64(2n ** 40n)), "GGUF_TRUNCATED"],
  ])("%s", async (_, bad, code) => {
    const error = await expectFailure(file({ pairs: [bad] }), code);
    expect(error.subject).toBe("k");
    expect(error.offset).toBeGreaterThan(24);
  });

  it("of odd but harmless form are read", async () => {
    const { metadata } = await openGguf(
      file({
        pairs: [
          pair("bool of 2", 7, [2]),
          pair("no elements", 9, u32(5), u64(0)),
          pair("no strings", 9, u32(8), u64(0)),
          pair("no arrays", 9, u32(9), u64(0)),
          pair("4 deep", 9, nested(3)),
          pair("not UTF-8", 8, text(Uint8Array.of(0x61, 0xff))),
          pair("NUL inside", 8, text("a\0b")),
          pair("byte order mark", 8, text("\ufeffa")),
        ],
      }),
    );
    expect(metadata.get("bool of 2")).toBe(true);
    expect(metadata.get("no elements")).toEqual(new Int32Array(0));
    expect(metadata.getStrings("no strings")?.length).toBe(0);
    expect(metadata.get("no arrays")).toEqual([]);
    expect(metadata.typeOf("4 deep")).toBe("array[]");
    expect(metadata.get("not UTF-8")).toBe("a\ufffd");
    expect(metadata.get("NUL inside")).toBe("a\0b");
    expect(metadata.get("byte order mark")).toBe("\ufeffa");
  });
});

describe("the alignment", () => {
  const key = "general.alignment";
  it.each<[string, Field]>([
    ["0", pair(key, 4, u32(0))],
    ["3", pair(key, 4, u32(3))],
    ["13", pair(key, 4, u32(13))],
    ["2^31", pair(key, 4, u32(2 ** 31))],
    ["an int32", pair(key, 5, u32(32))],
    ["a string", pair(key, 8, text("64"))],
    ["an array", pair(key, 9, u32(4), u64(1), u32(32))],
  ])("of %s is refused", async (_, bad) => {
    const error = await expectFailure(file({ pairs: [bad] }), "GGUF_ALIGNMENT");
    expect(error.subject).toBe(key);
  });

  it.each([1, 2, 64, 4096])("of %i is used", async (alignment) => {
    const second = Math.max(alignment, 4);
    const gguf = await openGguf(
      file({
        pairs: [pair(key, 4, u32(alignment))],
        tensors: [tensor({ name: "a", shape: [1] }), tensor({ name: "b", shape: [1], offset: second })],
        alignment,
        data: second + 4,
      }),
    );
    expect(gguf.alignment).toBe(alignment);
    expect(gguf.tensors[1]!.offset - gguf.tensors[0]!.offset).toBe(second);
  });
});

describe("tensors", () => {
  const big = 2n ** 63n - 1n;
  it.each<[string, TensorFields, string]>([
    ["without a name", { name: "" }, "GGUF_TENSOR_NAME"],
    ["with a name of 64 bytes", { name: "n".repeat(64) }, "GGUF_TENSOR_NAME"],
    ["with a name that is not UTF-8", { name: Uint8Array.of(0x80) }, "GGUF_TENSOR_NAME"],
    ["of 5 dimensions", { shape: [1, 1, 1, 1, 1] }, "GGUF_TENSOR_SHAPE"],
    ["of 2^32 - 1 dimensions", { dimensions: 2 ** 32 - 1 }, "GGUF_TENSOR_SHAPE"],
    ["of length -1", { shape: [-1n] }, "GGUF_TENSOR_SHAPE"],
    ["of length 2^63", { shape: [2n ** 63n] }, "GGUF_TENSOR_SHAPE"],
    ["of (2^63 - 1, 2)", { shape: [big, 2] }, "GGUF_TENSOR_SHAPE"],
    ["of (2, 2^63 - 1)", { shape: [2, big] }, "GGUF_TENSOR_SHAPE"],
    ["of (2^32, 2^32)", { shape: [2n ** 32n, 2n ** 32n] }, "GGUF_TENSOR_SHAPE"],
    ["of (2^53 - 1, 2^53 - 1, 0)", { shape: [2n ** 53n - 1n, 2n ** 53n - 1n, 0] }, "GGUF_TENSOR_SHAPE"],
    ["of 2^53 - 1 floats", { shape: [2n ** 53n - 1n] }, "GGUF_TENSOR_SHAPE"],
    ["of 2^42 + 1 rows", { shape: [1024, 2n ** 42n + 1n] }, "GGUF_TENSOR_SHAPE"],
    ["of Q4_0 with rows of 33", { type: 2, shape: [33] }, "GGUF_TENSOR_SHAPE"],
    ["of Q4_K with rows of 128", { type: 12, shape: [128, 2] }, "GGUF_TENSOR_SHAPE"],
    ["of Q4_0 as a scalar", { type: 2, shape: [] }, "GGUF_TENSOR_SHAPE"],
    ["at a place not aligned", { offset: 4 }, "GGUF_TENSOR_OFFSET"],
    ["behind a gap", { offset: 32 }, "GGUF_TENSOR_OFFSET"],
    ["at 10^15", { offset: 10 ** 15 }, "GGUF_TENSOR_OFFSET"],
    ["at 2^64 - 1", { offset: 2n ** 64n - 1n }, "GGUF_TENSOR_OFFSET"],
    ["longer than the file", { shape: [2 ** 20] }, "GGUF_TRUNCATED"],
    ["of 2^50 floats", { shape: [2 ** 25, 2 ** 25] }, "GGUF_TRUNCATED"],
  ])("%s", async (_, fields, code) => {
    await expectFailure(file({ tensors: [tensor(fields)], data: 64 }), code);
  });

  it.each([4, 5, 31, 32, 33, 36, 37, 38])("of the removed type %i are refused by name", async (type) => {
    await expectFailure(
      file({ tensors: [tensor({ type })], data: 32 }),
      "GGUF_TENSOR_TYPE",
      /\((Q4|IQ4)_\w+\) was removed/,
    );
  });

  it.each([43, 999, 2 ** 32 - 1])("of the unknown type %i are refused", async (type) => {
    await expectFailure(
      file({ tensors: [tensor({ type })], data: 32 }),
      "GGUF_TENSOR_TYPE",
      new RegExp(`type ${type} is unknown`),
    );
  });

  const two = (second: TensorFields, data = 64): FileFields => ({
    tensors: [tensor({ name: "a" }), tensor({ name: "b", offset: 32, ...second })],
    data,
  });

  it("that overlap, descend, leave a gap or occur twice", async () => {
    await expectFailure(file(two({ offset: 0 })), "GGUF_TENSOR_OFFSET", /offset 0, expected 32/);
    await expectFailure(file(two({ offset: 64 }, 96)), "GGUF_TENSOR_OFFSET");
    const descending = [tensor({ name: "a", offset: 32 }), tensor({ name: "b", offset: 0 })];
    await expectFailure(file({ tensors: descending, data: 64 }), "GGUF_TENSOR_OFFSET");
    const error = await expectFailure(file(two({ name: "a" })), "GGUF_TENSOR_NAME", /twice/);
    expect(error.subject).toBe("a");
  });

  it("whose padded sizes add up beyond 2^53", async () => {
    const shape = [2 ** 50];
    const tensors = [0, 1, 2].map((index) => {
      return tensor({ name: `${index}`, type: 0, shape, offset: BigInt(index) * 2n ** 52n });
    });
    await expectFailure(file({ tensors }), "GGUF_TENSOR_OFFSET", /more than 2\^53/);
  });

  it("that end one byte past the end are truncated; at the end, or before it, they are whole", async () => {
    const bytes = file({ tensors: [tensor({ shape: [3] })], data: 40 });
    const start = bytes.length - 40;
    await expectFailure(bytes.subarray(0, start + 11), "GGUF_TRUNCATED", /12 bytes at/);
    await openGguf(bytes.subarray(0, start + 12));
    await expectFailure(bytes.subarray(0, start + 13), "GGUF_TRUNCATED", /inside the padding/);
    await expectFailure(bytes.subarray(0, start + 31), "GGUF_TRUNCATED", /inside the padding/);
    await openGguf(bytes.subarray(0, start + 32));
    await openGguf(bytes);
  });

  it("without elements, and scalars, are allowed", async () => {
    const tensors = [
      tensor({ name: "none", shape: [0, 4] }),
      tensor({ name: "scalar", shape: [] }),
      tensor({ name: "n".repeat(63), offset: 32 }),
    ];
    const gguf = await openGguf(file({ tensors, data: 64 }));
    expect(gguf.tensors.map(({ bytes }) => bytes)).toEqual([0, 4, 32]);
    expect(await gguf.readTensor(gguf.tensors[0]!)).toEqual(new Uint8Array(0));
  });

  it("of a header by itself are listed, but cannot be read", async () => {
    const gguf = await openGguf(file({ tensors: [tensor()] }));
    expect(gguf.hasData).toBe(false);
    expect(gguf.tensors[0]).toMatchObject({ name: "w", type: "F32", shape: [8], bytes: 32 });
    await expect(gguf.readTensor(gguf.tensors[0]!)).rejects.toMatchObject({ code: "GGUF_TRUNCATED" });
  });
});
