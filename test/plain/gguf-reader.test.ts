// The reader on well-formed files: values by type, string tables, windows, sources, and agreement with another reader.

import { openAsBlob, readFileSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { gguf as oracle } from "@huggingface/gguf";
import {
  GgufError,
  GgufWriter,
  openGguf,
  removedTensorTypes,
  StringTable,
  tensorTypeByName,
  tensorTypes,
} from "cria/gguf";
import { describe, expect, it } from "vitest";
import { file, pair, tensor, text, u32, u64 } from "../support/gguf-bytes.js";
import { hasReferenceData, referenceData } from "../support/reference-data.js";

describe("metadata", () => {
  const float = (value: number) => new Uint8Array(Float32Array.of(value).buffer);
  const double = (value: number) => new Uint8Array(Float64Array.of(value).buffer);
  const bytes = file({
    version: 2,
    pairs: [
      pair("uint8", 0, [200]),
      pair("int8", 1, [200]),
      pair("uint16", 2, [0xfe, 0xff]),
      pair("int16", 3, [0xfe, 0xff]),
      pair("uint32", 4, u32(0xfffffffe)),
      pair("int32", 5, u32(0xfffffffe)),
      pair("float32", 6, float(0.1)),
      pair("bool", 7, [1]),
      pair("string", 8, text("h\u00e9llo")),
      pair("int32[]", 9, u32(5), u64(2), u32(7), u32(0xffffffff)),
      pair("uint64", 10, u64(2n ** 53n - 1n)),
      pair("int64", 11, u64(-5n)),
      pair("float64", 12, double(0.1)),
      pair("large uint64", 10, u64(2n ** 64n - 1n)),
      pair("bool[]", 9, u32(7), u64(3), [0, 1, 7]),
      pair("uint64[]", 9, u32(10), u64(1), u64(2n ** 63n)),
      pair("string[]", 9, u32(8), u64(3), text("a"), text(""), text("\u00fc\ud83d\ude00")),
      pair("array[]", 9, u32(9), u64(2), u32(0), u64(2), [1, 2], u32(8), u64(1), text("x")),
    ],
  });

  it("has each type's value and name", async () => {
    const { metadata, version } = await openGguf(bytes);
    expect(version).toBe(2);
    expect(metadata.size).toBe(18);
    for (const key of metadata.keys()) expect(key.endsWith(metadata.typeOf(key)!)).toBe(true);
    expect(metadata.get("uint8")).toBe(200);
    expect(metadata.get("int8")).toBe(-56);
    expect(metadata.get("uint16")).toBe(0xfffe);
    expect(metadata.get("int16")).toBe(-2);
    expect(metadata.get("uint32")).toBe(0xfffffffe);
    expect(metadata.get("int32")).toBe(-2);
    expect(metadata.get("float32")).toBe(Math.fround(0.1));
    expect(metadata.get("bool")).toBe(true);
    expect(metadata.get("string")).toBe("h\u00e9llo");
    expect(metadata.get("int32[]")).toEqual(Int32Array.of(7, -1));
    expect(metadata.get("uint64")).toBe(2 ** 53 - 1);
    expect(metadata.get("int64")).toBe(-5);
    expect(metadata.get("float64")).toBe(0.1);
    expect(metadata.get("large uint64")).toBe(2n ** 64n - 1n);
    expect(metadata.get("bool[]")).toEqual(Uint8Array.of(0, 1, 1));
    expect(metadata.get("uint64[]")).toEqual(BigUint64Array.of(2n ** 63n));
    expect([...metadata.getStrings("string[]")!]).toEqual(["a", "", "\u00fc\ud83d\ude00"]);
    const inner = metadata.get("array[]") as unknown as { type: string; value: unknown }[];
    expect(inner[0]).toEqual({ type: "uint8[]", value: Uint8Array.of(1, 2) });
    expect([...(inner[1]!.value as StringTable)]).toEqual(["x"]);
    expect([...metadata].length).toBe(18);
    expect([...metadata.values()].length).toBe(18);
  });

  it("is typed on request: absent is undefined, another type an error", async () => {
    const { metadata } = await openGguf(bytes);
    expect(metadata.getNumber("uint32")).toBe(0xfffffffe);
    expect(metadata.getString("string")).toBe("h\u00e9llo");
    expect(metadata.getBoolean("bool")).toBe(true);
    expect(metadata.getNumbers("int32[]")).toEqual(Int32Array.of(7, -1));
    for (const get of ["getNumber", "getString", "getBoolean", "getStrings", "getNumbers"] as const) {
      expect(metadata[get]("absent")).toBeUndefined();
      expect(() => metadata[get]("large uint64")).toThrow(GgufError);
      expect(() => metadata[get]("array[]")).toThrow(/array\[\].*"array\[\]"/);
    }
    expect(() => metadata.getNumbers("uint64[]")).toThrow(GgufError);
    expect(() => metadata.getString("uint32")).toThrow(/expected a string, the file has uint32/);
  });
});

describe("a string table", () => {
  it("gives strings, bytes and offsets", () => {
    const table = StringTable.from(["ab", "", "\u00e9", "x".repeat(100)]);
    expect(table.length).toBe(4);
    expect([...table.offsets]).toEqual([0, 2, 2, 4, 104]);
    expect(table.at(2)).toBe("\u00e9");
    expect([...table.bytesAt(2)]).toEqual([0xc3, 0xa9]);
    expect(table.bytes.length).toBe(104);
    for (const index of [-1, 4, 0.5, Number.NaN]) expect(() => table.at(index)).toThrow(RangeError);
  });

  it("is the same whichever window edge a string crosses", async () => {
    const strings = Array.from({ length: 60 }, (_, index) => "x".repeat((index * 7) % 150) + index);
    const bytes = file({ pairs: [pair("s", 9, u32(8), u64(strings.length), ...strings.map(text))] });
    for (const windowBytes of [1, 8, 9, 13, 64, 100, 1000, 10000]) {
      const { metadata } = await openGguf(bytes, { windowBytes });
      expect([...metadata.getStrings("s")!]).toEqual(strings);
    }
  });
});

describe("tensor types", () => {
  it("cover every number up to the newest", () => {
    const numbers = [...tensorTypes.map(({ id }) => id), ...removedTensorTypes.keys()].sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 43 }, (_, index) => index));
    expect(tensorTypeByName("Q4_K")).toEqual({ id: 12, name: "Q4_K", blockSize: 256, blockBytes: 144 });
    expect(tensorTypeByName("Q4_2")).toBeUndefined();
  });
});

