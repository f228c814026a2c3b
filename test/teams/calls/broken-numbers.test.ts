// Models whose numbers are broken: a result that is not a number is an error of its call, whatever is asked of the model, and an answer
// with numbers is given to everybody else.

import { loadModel, type Model } from "cria";
import { openGguf } from "cria/gguf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { architectureModel } from "../../support/architecture-model.js";
import { fixtureModel } from "../../support/fixture-model.js";

const BROKEN = 7;
const nan = { code: "NAN_LOGITS", message: expect.stringMatching(/is NaN: the model's numbers are broken$/) };

/** A copy of a model in which one token's embedding is NaN. */
async function withBrokenToken(file: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const { shape, offset } = (await openGguf(file)).tensor("token_embd.weight")!;
  const copy = file.slice();
  new DataView(copy.buffer).setFloat32(offset + BROKEN * shape[0]! * 4, Number.NaN, true);
  return copy;
}

describe("a decoder", () => {
  let model: Model;
  beforeAll(async () => {
    const shape = { dim: 64, layers: 1, heads: 2, kvHeads: 1, ffn: 64, vocab: 512, format: () => "F32" as const };
    const file = await fixtureModel({ ...shape, tied: false });
    model = await loadModel(await withBrokenToken(file), { threads: 2, contextSize: 256, sequences: 4 });
  });
  afterAll(() => model.dispose());

  it("refuses to generate", async () => {
    await expect(model.complete([1, BROKEN, 2], { maxTokens: 2, temperature: 0 })).rejects.toMatchObject(nan);
    await expect(model.complete([1, BROKEN, 2], { maxTokens: 2, temperature: 1 })).rejects.toMatchObject(nan);
  });

  it.each(["last", "all"] as const)("refuses to evaluate (%s), and leaves the sequence as it was", async (logits) => {
    const sequence = model.createSequence();
    const whole = await sequence.evaluate([1, 2, 3]);
    sequence.truncate(1);
    await expect(sequence.evaluate([2, BROKEN], { logits })).rejects.toMatchObject(nan);
    expect(sequence.position).toBe(1);
    expect(await sequence.evaluate([2, 3])).toEqual(whole);
    sequence.dispose();
  });

  it.each(["mean", "last"] as const)("refuses to embed (%s), and answers the others", async (pooling) => {
    const alone = await model.embed([[1, 2, 3]], { pooling });
    const [broken, fine] = await Promise.allSettled([
      model.embed(
        [
          [1, 2],
          [3, BROKEN],
          [4, 5],
        ],
        { pooling },
      ),
      model.embed([[1, 2, 3]], { pooling }),
    ]);
    expect(broken).toMatchObject({ status: "rejected", reason: nan });
    expect(fine).toEqual({ status: "fulfilled", value: alone });
  });
});

it.each(["mean", "cls", "none"] as const)("an encoder refuses to embed (%s)", async (pooling) => {
  const file = await architectureModel({ architecture: "bert", has: (name) => name === "token_types.weight" });
  const model = await loadModel(await withBrokenToken(file), { threads: 1, contextSize: 64 });
  try {
    await expect(model.embed([[BROKEN, 9]], { pooling })).rejects.toMatchObject(nan);
    expect((await model.embed([[8, 9]], { pooling })).length).toBe(1);
  } finally {
    await model.dispose();
  }
});
