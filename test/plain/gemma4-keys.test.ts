// What Gemma 4's files say about their layers, and what is refused by name.

import { describe, expect, it } from "vitest";
import { openGguf } from "../../dist/gguf/index.js";
import { architectureOf, readModel } from "../../dist/model/architectures/table.js";
import { layerGroups } from "../../dist/model/plan/shards.js";
import { type ArchitectureShape, architectureModel } from "../support/architecture-model.js";

const keys = {
  block_count: 7,
  "attention.key_length": 16,
  "attention.value_length": 16,
  "attention.key_length_swa": 8,
  "attention.value_length_swa": 8,
  "attention.sliding_window": 9,
  "attention.sliding_window_pattern": [true, true, false, true, false, true, false],
  "attention.shared_kv_layers": 2,
  embedding_length_per_layer_input: 8,
  feed_forward_length: [52, 52, 52, 52, 52, 104, 104],
};

/** `changes`: undefined takes a key away. */
async function hyperparametersWith(changes: Readonly<Record<string, unknown>> = {}) {
  const given = Object.entries({ ...keys, ...changes }).filter(([, value]) => value !== undefined);
  const file = await architectureModel({
    architecture: "gemma4",
    keys: Object.fromEntries(given) as ArchitectureShape["keys"],
  });
  return readModel(await openGguf(file)).hyperparameters;
}

describe("Gemma 4", () => {
  it("has layers of two kinds, of which the last read others' keys and values", async () => {
    const h = await hyperparametersWith();
    expect(h.attention.map(({ window, headDim, rope }) => [window, headDim, rope])).toEqual(
      keys["attention.sliding_window_pattern"].map((isLocal) => (isLocal ? [9, 8, 1] : [0, 16, 0])),
    );
    expect(h.attention.map(({ keysOf }) => keysOf)).toEqual([...new Array(5), 3, 4]);
    expect(layerGroups(h)).toEqual([[0], [1], [2], [3, 4, 5, 6]]);
    expect(h.layerFfn).toEqual(keys.feed_forward_length);
    expect(h.ffn).toBe(104);
    expect(h.perLayer).toBe(8);
  });

  it("of a size without vectors for every layer has no tensors for them", async () => {
    const h = await hyperparametersWith({
      embedding_length_per_layer_input: 0,
      "attention.shared_kv_layers": undefined,
    });
    expect(h.perLayer).toBeUndefined();
    expect(layerGroups(h)).toEqual([[0], [1], [2], [3], [4], [5], [6]]);
    const names = architectureOf("gemma4")
      .weights(h, () => false)
      .map(({ name }) => name);
    expect(names.filter((name) => /per_layer|inp_gate|proj|post_norm/.test(name))).toEqual([]);
  });

  it.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    [
      "a mixture of experts",
      { expert_count: 8, expert_used_count: 2 },
      /a mixture of 8 experts \(gemma4\.expert_count\)/,
    ],
    [
      "keys and values of two sizes",
      { "attention.value_length_swa": 12 },
      /keys of 8 and values of 12 dimensions in layers with a window/,
    ],
    [
      "vectors of an odd size",
      { embedding_length_per_layer_input: 9 },
      /vectors of 9 elements for every layer; supported: multiples of 8/,
    ],
    [
      "no kind of a layer",
      { "attention.sliding_window_pattern": undefined },
      /it must have a value for every layer \("gemma4\.attention\.sliding_window_pattern"\)/,
    ],
    [
      "a layer that would read what none before it has",
      { "attention.sliding_window_pattern": [true, true, true, true, true, true, false] },
      /layer 6 has no layer of its kind to read/,
    ],
    ["a layer without KV heads", { "attention.head_count_kv": [2, 2, 0, 2, 2, 2, 2] }, /layer 2 has no KV head/],
    [
      "no window",
      { "attention.sliding_window": undefined },
      /does not have this key \("gemma4\.attention\.sliding_window"\)/,
    ],
  ])("%s is refused", async (_, changes, message) => {
    await expect(hyperparametersWith(changes)).rejects.toThrow(message);
  });
});