describe("sources", () => {
  const bytes = file({ tensors: [tensor({ shape: [16] })], data: 64 });
  bytes.set(
    Uint8Array.from({ length: 64 }, (_, index) => index),
    bytes.length - 64,
  );

  it("read a tensor from a Blob, a Uint8Array, a part of a buffer, and shared memory", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 3)).subarray(3);
    shared.set(bytes);
    for (const source of [bytes, new Blob([bytes as Uint8Array<ArrayBuffer>]), Buffer.from(bytes), shared]) {
      const gguf = await openGguf(source);
      expect(gguf.hasData).toBe(true);
      expect(await gguf.readTensor(gguf.tensor("w")!)).toEqual(Uint8Array.from({ length: 64 }, (_, index) => index));
      const part = await gguf.readTensor(gguf.tensor("w")!, 10, 5);
      expect(part).toEqual(Uint8Array.from({ length: 5 }, (_, index) => 10 + index));
      expect((await gguf.readTensor(gguf.tensor("w")!, 60)).length).toBe(4);
      for (const [from, bytes] of [[-1], [65], [60, 5], [0, 65], [0, -1], [Number.NaN]]) {
        await expect(gguf.readTensor(gguf.tensor("w")!, from, bytes)).rejects.toMatchObject({ code: "INVALID_OPTION" });
      }
      expect(gguf.tensor("v")).toBeUndefined();
      expect(gguf.parts[0]).toMatchObject({ path: undefined, size: bytes.length, modified: undefined });
      await gguf.close();
      await gguf.close();
      await expect(gguf.readTensor(gguf.tensors[0]!)).rejects.toMatchObject({ code: "GGUF_CLOSED" });
    }
  });

  it("refuse a tensor of another model", async () => {
    const [one, other] = [await openGguf(bytes), await openGguf(bytes)];
    await expect(one.readTensor(other.tensors[0]!)).rejects.toThrow(GgufError);
    await expect(one.readTensor({ ...one.tensors[0]!, offset: 0 })).rejects.toThrow(GgufError);
  });

  it.each([
    "https://example.com/model.gguf",
    new URL("http://example.com/model.gguf"),
    "ftp://example.com/x",
    new URL("file://host/model.gguf"),
    42 as unknown as string,
  ])("that are not local are refused: %s", async (source) => {
    await expect(openGguf(source)).rejects.toMatchObject({ code: "GGUF_SOURCE" });
  });

  it("refuse a window of no bytes", async () => {
    for (const windowBytes of [0, -1, 1.5, Number.NaN]) {
      await expect(openGguf(bytes, { windowBytes })).rejects.toMatchObject({ code: "INVALID_OPTION" });
    }
  });
});

