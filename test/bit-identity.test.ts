// Within one build of the kernels, logits are the same to the last bit: for any number of threads, any chunks of the prompt, alone or
// beside others, after truncate and fork, on every Node.

import { writeFileSync } from "node:fs";
import type { KvCacheType, LoadSource, Model } from "cria";
import type { TensorTypeName } from "cria/gguf";
import { beforeAll, describe, expect, it } from "vitest";
import { formatNames } from "./dequantize.js";
import { type FixtureShape, fixtureModel, randomIds } from "./fixture-model.js";
import { kernelBuilds, loadWith } from "./kernel-builds.js";
import { hasReferenceData, readJson, referenceData } from "./reference-data.js";
import { runProgram } from "./run-program.js";
import { temporaryFolder } from "./temporary-folder.js";

/** Gives the matrices of a model these formats, one after the other. */
function cycle(...formats: readonly TensorTypeName[]): (name: string) => TensorTypeName {
  const given = new Map<string, TensorTypeName>();
  return (name) => {
    const format = given.get(name) ?? formats[given.size % formats.length];
    given.set(name, format);
    return format;
  };
}

/** Matrices with 72 or 172 columns have no blocks of 32: they stay in 16 or 32 bits, as llama.cpp leaves them. */
function oddFormats(): (name: string) => TensorTypeName {
  const blocks = cycle("Q8_0", "Q4_0", "Q5_1", "IQ4_NL", "Q4_1", "Q5_0", "MXFP4");
  const plain = cycle("F16", "BF16", "F32");
  return (name) => (/attn_output|ffn_down/.test(name) ? plain(name) : blocks(name));
}

interface Fixture {
  readonly name: string;
  readonly shape: FixtureShape;
  readonly caches: readonly KvCacheType[];
  readonly tokens: number;
  /** Where sequences are truncated and forked. */
  readonly cuts: readonly number[];
}

// More rows than a step takes, more positions than four pages; cuts between pages and within.
const long = { tokens: 270, cuts: [64, 100, 191] };

// Together: all formats, tied and untied, GQA, biases, a window, rows of no multiple of 8, rows longer than a chunk of a matmul (2048).
const fixtures: readonly Fixture[] = [
  {
    name: "odd shapes",
    shape: {
      ...{ dim: 96, layers: 2, heads: 6, kvHeads: 3, headDim: 12, ffn: 172, vocab: 517, biases: true },
      format: oddFormats(),
    },
    caches: ["f16", "f32"],
    ...long,
  },
  {
    name: "K-quants",
    shape: {
      ...{ dim: 256, layers: 2, heads: 4, kvHeads: 2, ffn: 512, vocab: 515, tied: false },
      format: cycle("Q4_K", "Q6_K", "Q5_K", "Q3_K", "Q2_K", "IQ4_XS", "Q8_0"),
      keys: { "attention.sliding_window": 100 },
    },
    caches: ["f16", "f32", "q8_0"],
    ...long,
  },
  {
    name: "long rows",
    shape: {
      ...{ dim: 64, layers: formatNames.length, heads: 2, kvHeads: 1, ffn: 2304, vocab: 512 },
      format: (name) => (name.endsWith("ffn_down") ? formatNames[Number(name.split(".")[1])] : "Q8_0"),
    },
    caches: ["f16"],
    tokens: 41,
    cuts: [20],
  },
];

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

/** Threads of steps of one row, and of several. */
type ThreadCounts = readonly [threads: number, threadsBatch: number];

