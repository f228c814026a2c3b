// Which layers see only a window: what `attention.sliding_window_pattern` says, a number or a list.

import { expect, it } from "vitest";
import { openGguf } from "../../dist/gguf/index.js";
import { readModel } from "../../dist/model/architectures/table.js";
import { type ArchitectureShape, architectureModel } from "../support/architecture-model.js";

/** The window and the RoPE of each layer. */
async function layersOf(keys: ArchitectureShape["keys"]) {
  const file = await architectureModel({
    architecture: "olmo2",
    keys: { "rope.scaling.type": "yarn", "rope.scaling.factor": 4, "attention.sliding_window": 9, ...keys },
  });
  const { attention, ropes } = readModel(await openGguf(file)).hyperparameters;
  return attention.map(({ window, rope }) => `${window} ${ropes[rope!]!.scaling.type}`);
}

const [local, full] = ["9 none", "0 yarn"];

it.each([
  ["nothing", {}, [local, local, local, full]],
  ["2", { "attention.sliding_window_pattern": 2 }, [local, full, local, full]],
  ["1", { "attention.sliding_window_pattern": 1 }, [full, full, full, full]],
  ["a list", { "attention.sliding_window_pattern": [false, true, true, false] }, [full, local, local, full]],
  ["no window", { "attention.sliding_window": 0 }, [full, full, full, full]],
] as const)("%s", async (_, keys, expected) => {
  expect(await layersOf(keys)).toEqual(expected);
});

it.each([[[true, false, true]], [[true, true, true, true, false]], [0], ["3"]])("%j is refused", async (pattern) => {
  await expect(layersOf({ "attention.sliding_window_pattern": pattern })).rejects.toMatchObject({
    name: "GgufError",
    message: expect.stringContaining("olmo2.attention.sliding_window_pattern"),
  });
});
