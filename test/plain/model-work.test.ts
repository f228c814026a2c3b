// What `cria bench` takes for the least that a model must read: of a mixture of experts, the chosen ones.

import { openGguf } from "cria/gguf";
import { openKernels } from "cria/kernels";
import { expect, it } from "vitest";
import { planModel } from "../../dist/api/load/plan-model.js";
import { ModelWork } from "../../dist/lab/model-work.js";
import { compileKernels } from "../../dist/machine/kernels.js";
import { architectureModel } from "../support/architecture-model.js";

const keys = { expert_count: 6, expert_used_count: 2, expert_feed_forward_length: 48 };

async function workOf(architecture: string): Promise<{ work: ModelWork; sizes: ReadonlyMap<string, number> }> {
  const gguf = await openGguf(await architectureModel({ architecture, keys: architecture === "qwen3" ? {} : keys }));
  const planned = await planModel(gguf, { threads: 1 }, await compileKernels());
  const sizes = new Map(gguf.tensors.map(({ name, bytes }) => [name, bytes]));
  return { work: new ModelWork(planned, (await openKernels()).formats), sizes };
}

/** Bytes of the tensors whose names have this in them. */
const bytesOf = (sizes: ReadonlyMap<string, number>, part: RegExp) =>
  [...sizes].filter(([name]) => part.test(name)).reduce((sum, [, bytes]) => sum + bytes, 0);

const matrices = /token_embd|attn_(q|k|v|output)\.weight|ffn_(gate|up|down|gate_inp)\.weight/;

it("a dense model reads all of its matrices for a token", async () => {
  const { work, sizes } = await workOf("qwen3");
  expect(work.weightBytes).toBe(bytesOf(sizes, matrices));
  expect(work.decode(3, 0, 1).bytes).toBeGreaterThan(3 * work.weightBytes);
});

it("a mixture reads 2 of 6 experts for a token, and multiplies by 2 for each row", async () => {
  const { work, sizes } = await workOf("qwen3moe");
  const experts = bytesOf(sizes, /_exps\./);
  const others = bytesOf(sizes, matrices);
  expect(experts).toBe(4 * 3 * 6 * 48 * 40 * 4);
  expect(work.weightBytes).toBeCloseTo(others + experts / 3, 6);
  // Of three rows that choose at random, all leave an expert out with the probability (2/3)^3.
  const caches = work.decode(1, 0, 3).bytes - (others + experts * (1 - (2 / 3) ** 3));
  expect(caches).toBeCloseTo(3 * (work.decode(1, 0, 1).bytes - work.weightBytes), 6);
  const products = (others + experts / 3) / 2; // 2 operations for each of 4 bytes
  const attention = 4 * 4 * 4 * 12; // layers, 4 headDim for each head
  expect(work.decode(1, 0, 1).operations.f32).toBeCloseTo(products + attention, 6);
  expect(work.decode(1, 0, 3).operations.f32).toBeCloseTo(3 * (products + attention), 6);
});
