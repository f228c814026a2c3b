// Files that are not files, files that change, and models split over several files.

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GgufError, type GgufSource, GgufWriter, openGguf } from "cria/gguf";
import { afterAll, describe, expect, it } from "vitest";
import { file, tensor } from "../support/gguf-bytes.js";

const folder = mkdtempSync(join(tmpdir(), "cria-gguf-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

async function rejects(source: GgufSource | readonly GgufSource[], code: string, message?: RegExp): Promise<void> {
  const error = await openGguf(source).then(
    () => new Error("accepted"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GgufError);
  expect(error).toMatchObject({ code });
  if (message !== undefined) expect((error as Error).message).toMatch(message);
}

describe("what is not a file", () => {
  it("a directory", () => rejects(folder, "GGUF_NOT_A_FILE", /directory/));
  it("nothing", () => rejects(at("absent.gguf"), "GGUF_NOT_FOUND", /does not exist/));
  it("a path with a NUL", () => rejects("a\0b", "GGUF_UNREADABLE"));

  it.skipIf(process.platform === "win32")("a FIFO, which nobody writes to", async () => {
    execFileSync("mkfifo", [at("fifo")]);
    await rejects(at("fifo"), "GGUF_NOT_A_FILE", /FIFO/);
  });

  it.skipIf(process.platform === "win32")("a device, which never ends", async () => {
    await rejects("/dev/zero", "GGUF_NOT_A_FILE", /device/);
  });

  it.skipIf(process.platform === "win32")("a symbolic link to itself", async () => {
    symlinkSync(at("loop"), at("loop"));
    await rejects(at("loop"), "GGUF_UNREADABLE", /ELOOP/);
  });

  it.skipIf(process.platform === "win32" || process.getuid?.() === 0)("without permission", async () => {
    writeFileSync(at("secret.gguf"), file());
    chmodSync(at("secret.gguf"), 0);
    await rejects(at("secret.gguf"), "GGUF_UNREADABLE", /EACCES/);
  });
});

describe("a file", () => {
  const bytes = file({ tensors: [tensor({ shape: [1024] })], data: 4096 });

  it("that is cut after it was opened fails to read", async () => {
    writeFileSync(at("cut.gguf"), bytes);
    const gguf = await openGguf(at("cut.gguf"));
    truncateSync(at("cut.gguf"), bytes.length - 1);
    await expect(gguf.readTensor(gguf.tensors[0]!)).rejects.toMatchObject({ code: "GGUF_CHANGED" });
    await gguf.close();
  });

  it("that is overwritten after it was opened fails to read", async () => {
    writeFileSync(at("new.gguf"), bytes);
    const gguf = await openGguf(at("new.gguf"));
    expect((await gguf.readTensor(gguf.tensors[0]!)).length).toBe(4096);
    utimesSync(at("new.gguf"), 1, 1);
    await expect(gguf.readTensor(gguf.tensors[0]!)).rejects.toMatchObject({ code: "GGUF_CHANGED" });
    await gguf.close();
  });

  it.skipIf(process.platform !== "linux")("does not stay open when it is refused", async () => {
    writeFileSync(at("bad.gguf"), bytes.subarray(0, 100));
    const before = readdirSync("/proc/self/fd").length;
    for (let run = 0; run < 50; run++) await rejects(at("bad.gguf"), "GGUF_TRUNCATED");
    expect(readdirSync("/proc/self/fd").length).toBeLessThan(before + 10);
  });

  it("with a large hole is read without reading the hole", async () => {
    const writer = new GgufWriter().addTensor("a", "F32", [2 ** 30]).addTensor("b", "F32", [8]);
    writeFileSync(at("hole.gguf"), writer.header());
    truncateSync(at("hole.gguf"), writer.size);
    const gguf = await openGguf(at("hole.gguf"));
    expect(gguf.tensor("b")!.offset).toBe(writer.header().length + 2 ** 32);
    expect(await gguf.readTensor(gguf.tensor("b")!)).toEqual(new Uint8Array(32));
    await gguf.close();
  });
});

describe("a split model", () => {
  interface Part {
    readonly tensors: readonly string[];
    readonly no?: number;
    readonly count?: number;
    readonly total?: number;
  }

  async function bytesOf({ tensors, no, count, total }: Part): Promise<Uint8Array<ArrayBuffer>> {
    const writer = new GgufWriter();
    if (no === 0) writer.set("general.architecture", "string", "llama");
    if (no !== undefined) writer.set("split.no", "uint16", no);
    if (count !== undefined) writer.set("split.count", "uint16", count);
    if (total !== undefined) writer.set("split.tensors.count", "int32", total);
    for (const name of tensors) writer.addTensor(name, "F32", [8]);
    return writer.toBytes(new Map(tensors.map((name) => [name, new Uint8Array(32).fill(name.charCodeAt(0))])));
  }

  async function write(name: string, parts: readonly Part[]): Promise<string> {
    for (const [index, part] of parts.entries()) {
      const path = at(`${name}-0000${index + 1}-of-0000${parts.length}.gguf`);
      writeFileSync(path, await bytesOf(part));
    }
    return at(`${name}-00001-of-0000${parts.length}.gguf`);
  }

  const good: readonly Part[] = [
    { no: 0, count: 3, total: 3, tensors: [] },
    { no: 1, count: 3, total: 3, tensors: ["a", "b"] },
    { no: 2, count: 3, total: 3, tensors: ["c"] },
  ];
  const changed = (index: number, change: Partial<Part>) => good.with(index, { ...good[index]!, ...change });

  it("is opened by its first part", async () => {
    const gguf = await openGguf(await write("good", good));
    expect(gguf.parts.length).toBe(3);
    expect(gguf.tensors.map(({ name, part }) => `${name}${part}`)).toEqual(["a1", "b1", "c2"]);
    for (const each of gguf.tensors) {
      expect(await gguf.readTensor(each)).toEqual(new Uint8Array(32).fill(each.name.charCodeAt(0)));
    }
    expect(gguf.metadata.getString("general.architecture")).toBe("llama");
    await gguf.close();
  });

  it("is opened by an array of its parts", async () => {
    const parts = await Promise.all(good.map(bytesOf));
    const gguf = await openGguf([parts[0]!, new Blob([parts[1]!]), parts[2]!]);
    expect((await gguf.readTensor(gguf.tensor("b")!))[0]).toBe("b".charCodeAt(0));
    await rejects(parts.slice(0, 2), "GGUF_SPLIT", /3 parts, 2 were given/);
    await rejects([parts[0]!, parts[2]!, parts[1]!], "GGUF_SPLIT", /split.no/);
    await rejects(parts[0]!, "GGUF_SPLIT", /pass an array of all parts/);
    await rejects([], "GGUF_SOURCE");
  });

  it("names the first part when another one is given", async () => {
    const first = await write("other", good);
    await rejects(first.replace("00001-of", "00002-of"), "GGUF_SPLIT", /part 2 of 3 .* open other-00001-of-00003.gguf/);
    await rejects(await bytesOf(good[1]!), "GGUF_SPLIT", /open part 1/);
  });

  it("without one of its parts", async () => {
    const first = await write("missing", good);
    rmSync(first.replace("00001-of", "00002-of"));
    await rejects(first, "GGUF_NOT_FOUND", /missing-00002-of-00003.gguf/);
  });

  it("under another name", async () => {
    writeFileSync(at("renamed.gguf"), await bytesOf(good[0]!));
    await rejects(at("renamed.gguf"), "GGUF_SPLIT", /does not end in -00001-of-00003.gguf/);
    writeFileSync(at("x-00001-of-00002.gguf"), await bytesOf(good[0]!));
    await rejects(at("x-00001-of-00002.gguf"), "GGUF_SPLIT", /does not end in -00001-of-00003.gguf/);
  });

  it.each<[string, readonly Part[], RegExp]>([
    ["a part of another number", changed(1, { no: 2 }), /expected 1, the file has 2/],
    ["a part without a number", changed(1, { no: undefined }), /expected 1, the file has none/],
    ["a part of another count", changed(2, { count: 4 }), /expected 3, the file has 4/],
    ["a part of a model with another count of tensors", changed(1, { total: 5 }), /expected 3, the file has 5/],
    ["a tensor in two parts", changed(2, { tensors: ["b"] }), /also in part 2/],
    ["a tensor too few", changed(2, { tensors: [] }), /3 tensors expected, the parts have 2/],
    ["a tensor too many", changed(2, { tensors: ["c", "d"] }), /3 tensors expected, the parts have 4/],
    ["no count of tensors", changed(0, { total: undefined }), /split.tensors.count/],
    ["a count of 0", changed(0, { count: 0 }), /0 parts/],
  ])("with %s", async (_, parts, message) => {
    await rejects(await write("bad", parts), "GGUF_SPLIT", message);
  });

  it("with a part that is cut, or a header only", async () => {
    const first = await write("cut", good);
    const last = first.replace("00001-of", "00003-of");
    const bytes = readFileSync(last);
    writeFileSync(last, bytes.subarray(0, bytes.length - 1));
    await rejects(first, "GGUF_TRUNCATED", /cut-00003-of-00003.gguf/);
    writeFileSync(last, bytes.subarray(0, bytes.length - 32));
    await rejects(first, "GGUF_TRUNCATED", /cut-00003-of-00003.gguf/);
  });
});
