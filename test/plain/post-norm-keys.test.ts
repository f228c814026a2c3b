// What files of olmo2, exaone4, command-r and cohere2 say of their layers, and what is refused.

import { openGguf } from "cria/gguf";
import { beforeAll, describe, expect, it } from "vitest";
import { planModel } from "../../dist/api/load/plan-model.js";
import { compileKernels, type KernelModule } from "../../dist/machine/kernels.js";
import { readModel } from "../../dist/model/architectures/table.js";
import { type ArchitectureShape, architectureModel } from "../support/architecture-model.js";

let kernels: KernelModule;
beforeAll(async () => {
  kernels = await compileKernels();
});

async function reading(shape: ArchitectureShape) {
  return readModel(await openGguf(await architectureModel(shape))).hyperparameters;
}

/** The window and the RoPE of each layer. */
async function layersOf(architecture: string, keys: ArchitectureShape["keys"]) {
  return (await reading({ architecture, keys })).attention.map(({ window, rope }) => `${window} ${rope}`);
}

const taking = (turns: readonly string[], layers: number) =>
  Array.from({ length: layers }, (_, layer) => turns[layer % turns.length]);

describe("exaone4", () => {
  it("has windows where the file says so, and in 64 layers", async () => {
    expect(await layersOf("exaone4", {})).toEqual(taking(["0 0"], 4));
    expect(await layersOf("exaone4", { block_count: 64 })).toEqual(
      taking(["4096 0", "4096 0", "4096 0", "0 undefined"], 64),
    );
    expect(await layersOf("exaone4", { "attention.sliding_window": 9 })).toEqual(["9 0", "9 0", "9 0", "0 undefined"]);
  });

  it("is refused with layers that predict further tokens", async () => {
    await expect(reading({ architecture: "exaone4", keys: { nextn_predict_layers: 1 } })).rejects.toMatchObject({
      code: "UNSUPPORTED_ARCHITECTURE",
      message: expect.stringContaining("nextn_predict_layers"),
    });
  });
});

describe("cohere2", () => {
  const keys = { "attention.sliding_window": 9, logit_scale: 0.25 };

  it("has a window and RoPE in three layers of four", async () => {
    expect(await layersOf("cohere2", keys)).toEqual(["9 0", "9 0", "9 0", "0 undefined"]);
  });

  it.each(["attention.sliding_window", "logit_scale"])("is refused without %s", async (key) => {
    const others = Object.fromEntries(Object.entries(keys).filter(([name]) => name !== key));
    await expect(reading({ architecture: "cohere2", keys: others })).rejects.toThrow(
      `the file does not have this key ("cohere2.${key}")`,
    );
  });
});

it.each([
  [undefined, 1],
  [0, 1],
  [0.0625, 0.0625],
])("a logit_scale of %s of command-r is %s", async (scale, expected) => {
  const keys: ArchitectureShape["keys"] = scale === undefined ? {} : { logit_scale: scale };
  expect((await reading({ architecture: "command-r", keys })).scales.logits).toBe(expected);
});

it.each([
  ["olmo2", "blk.0.attn_norm.weight"],
  ["exaone4", "blk.0.ffn_norm.weight"],
  ["command-r", "blk.0.attn_output.bias"],
  ["cohere2", "blk.0.attn_q_norm.weight"],
])("a file of %s with %s is refused", async (architecture, name) => {
  const keys = { "attention.sliding_window": architecture === "command-r" ? 0 : 9, logit_scale: 1 };
  const gguf = await openGguf(await architectureModel({ architecture, keys, tensors: [name] }));
  await expect(planModel(gguf, { threads: 1 }, kernels)).rejects.toMatchObject({
    code: "UNSUPPORTED_TENSORS",
    message: expect.stringContaining(name),
  });
});