/** Holds a model, on each number of threads, to what it gives in one chunk on the first. */
async function expectIdentity(
  load: (...counts: ThreadCounts) => Promise<Model>,
  threadCounts: readonly ThreadCounts[],
  ids: readonly number[],
  cuts: readonly number[],
): Promise<void> {
  let expected: Float32Array | undefined;
  for (const counts of threadCounts) {
    const model = await load(...counts);
    try {
      const { vocabularySize } = model.info;
      expected ??= await inChunks(model, ids, ids.length);
      const on = `${counts.join("/")} threads`;
      expectSame(await inChunks(model, ids, ids.length), expected, `${on}, one chunk`);
      expectSame(await inChunks(model, ids, 7), expected, `${on}, chunks of 7`);
      expectSame(await inChunks(model, ids, 1), expected, `${on}, token by token`);
      expectSame(await lastOnly(model, ids), expected.subarray(-vocabularySize), `${on}, last logits only`);
      expectSame(await besideOthers(model, ids), expected, `${on}, beside others`);
      for (const cut of cuts) {
        const rest = expected.subarray(cut * vocabularySize);
        const { forked, truncated, again } = await afterTruncateAndFork(model, ids, cut);
        expectSame(forked, rest, `${on}, forked at ${cut}`);
        expectSame(truncated, rest, `${on}, truncated to ${cut}`);
        expectSame(again, rest, `${on}, truncated to ${cut} again`);
      }
    } finally {
      await model.dispose();
    }
  }
}

const folder = temporaryFolder();
const pathOf = ({ name }: Fixture) => folder.path(`${name}.gguf`);
beforeAll(async () => {
  for (const fixture of fixtures) writeFileSync(pathOf(fixture), await fixtureModel(fixture.shape));
});

const cases = fixtures.flatMap((fixture) => fixture.caches.map((kvCache) => ({ ...fixture, kvCache })));

describe.each(kernelBuilds)("logits are bit-identical, kernels %s", (build) => {
  const load =
    (source: LoadSource, kvCache: KvCacheType) =>
    (...[threads, threadsBatch]: ThreadCounts) =>
      loadWith(build, source, { threads, threadsBatch, kvCache, sequences: 4, contextSize: 300 });

  it.each(cases)("$name, $kvCache", async (fixture) => {
    const ids = randomIds(fixture.tokens, fixture.shape.vocab);
    const counts: ThreadCounts[] = [
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
      [1, 3],
      [3, 2],
    ];
    await expectIdentity(load(pathOf(fixture), fixture.kvCache), counts, ids, fixture.cuts);
  });

  const microTypes = hasReferenceData
    ? readJson<{ rows: readonly { type: string }[] }>("micro/index.json").rows.map(({ type }) => type)
    : [];

  it.skipIf(!hasReferenceData).each(microTypes)("micro/%s", async (type) => {
    const ids = readJson<number[]>("micro/tokens.json");
    await expectIdentity(
      load(referenceData(`micro/${type}.gguf`), "f16"),
      [
        [1, 1],
        [3, 3],
      ],
      ids,
      [20],
    );
  });
});

const otherNode = process.env["CRIA_OTHER_NODE"];

describe.skipIf(otherNode === undefined)("on another Node (CRIA_OTHER_NODE)", () => {
  const program = new URL("programs/logits-digest.mjs", import.meta.url);
  const otherHasVnni = () =>
    runProgram('const m = await import("./dist/machine/kernels.js"); console.log((await m.compileKernels()).build);', {
      node: otherNode!,
      env: { CRIA_KERNELS: "" },
    }).stdout === "vnni\n";

  it.for(kernelBuilds.flatMap((build) => fixtures.map((fixture) => ({ ...fixture, build }))))(
    "logits are the same bits: $name, kernels $build",
    (fixture, { skip }) => {
      skip(fixture.build === "vnni" && !otherHasVnni(), "the other Node has no VNNI dot product");
      const args = [
        pathOf(fixture),
        "2",
        randomIds(Math.min(140, fixture.tokens), fixture.shape.vocab).join(","),
        fixture.caches.join(","),
      ];
      const env = { CRIA_KERNELS: fixture.build };
      const { stdout } = runProgram(program, { args, env });
      expect(stdout.trim().split("\n").length).toBe(fixture.caches.length);
      expect(runProgram(program, { args, env, node: otherNode! }).stdout).toBe(stdout);
    },
  );
});
