// Within one build of the kernels, logits are the same to the last bit: for any number of threads, any chunks of the prompt, alone or
// beside others, after truncate and fork. On every Node, too: node-versions.test.ts.

import { writeFileSync } from "node:fs";
import type { KernelBuild, Model } from "cria";
import { beforeAll, describe, expect, it } from "vitest";
import { fixtureModel, randomIds } from "../../support/fixture-model.js";
import { type IdentityModel, identityModels } from "../../support/identity-models.js";
import { fastestBuild, kernelBuilds, loadWith } from "../../support/kernel-builds.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

/** All logits of the ids, evaluated in chunks of a size. */
async function inChunks(model: Model, ids: readonly number[], size: number): Promise<Float32Array> {
  const { vocabularySize } = model.info;
  const logits = new Float32Array(ids.length * vocabularySize);
  const sequence = model.createSequence();
  for (let first = 0; first < ids.length; first += size) {
    const chunk = ids.slice(first, first + size);
    logits.set(await sequence.evaluate(chunk, { logits: "all" }), first * vocabularySize);
  }
  sequence.dispose();
  return logits;
}

/** The logits of the last token, with a prompt evaluated at once: the path of `generate`. */
async function lastOnly(model: Model, ids: readonly number[]): Promise<Float32Array> {
  const sequence = model.createSequence();
  const logits = await sequence.evaluate(ids);
  sequence.dispose();
  return logits;
}

/** The same ids beside three other sequences, which evaluate and generate in the same steps. */
async function besideOthers(model: Model, ids: readonly number[]): Promise<Float32Array> {
  const { vocabularySize } = model.info;
  const long = model.createSequence();
  const others = [
    long.evaluate(randomIds(Math.ceil(0.9 * ids.length), vocabularySize, 7), { logits: "all" }),
    model.complete(randomIds(50, vocabularySize, 8), { maxTokens: 40, seed: 1 }),
    model.complete(randomIds(3, vocabularySize, 9), { maxTokens: 60, temperature: 0 }),
  ];
  const logits = await inChunks(model, ids, 150);
  await Promise.all(others);
  long.dispose();
  return logits;
}

/** The ids from `cut` on, after a detour that is truncated; and of a fork at `cut`, while the original goes elsewhere. */
async function afterTruncateAndFork(model: Model, ids: readonly number[], cut: number) {
  const { vocabularySize } = model.info;
  const detour = randomIds(90, vocabularySize, 10);
  const sequence = model.createSequence();
  await sequence.evaluate(ids.slice(0, cut));
  await sequence.evaluate(detour);
  sequence.truncate(cut);
  const fork = sequence.fork();
  const [, forked] = await Promise.all([
    sequence.evaluate(detour.slice(5)),
    fork.evaluate(ids.slice(cut), { logits: "all" }),
  ]);
  sequence.truncate(cut);
  const truncated = await sequence.evaluate(ids.slice(cut), { logits: "all" });
  // A fork that is cut back into a page that it shares must not write into it.
  fork.truncate(cut - 3);
  await fork.evaluate(detour);
  sequence.truncate(cut);
  const again = await sequence.evaluate(ids.slice(cut), { logits: "all" });
  for (const one of [sequence, fork]) one.dispose();
  return { forked, truncated, again };
}

function expectSame(actual: Float32Array, expected: Float32Array, what: string): void {
  const bits = (logits: Float32Array) => new Int32Array(logits.buffer, logits.byteOffset, logits.length);
  expect(actual.length, what).toBe(expected.length);
  expect(expected.every(Number.isFinite), `${what}: finite`).toBe(true);
  const [a, b] = [bits(actual), bits(expected)];
  expect(
    a.findIndex((word, i) => word !== b[i]),
    `${what}: first logit that differs`,
  ).toBe(-1);
}

/** How a model is loaded: threads of steps of one row, and of several. */
type ThreadCounts = readonly [threads: number, threadsBatch: number];

