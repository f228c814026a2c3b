// The unigram tokenizer: equal to SentencePiece's, whatever the text, and bounded, whatever the file.

import { readFileSync } from "node:fs";
import { loadModel } from "cria";
import { GgufWriter, openGguf } from "cria/gguf";
import { describe, expect, it } from "vitest";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";
import { architectureModel } from "../support/architecture-model.js";

const fixture: {
  readonly metadata: readonly (readonly [string, unknown])[];
  readonly cases: readonly (readonly [text: string, ids: readonly number[]])[];
} = JSON.parse(readFileSync(new URL("../fixtures/unigram.json", import.meta.url), "utf8"));

const key = (name: string) => `tokenizer.ggml.${name}`;
const arrays: Readonly<Record<string, (values: readonly number[]) => unknown>> = {
  [key("scores")]: (values) => Float32Array.from(values),
  [key("token_type")]: (values) => Int32Array.from(values),
  [key("precompiled_charsmap")]: (values) => Uint8Array.from(values),
};

/** The fixture's metadata, with other values for some keys. */
function metadataWith(others: Readonly<Record<string, unknown>> = {}): Map<string, unknown> {
  const metadata = new Map(
    fixture.metadata.map(([name, value]) => [name, arrays[name]?.(value as readonly number[]) ?? value]),
  );
  for (const [name, value] of Object.entries(others)) metadata.set(key(name), value);
  return metadata;
}

const charsMap = () => metadataWith().get(key("precompiled_charsmap")) as Uint8Array;

/** A small vocabulary without rules: tokens with scores; the first is unknown. */
function small(tokens: readonly (readonly [string, number])[], others: Readonly<Record<string, unknown>> = {}) {
  const types = Int32Array.from(tokens, (_, id) => (id === 0 ? 2 : 1));
  return tokenizerFrom(
    new Map<string, unknown>([
      [key("model"), "t5"],
      [key("tokens"), tokens.map(([text]) => text)],
      [key("scores"), Float32Array.from(tokens, ([, score]) => score)],
      [key("token_type"), types],
      [key("unknown_token_id"), 0],
      [key("add_eos_token"), false],
      ...Object.entries(others).map(([name, value]) => [key(name), value] as const),
    ]),
  );
}

describe("unigram", () => {
  it("writes 400 random texts as SentencePiece does", () => {
    const tokenizer = tokenizerFrom(metadataWith());
    expect(fixture.cases.length).toBe(400);
    for (const [text, ids] of fixture.cases) {
      expect([text, [...tokenizer.encode(text)]]).toEqual([text, ids]);
    }
  });

  it("gives the text back, up to normalisation", () => {
    const tokenizer = tokenizerFrom(metadataWith());
    expect(tokenizer.decode(tokenizer.encode("  A  file\tis not there. "))).toBe("a file is not there.");
  });

  it("takes the way with the greatest sum of scores", () => {
    const tokenizer = small([
      ["<unk>", 0],
      ["a", -1],
      ["b", -1],
      ["ab", -3],
      ["abb", -2.5],
    ]);
    expect([...tokenizer.encode("ab")]).toEqual([1, 2]);
    expect([...tokenizer.encode("abb")]).toEqual([4]);
  });

  it("joins unknown neighbours, over the edges of words too", () => {
    const tokenizer = small([
      ["<unk>", 0],
      ["a", -1],
      ["☃a", -1],
    ]);
    expect([...tokenizer.encode("☄☄☄")]).toEqual([0]);
    expect([...tokenizer.encode("a☄☃☄a☃a")]).toEqual([1, 0, 1, 2]);
  });

  it("writes unknown characters in bytes where the vocabulary has them", () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    const tokens = [["<unk>", 0], ["a", -1], ...bytes.map((text) => [text, 0])] as [string, number][];
    const types = Int32Array.from(tokens, (_, id) => (id === 0 ? 2 : id === 1 ? 1 : 6));
    const tokenizer = small(tokens, { token_type: types });
    expect([...tokenizer.encode("aé")]).toEqual([1, 2 + 0xc3, 2 + 0xa9]);
    expect(tokenizer.decode([1, 2 + 0xc3, 2 + 0xa9])).toBe("aé");
  });

  it("has T5's ids where a file names none, and ends texts", () => {
    const metadata = metadataWith();
    for (const name of ["eos_token_id", "unknown_token_id", "add_eos_token", "bos_token_id"])
      metadata.delete(key(name));
    const tokenizer = tokenizerFrom(metadata);
    expect([tokenizer.bosId, tokenizer.eosId, tokenizer.unknownId, tokenizer.padId]).toEqual([undefined, 1, 2, 0]);
    expect(tokenizer.encode("a").at(-1)).toBe(1);
  });

  it("takes linear time", () => {
    const tokenizer = tokenizerFrom(metadataWith());
    for (const text of ["a".repeat(400_000), "☄".repeat(200_000), "\u0327".repeat(200_000), " ".repeat(400_000)]) {
      const cpu = process.cpuUsage();
      tokenizer.encode(text);
      expect(process.cpuUsage(cpu).user / 1e6).toBeLessThan(5); // the square of 200,000 steps would take minutes
    }
  });
});

