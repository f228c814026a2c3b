// What an lfm2 file says of its layers, and what is refused.

import { GgufError, UnsupportedError } from "cria";
import { openGguf } from "cria/gguf";
import { describe, expect, it } from "vitest";
import { readModel } from "../../dist/model/architectures/table.js";
import { type ArchitectureShape, architectureModel } from "../support/architecture-model.js";

const keys = { "attention.head_count_kv": [0, 2, 0, 4], "shortconv.l_cache": 3 };

async function reading(changes: ArchitectureShape["keys"], architecture = "lfm2") {
  return readModel(await openGguf(await architectureModel({ architecture, keys: { ...keys, ...changes } })))
    .hyperparameters;
}

describe("lfm2", () => {
  it("attends in the layers that have KV heads, and keeps columns in the others", async () => {
    const { attention, kvHeads, recurrence } = await reading({});
    expect(attention.map((layer) => layer.kvHeads)).toEqual([0, 2, 0, 4]);
    expect(kvHeads).toBe(4);
    expect(recurrence).toEqual({ state: [80, 0, 80, 0], columns: 120 });
  });

  it("keeps nothing where all layers attend", async () => {
    expect((await reading({ "attention.head_count_kv": 2 })).recurrence).toBeUndefined();
  });

  it.each<[string, ArchitectureShape["keys"], RegExp]>([
    ["a list of another length", { "attention.head_count_kv": [0, 2, 0] }, /it has 3 numbers for 4 layers/],
    ["no layer that attends", { "attention.head_count_kv": [0, 0, 0, 0] }, /no layer has a KV head/],
    [
      "KV heads that do not divide the heads",
      { "attention.head_count_kv": [0, 3, 0, 2] },
      /3 does not divide the 4 heads/,
    ],
    [
      "a number that is not one of heads",
      { "attention.head_count_kv": [0, 2, -1, 2] },
      /-1 is not an integer in 0 .. 4/,
    ],
    ["a convolution of one column", { "shortconv.l_cache": 1 }, /1 is not an integer in 2 .. 256/],
  ])("refuses %s", async (_, changes, message) => {
    await expect(reading(changes)).rejects.toThrow(message);
    await expect(reading(changes)).rejects.toThrow(GgufError);
  });

  it("refuses a width that the kernel does not take, and windows, which it does not have", async () => {
    await expect(reading({ embedding_length: 42 })).rejects.toThrow(UnsupportedError);
    await expect(reading({ "attention.sliding_window": 16 })).rejects.toThrow(/sliding_window is 16, which changes/);
  });
});

it("architectures without convolutions refuse layers that differ in their KV heads", async () => {
  const changes = { "attention.head_count_kv": [2, 4, 2, 4] };
  await expect(reading(changes, "qwen3")).rejects.toThrow(/head_count_kv differs between layers/);
});