/** What depends on how rows, heads and tokens are shared out: matrices by one vector and by several, and many sequences in one step. */
async function expectSameSharing(
  model: Model,
  ids: readonly number[],
  expected: Float32Array,
  on: string,
): Promise<void> {
  expectSame(await inChunks(model, ids, ids.length), expected, `${on}, one chunk`);
  expectSame(await inChunks(model, ids, 1), expected, `${on}, token by token`);
  expectSame(await besideOthers(model, ids), expected, `${on}, beside others`);
}

/** What depends on the pages of the cache and on where a prompt is cut. */
async function expectSamePaths(
  model: Model,
  ids: readonly number[],
  expected: Float32Array,
  cuts: readonly number[],
  on: string,
): Promise<void> {
  const { vocabularySize } = model.info;
  expectSame(await inChunks(model, ids, 7), expected, `${on}, chunks of 7`);
  expectSame(await lastOnly(model, ids), expected.subarray(-vocabularySize), `${on}, last logits only`);
  for (const cut of cuts) {
    const rest = expected.subarray(cut * vocabularySize);
    const { forked, truncated, again } = await afterTruncateAndFork(model, ids, cut);
    expectSame(forked, rest, `${on}, forked at ${cut}`);
    expectSame(truncated, rest, `${on}, truncated to ${cut}`);
    expectSame(again, rest, `${on}, truncated to ${cut} again`);
  }
}

const folder = temporaryFolder();
const pathOf = ({ name }: Pick<IdentityModel, "name">) => folder.path(`${name}.gguf`);
beforeAll(async () => {
  for (const model of identityModels) writeFileSync(pathOf(model), await fixtureModel(model.shape));
});

const cases = identityModels.flatMap((model) => model.caches.map((kvCache) => ({ ...model, kvCache })));

/** A model in a build of the kernels, with these threads; `use` is given its logits on one thread, too. */
async function compare(
  build: KernelBuild,
  { kvCache, shape, tokens, ...identityModel }: (typeof cases)[number],
  counts: readonly ThreadCounts[],
  use: (model: Model, ids: readonly number[], expected: Float32Array, on: string) => Promise<void>,
): Promise<void> {
  const load = ([threads, threadsBatch]: ThreadCounts) =>
    loadWith(build, pathOf(identityModel), {
      threads,
      threadsBatch,
      kvCache,
      sequences: 4,
      contextSize: Math.max(300, tokens + 30),
    });
  const ids = randomIds(tokens, shape.vocab);
  const alone = await load([1, 1]);
  const expected = await inChunks(alone, ids, tokens);
  await alone.dispose();
  for (const count of counts) {
    const model = await load(count);
    try {
      await use(model, ids, expected, `${count.join("/")} threads`);
    } finally {
      await model.dispose();
    }
  }
}

describe(`logits are bit-identical, kernels ${fastestBuild}`, () => {
  it.each(cases)("$name, $kvCache", async (identityModel) => {
    await compare(fastestBuild, identityModel, [[3, 3]], async (model, ids, expected, on) => {
      await expectSameSharing(model, ids, expected, on);
      await expectSamePaths(model, ids, expected, identityModel.cuts, on);
    });
  });

  // How work is shared out is the same TypeScript for every cache.
  it.each(cases.filter(({ kvCache }) => kvCache === "f16"))("$name, other threads", async (identityModel) => {
    const counts = [
      [2, 2],
      [4, 4],
      [1, 3],
      [3, 2],
    ] as const;
    await compare(fastestBuild, identityModel, counts, expectSameSharing);
  });
});

// Of another build, only kernels are different, which test/kernels holds to the same results whatever is computed beside them.
describe.each(kernelBuilds.slice(0, -1))("logits are bit-identical, kernels %s", (build) => {
  it.each(cases.filter(({ kvCache }) => kvCache === "f16"))("$name", async (identityModel) => {
    await compare(build, identityModel, [[3, 3]], expectSameSharing);
  });
});
