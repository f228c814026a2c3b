// The engine's forward pass against the scalar reference, on models of the tests' own: shapes, variants of RoPE, windows, biases, and
// every weight format.

import type { KernelBuild, KvCacheType } from "cria";
import { afterAll, describe, expect, it } from "vitest";
import { formatNames } from "../../support/dequantize.js";
import { type FixtureShape, fixtureModel, randomIds, referenceOf } from "../../support/fixture-model.js";
import { fastestBuild, kernelBuilds, loadWith } from "../../support/kernel-builds.js";
import { forward } from "../../support/reference/forward.js";
import { relativeError } from "../../support/reference/relative-error.js";

// Prompts of more rows than one step takes, and of more positions than four pages of the cache: where pages matter. Else of two pages.
const LONG = 270;
const SHORT = 70;
const tokensOf = (name: string) => (/an odd shape|KV head|window/.test(name) ? LONG : SHORT);
/** Of weights' formats: full tiles of tokens, and the rest of one. */
const FEW = 11;

/** Rows, columns and heads of no round number: q has 72 rows, k and v 36, the feed-forward 172, the vocabulary 517. */
const odd: FixtureShape = {
  dim: 96,
  layers: 2,
  heads: 6,
  kvHeads: 3,
  headDim: 12,
  ffn: 172,
  vocab: 517,
  format: () => "F32",
};

const variants: Readonly<Record<string, Partial<FixtureShape>>> = {
  "an odd shape": {},
  "heads of 4": { heads: 5, kvHeads: 1, headDim: 4 },
  "a width of 50": { dim: 50, ffn: 90, heads: 2, kvHeads: 2, headDim: 20 },
  "as many KV heads as heads": { heads: 3, kvHeads: 3, headDim: 32 },
  "eight heads on one KV head": { heads: 8, kvHeads: 1, headDim: 16 },
  "an output matrix of its own": { tied: false },
  biases: { biases: true },
  "biases on rows of no multiple of 8": { biases: true, heads: 3, kvHeads: 1, headDim: 12, dim: 60 },
  "half of a head rotated": { headDim: 16, keys: { "rope.dimension_count": 8 } },
  "linear RoPE": { keys: { "rope.scaling.type": "linear", "rope.scaling.factor": 4 } },
  "a RoPE base of 500000": { keys: { "rope.freq_base": 500000 } },
  "llama3's rope_freqs": { ropeFactors: [1, 1, 1.5, 2.5, 4, 8] },
  yarn: {
    headDim: 32,
    keys: { "rope.scaling.type": "yarn", "rope.scaling.factor": 4, "rope.scaling.original_context_length": 128 },
  },
  "yarn with an attention factor": {
    keys: {
      "rope.scaling.type": "yarn",
      "rope.scaling.factor": 2.5,
      "rope.scaling.original_context_length": 64,
      "rope.scaling.attn_factor": 0.75,
    },
  },
  "a window of 1": { keys: { "attention.sliding_window": 1 } },
  "a window of 70": { keys: { "attention.sliding_window": 70 } },
  "a window of a page": { keys: { "attention.sliding_window": 64 } },
  "a window of two pages and one": { keys: { "attention.sliding_window": 129 } },
};

const references = new Map<string, Promise<{ file: Uint8Array<ArrayBuffer>; logits: Float32Array }>>();

/** A fixture, and what the reference makes of the first ids: computed once for all builds. */
function fixture(name: string, shape: FixtureShape, tokens: number) {
  let known = references.get(name);
  if (known === undefined) {
    known = fixtureModel(shape).then(async (file) => {
      const { logits } = forward(await referenceOf(file), randomIds(tokens, shape.vocab));
      return { file, logits };
    });
    references.set(name, known);
  }
  return known;
}

afterAll(() => references.clear());

async function evaluate(
  build: KernelBuild,
  file: Uint8Array<ArrayBuffer>,
  ids: readonly number[],
  kvCache: KvCacheType,
) {
  const model = await loadWith(build, file, { kvCache, threads: 2 });
  try {
    return await model.createSequence().evaluate(ids, { logits: "all" });
  } finally {
    await model.dispose();
  }
}

describe(`kernels ${fastestBuild}`, () => {
  it.each(Object.keys(variants))("%s", async (name) => {
    const shape = { ...odd, ...variants[name] };
    const { file, logits } = await fixture(name, shape, tokensOf(name));
    const ours = await evaluate(fastestBuild, file, randomIds(tokensOf(name), shape.vocab), "f32");
    expect(relativeError(logits, ours)).toBeLessThan(1e-5);
    expect(relativeError(logits.slice(-shape.vocab), ours.slice(-shape.vocab))).toBeLessThan(1e-5);
  });

  it.each([
    ["f16", 1e-3],
    ["q8_0", 2e-2],
  ] as const)("a cache of %s", async (kvCache, tolerance) => {
    const shape = { ...odd, ...variants["as many KV heads as heads"] };
    const { file, logits } = await fixture("as many KV heads as heads", shape, LONG);
    const error = relativeError(logits, await evaluate(fastestBuild, file, randomIds(LONG, shape.vocab), kvCache));
    expect(error).toBeLessThan(tolerance);
    expect(error).toBeGreaterThan(1e-5); // it is not the f32 cache
  });
});

// How weights are packed and which encoding of activations they meet is of a build, and goes through the plan of memory.
describe.each(kernelBuilds)("kernels %s", (build) => {
  // Formats of 32-bit activations are as exact as those; others round activations to 16 or 8 bits, those of wide sums always to 8.
  const exact = new Set(["F32", "F16", "BF16"]);
  const fine = new Set(build === "vnni" || build === "dotprod" ? [] : ["Q8_0", "IQ4_NL", "IQ4_XS"]);

  it.each(formatNames)("weights of %s", async (format) => {
    const shape: FixtureShape = {
      // 2304 columns are more than a matmul takes at once.
      ...{ dim: 256, layers: 1, heads: 4, kvHeads: 2, ffn: 2304, vocab: 517, tied: false },
      format: () => format,
    };
    const { file, logits } = await fixture(format, shape, FEW);
    const ours = await evaluate(build, file, randomIds(FEW, shape.vocab), "f32");
    const tolerance = exact.has(format) ? 1e-5 : fine.has(format) ? 2e-4 : 3e-2;
    expect(relativeError(logits, ours)).toBeLessThan(tolerance);
  });
});