describe("rules that are damaged", () => {
  it.each<[string, (map: Uint8Array) => unknown]>([
    ["cut in the trie", (map) => map.slice(0, 100)],
    ["cut in a replacement", (map) => map.slice(0, -1)],
    ["without a size", (map) => map.slice(0, 3)],
    ["with a trie of no whole units", (map) => Uint8Array.of(7, 0, 0, 0, ...map.slice(4))],
    ["with a replacement of a megabyte", (map) => Uint8Array.of(...map, ...new Uint8Array(5000).fill(97), 0)],
  ])("%s: TOKENIZER_CHARSMAP", (_, damage) => {
    const broken = metadataWith({ precompiled_charsmap: damage(charsMap()) });
    expect(() => tokenizerFrom(broken)).toThrow(expect.objectContaining({ code: "TOKENIZER_CHARSMAP" }));
  });

  it("of another type: TOKENIZER_TYPE", () => {
    const broken = metadataWith({ precompiled_charsmap: "abc" });
    expect(() => tokenizerFrom(broken)).toThrow(expect.objectContaining({ code: "TOKENIZER_TYPE" }));
  });

  it("with random units: a text ends in ids", () => {
    const map = charsMap().slice();
    const units = new DataView(map.buffer).getUint32(0, true) / 4;
    for (let i = 0; i < units; i++) new DataView(map.buffer).setUint32(4 + 4 * i, Math.imul(i + 1, 0x9e3779b1), true);
    const tokenizer = tokenizerFrom(metadataWith({ precompiled_charsmap: map }));
    for (const [text] of fixture.cases) expect(tokenizer.encode(text)).toBeInstanceOf(Int32Array);
  });
});

it("an encoder with this tokenizer embeds texts", async () => {
  const gguf = await openGguf(
    await architectureModel({ architecture: "bert", has: (name) => name === "token_types.weight" }),
  );
  const writer = new GgufWriter();
  for (const [name, value] of gguf.metadata) writer.set(name, gguf.metadata.typeOf(name)!, value);
  const size = gguf.tensor("token_embd.weight")!.shape[1]!;
  const metadata = metadataWith();
  const first = (name: string) => (metadata.get(key(name)) as number[]).slice(0, size);
  writer.set(key("model"), "string", "t5");
  writer.set(key("tokens"), "string[]", first("tokens") as never);
  writer.set(key("scores"), "float32[]", first("scores"));
  writer.set(key("token_type"), "int32[]", first("token_type"));
  writer.set(key("precompiled_charsmap"), "uint8[]", charsMap());
  writer.set(key("unknown_token_id"), "uint32", 0);
  for (const [name, id] of [
    ["bos_token_id", 1],
    ["eos_token_id", 2],
  ] as const)
    writer.set(key(name), "uint32", id);
  for (const name of ["add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces"]) {
    writer.set(key(name), "bool", true);
  }
  const data = new Map<string, Uint8Array>();
  for (const tensor of gguf.tensors) {
    writer.addTensor(tensor.name, tensor.type, tensor.shape);
    data.set(tensor.name, await gguf.readTensor(tensor));
  }
  const model = await loadModel(await writer.toBytes(data), { threads: 1 });
  try {
    const ids = model.tokenizer.encode("the file");
    expect([ids[0], ids.at(-1)]).toEqual([1, 2]);
    expect(await model.embed(["the file"])).toEqual(await model.embed([ids]));
  } finally {
    await model.dispose();
  }
});