it("opens a vocabulary of 128,256 tokens and 280,147 merges well under 200 ms", async () => {
  const tokens = Array.from({ length: 128_256 }, (_, index) => `token${index}`);
  const merges = Array.from({ length: 280_147 }, (_, index) => `tok en${index}`);
  const bytes = await new GgufWriter()
    .set("tokenizer.ggml.tokens", "string[]", tokens)
    .set("tokenizer.ggml.merges", "string[]", merges)
    .toBytes(new Map());
  const times: number[] = [];
  for (let run = 0; run < 5; run++) {
    const started = performance.now();
    const { metadata } = await openGguf(bytes);
    times.push(performance.now() - started);
    expect(metadata.getStrings("tokenizer.ggml.merges")!.at(280_146)).toBe("tok en280146");
  }
  expect(Math.min(...times)).toBeLessThan(150);
});

describe.skipIf(!hasReferenceData)("reference files", () => {
  const index = hasReferenceData ? JSON.parse(readFileSync(referenceData("gguf/index.json"), "utf8")) : [];

  it.each<{ file: string; accept: boolean }>(index)("$file: accepted $accept", async ({ file: name, accept }) => {
    const path = referenceData(`gguf/${name}`);
    const sources = [path, pathToFileURL(path), pathToFileURL(path).href, await openAsBlob(path), readFileSync(path)];
    for (const source of sources) {
      for (const windowBytes of [64, 2 ** 20]) {
        const opened = openGguf(source, { windowBytes });
        if (accept) {
          const gguf = await opened;
          if (gguf.hasData)
            for (const each of gguf.tensors) expect((await gguf.readTensor(each)).length).toBe(each.bytes);
          await gguf.close();
        } else {
          await expect(opened).rejects.toThrow(GgufError);
        }
      }
    }
  });

  const models = [
    "micro/F32.gguf",
    "micro/Q4_K_M.gguf",
    "micro/IQ4_XS.gguf",
    "micro/Q3_K_M.gguf",
    "stories260k/stories260K-q4_0.gguf",
    "architectures/qwen3/F32.gguf",
    "tokenizers/ggml-vocab-llama-spm.gguf",
    "tokenizers/ggml-vocab-gpt-2.gguf",
  ];

  it.each(models)("%s: agrees with @huggingface/gguf", async (model) => {
    const path = referenceData(model);
    const gguf = await openGguf(path);
    const expected = await oracle(path, { allowLocalFile: true });
    const plain = (value: unknown): unknown => {
      // The other reader drops a byte order mark, which is a token of its own.
      if (value instanceof StringTable) return [...value].map((string) => string.replace(/^\ufeff/, ""));
      return ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<unknown>) : value;
    };
    for (const [key, value] of gguf.metadata) {
      let theirs = (expected.metadata as Record<string, unknown>)[key];
      if (typeof theirs === "bigint" && typeof value === "number") theirs = Number(theirs);
      expect(plain(value), key).toEqual(theirs);
    }
    expect(gguf.version).toBe(expected.metadata.version);
    expect(gguf.tensors.length).toBe(expected.tensorInfos.length);
    gguf.tensors.forEach((each, at) => {
      const theirs = expected.tensorInfos[at]!;
      expect([each.name, ...each.shape]).toEqual([theirs.name, ...theirs.shape.map(Number)]);
      expect(tensorTypeByName(each.type)!.id).toBe(theirs.dtype);
      expect(each.offset).toBe(Number(expected.tensorDataOffset) + Number(theirs.offset));
    });
    await gguf.close();
  });

  it("a Llama 3 vocabulary parses the same through a window of 64 bytes", async () => {
    const path = referenceData("tokenizers/llama3.1-vocab.gguf");
    const [wide, narrow] = [await openGguf(path), await openGguf(readFileSync(path), { windowBytes: 64 })];
    for (const key of ["tokenizer.ggml.tokens", "tokenizer.ggml.merges"]) {
      const [a, b] = [wide.metadata.getStrings(key)!, narrow.metadata.getStrings(key)!];
      expect(Buffer.compare(a.bytes, b.bytes)).toBe(0);
      expect(Buffer.compare(Buffer.from(a.offsets.buffer), Buffer.from(b.offsets.buffer))).toBe(0);
    }
    expect(wide.metadata.getStrings("tokenizer.ggml.tokens")!.length).toBe(128_256);
    expect(wide.metadata.getStrings("tokenizer.ggml.merges")!.length).toBe(280_147);
    expect(wide.parts[0]).toMatchObject({ path, name: basename(path) });
    await wide.close();
  });
});
