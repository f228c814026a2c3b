// What a file with gated DeltaNet says of its layers, and what is refused.

import { GgufError, loadModel, UnsupportedError } from "cria";
import { openGguf } from "cria/gguf";
import { describe, expect, it } from "vitest";
import { readModel } from "../../dist/model/architectures/table.js";
import { hybrid } from "../oracles/architectures/qwen35.js";
import { type ArchitectureShape, architectureModel } from "../support/architecture-model.js";

const fileOf = (changes: ArchitectureShape["keys"], tensors: readonly string[] = []) =>
  architectureModel({ architecture: "qwen35", keys: { ...hybrid, ...changes }, tensors });

const reading = async (changes: ArchitectureShape["keys"]) => readModel(await openGguf(await fileOf(changes)));

/** Of each layer, whether it attends. */
async function attending(changes: ArchitectureShape["keys"]): Promise<readonly boolean[]> {
  return (await reading(changes)).hyperparameters.attention.map(({ kvHeads }) => kvHeads > 0);
}

describe("the layers", () => {
  it("attend every fourth time, or as often as the file says", async () => {
    expect(await attending({})).toEqual([false, false, false, true]);
    expect(await attending({ full_attention_interval: 2 })).toEqual([false, true, false, true]);
    expect(await attending({ full_attention_interval: 3 })).toEqual([false, false, true, false]);
  });

  it("attend where a list of the recurrent ones says so, whatever the interval", async () => {
    const flags = [true, false, true, true];
    expect(await attending({ "attention.recurrent_layers": flags, full_attention_interval: 2 })).toEqual(
      flags.map((flag) => !flag),
    );
  });

  it("keep rows of the convolution, and a matrix for each head of values", async () => {
    const { recurrence, deltaNet } = (await reading({})).hyperparameters;
    expect(deltaNet).toEqual({ width: 4, keyHeads: 2, valueHeads: 4, dims: 16, served: "apart" });
    const state = 3 * (2 + 2 + 4) * 16 + 4 * 16 * 16;
    // q, k, v and z; and alpha and beta in whole groups of rows.
    expect(recurrence).toEqual({ state: [state, state, state, 0], columns: (2 + 2 + 4 + 4) * 16 + 2 * 8 });
  });
});

describe("layers that guess further tokens", () => {
  const keys = { block_count: 5, nextn_predict_layers: 1 };

  it("are not read, which a warning tells", async () => {
    const tensors = ["blk.4.nextn.eh_proj.weight", "blk.4.attn_q.weight"];
    const { hyperparameters, warnings } = await reading(keys);
    expect(hyperparameters.layers).toBe(4);
    expect(warnings).toContain("the last 1 of 5 layers guess further tokens: they are not read");
    const model = await loadModel(await fileOf(keys, tensors), { threads: 1, contextSize: 64 });
    const plain = await loadModel(await fileOf({}), { threads: 1, contextSize: 64 });
    const [a, b] = await Promise.all([model, plain].map((one) => one.createSequence().evaluate([1, 2, 3])));
    expect(a).toEqual(b);
    await Promise.all([model.dispose(), plain.dispose()]);
  });

  it("are those behind the others, and no more", async () => {
    const loading = fileOf(keys, ["blk.5.attn_q.weight"]).then((file) => loadModel(file, { threads: 1 }));
    await expect(loading).rejects.toThrow(/does not read: blk\.5\.attn_q\.weight/);
    await expect(reading({ nextn_predict_layers: 4 })).rejects.toThrow(/4 is not an integer in 0 .. 3/);
  });
});

describe("refused are", () => {
  it.each<[string, ArchitectureShape["keys"], RegExp]>([
    ["layers that all attend", { full_attention_interval: 1 }, /0 of 4 layers have gated DeltaNet; supported: some/],
    ["none that attends", { full_attention_interval: 5 }, /4 of 4 layers have gated DeltaNet/],
    ["heads of another size than the state's", { "ssm.inner_size": 128 }, /ssm\.inner_size is 128, and 4 heads of 16/],
    [
      "heads that the kernel does not take",
      { "ssm.state_size": 24, "ssm.inner_size": 96 },
      /ssm\.state_size is 24; supported: multiples of 16/,
    ],
    [
      "sections that leave a pair",
      { "rope.dimension_sections": [1, 1, 1, 0] },
      /three sections that share all 4 pairs/,
    ],
  ])("%s", async (_, changes, message) => {
    await expect(reading(changes)).rejects.toThrow(message);
    await expect(reading(changes)).rejects.toThrow(UnsupportedError);
  });

  it.each<[string, ArchitectureShape["keys"], RegExp]>([
    [
      "heads of keys that do not divide those of values",
      { "ssm.group_count": 3 },
      /3 heads of keys do not divide the 4/,
    ],
    ["a convolution of one row", { "ssm.conv_kernel": 1 }, /1 is not an integer in 2 .. 16/],
    ["a list of another length", { "attention.recurrent_layers": [true, false] }, /2 values for 4 layers/],
  ])("%s", async (_, changes, message) => {
    await expect(reading(changes)).rejects.toThrow(message);
    await expect(reading(changes)).rejects.toThrow(GgufError);
  });
});
