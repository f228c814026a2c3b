// Sampling against a reference that sorts everything and takes no shortcut, against the laws of probability, and against
// recorded sequences.

import { describe, expect, it } from "vitest";
import { exp, log } from "../../dist/sampling/exponential.js";
import { Random } from "../../dist/sampling/random.js";
import { Sampler, type SamplingOptions } from "../../dist/sampling/sampler.js";
import fc from "../support/fast-check.js";
import { referenceDistribution } from "../support/reference-sampler.js";

const NEUTRAL: SamplingOptions = { temperature: 1, topK: 0, topP: 1, minP: 0, typicalP: 1 };

/** Logits like a model's: normal, some tokens far above the rest. */
function modelLikeLogits(size: number, seed: number): Float32Array {
  const random = Random.seeded(seed);
  return Float32Array.from({ length: size }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += random.nextFraction();
    return sum * 2.5 + (random.nextFraction() < 0.002 ? 6 : 0);
  });
}

/** Draws from `sampler` and checks each token against the reference's cumulative distribution at the same random number. */
function expectSameDraws(
  options: SamplingOptions,
  history: readonly number[],
  logits: Float32Array,
  draws: number,
): void {
  const sampler = new Sampler(options, logits.length);
  for (const id of history) sampler.accept(id);
  const random = Random.seeded(sampler.seed);
  const p = referenceDistribution({ options, history, logits });
  for (let draw = 0; draw < draws; draw++) {
    const { id } = sampler.sample(logits);
    expect(p[id], `token ${id} is not a candidate`).toBeGreaterThan(0);
    if (options.temperature === 0) continue;
    const fraction = random.nextFraction();
    const below = p.slice(0, id).reduce((a, b) => a + b, 0);
    expect(fraction).toBeGreaterThan(below - 1e-9);
    expect(fraction).toBeLessThan(below + p[id]! + 1e-9);
  }
}

const optionsArbitrary = fc.record({
  temperature: fc.constantFrom(0, 0.01, 0.5, 0.8, 1, 2),
  topK: fc.constantFrom(0, 1, 2, 5, 40),
  topP: fc.constantFrom(0, 0.1, 0.503, 0.951, 1),
  minP: fc.constantFrom(0, 0.0503, 0.3, 1),
  typicalP: fc.constantFrom(0, 0.207, 0.903, 1, 1),
  repeatPenalty: fc.constantFrom(1, 1, 1.3, 0.7),
  frequencyPenalty: fc.constantFrom(0, 0, 0.4, -0.3),
  presencePenalty: fc.constantFrom(0, 0, 0.7),
  penaltyLastN: fc.constantFrom(-1, 0, 1, 3, 64),
  logitBias: fc.constantFrom(new Map(), new Map([[0, 2]]), new Map([[1, Number.NEGATIVE_INFINITY]])),
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});

describe("the chain of samplers", () => {
  it("draws what the sorted reference draws, whatever the options", () => {
    fc.assert(
      fc.property(
        optionsArbitrary,
        fc.integer({ min: 2, max: 60 }),
        fc.integer(),
        fc.array(fc.nat(1), { maxLength: 10 }),
        (options, size, seed, history) => expectSameDraws(options, history, modelLikeLogits(size, seed), 8),
      ),
      { numRuns: 1500 },
    );
  });

  it("breaks ties by the lowest id", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(-1, -0, 0, 0.5, 3), { minLength: 1, maxLength: 50 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(1000),
        (values, topK, seed) => expectSameDraws({ ...NEUTRAL, topK, seed }, [], Float32Array.from(values), 8),
      ),
      { numRuns: 300 },
    );
    expect(new Sampler({ temperature: 0 }, 4).sample(Float32Array.of(1, 7, 7, 7)).id).toBe(1);
  });

  it.each([
    { topK: 40, topP: 0.95, minP: 0.05 },
    { topK: 1000, topP: 0.9, minP: 0 },
    { topK: 0, topP: 0.9, minP: 0 },
    { topK: 0, topP: 1, minP: 0.02 },
    { topK: 0, topP: 1, minP: 0 },
    { topK: 0, topP: 1, minP: 0, typicalP: 0.7 },
  ])("finds the same candidates among 20,000 tokens: %o", (options) => {
    expectSameDraws({ temperature: 0.8, seed: 3, ...options }, [], modelLikeLogits(20_000, 5), 20);
    // ascending logits displace the kept ones at every token: the worst case of gathering
    const ascending = Float32Array.from({ length: 20_000 }, (_, id) => id / 4000);
    expectSameDraws({ temperature: 0.8, seed: 4, ...options }, [], ascending, 20);
  });

  it("is greedy at temperature 0, whatever else is set", () => {
    const logits = modelLikeLogits(500, 9);
    const best = logits.indexOf(Math.max(...logits));
    for (const options of [{}, { topK: 3 }, { typicalP: 0.1 }, { topP: 0.2, minP: 0.9 }, { seed: 8 }]) {
      expect(new Sampler({ ...options, temperature: 0 }, 500).sample(logits).id).toBe(best);
    }
  });

  it("leaves the caller's logits as they are", () => {
    const logits = modelLikeLogits(100, 3);
    const before = logits.slice();
    const sampler = new Sampler({ repeatPenalty: 1.5, logitBias: { "3": -5 }, logprobs: true }, 100);
    sampler.accept(4);
    sampler.sample(logits);
    expect(logits).toEqual(before);
  });
});

describe("the distribution of draws", () => {
  // 99.9 % points of the chi-square distribution
  const CRITICAL: Readonly<Record<number, number>> = {
    1: 10.83,
    2: 13.82,
    3: 16.27,
    4: 18.47,
    5: 20.52,
    6: 22.46,
    7: 24.32,
  };
  const logits = Float32Array.of(1, 2, 0.5, -1, 3, 2.5, 0, 1.5);

  it.each([
    NEUTRAL,
    { ...NEUTRAL, temperature: 0.5 },
    { ...NEUTRAL, topK: 4 },
    { ...NEUTRAL, topP: 0.8 },
    { ...NEUTRAL, minP: 0.1, temperature: 1.5 },
    { ...NEUTRAL, typicalP: 0.6 },
  ])("is the reference's: %o", (options) => {
    for (const seed of [0, 1, 2, 2 ** 32 - 1]) {
      const sampler = new Sampler({ ...options, seed }, logits.length);
      const draws = 20_000;
      const counts = new Array<number>(logits.length).fill(0);
      for (let i = 0; i < draws; i++) counts[sampler.sample(logits).id]!++;
      const p = referenceDistribution({ options, history: [], logits });
      let chiSquare = 0;
      for (const [id, count] of counts.entries()) {
        if (p[id] === 0) expect(count).toBe(0);
        else chiSquare += (count - draws * p[id]!) ** 2 / (draws * p[id]!);
      }
      expect(chiSquare).toBeLessThan(CRITICAL[p.filter((value) => value > 0).length - 1]!);
    }
  });
});

describe("seeds", () => {
  it("give the recorded sequence, on every machine and every version of Node", () => {
    const logits = modelLikeLogits(1000, 77);
    const draw = (options: SamplingOptions): number[] => {
      const sampler = new Sampler({ repeatPenalty: 1.1, ...options }, 1000);
      return Array.from({ length: 12 }, () => {
        const { id } = sampler.sample(logits);
        sampler.accept(id);
        return id;
      });
    };
    expect({
      defaults: draw({ seed: 42 }),
      again: draw({ seed: 42 }),
      wide: draw({ seed: 42, topK: 0, topP: 0.99, minP: 0, temperature: 1.5 }),
      typical: draw({ seed: 43, topK: 0, typicalP: 0.5 }),
    }).toMatchInlineSnapshot(`
      {
        "again": [
          637,
          73,
          73,
          73,
          971,
          144,
          971,
          690,
          637,
          637,
          73,
          348,
        ],
        "defaults": [
          637,
          73,
          73,
          73,
          971,
          144,
          971,
          690,
          637,
          637,
          73,
          348,
        ],
        "typical": [
          889,
          971,
          73,
          104,
          73,
          73,
          822,
          637,
          954,
          104,
          690,
          572,
        ],
        "wide": [
          637,
          73,
          73,
          10,
          908,
          182,
          971,
          771,
          524,
          572,
          144,
          298,
        ],
      }
    `);
  });

  it("are chosen and reported where none is given, and reproduce the draws", () => {
    const logits = modelLikeLogits(1000, 78);
    const sampler = new Sampler(NEUTRAL, 1000);
    const other = new Sampler(NEUTRAL, 1000);
    expect(Number.isInteger(sampler.seed) && sampler.seed >= 0 && sampler.seed < 2 ** 32).toBe(true);
    expect(other.seed).not.toBe(sampler.seed);
    const again = new Sampler({ ...NEUTRAL, seed: sampler.seed }, 1000);
    for (let i = 0; i < 20; i++) expect(again.sample(logits)).toEqual(sampler.sample(logits));
  });
});

describe("log probabilities", () => {
  it("are the log softmax of the raw logits, whatever the options", () => {
    const logits = modelLikeLogits(300, 21);
    logits[7] = Number.NEGATIVE_INFINITY;
    const largest = Math.max(...logits);
    const logSum = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    const expected = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, 20);
    for (const options of [{}, { temperature: 0 }, { logitBias: { "9": 50 } }, { topK: 1 }]) {
      const { id, logprob, top } = new Sampler({ ...options, logprobs: true, topLogprobs: 20 }, 300).sample(logits);
      expect(logprob).toBeCloseTo(logits[id]! - logSum, 10);
      expect(top!.map((token) => token.id)).toEqual(expected);
      for (const token of top!) expect(token.logprob).toBeCloseTo(logits[token.id]! - logSum, 10);
    }
  });

  it("come with as many alternatives as asked for, at most the whole vocabulary", () => {
    const logits = Float32Array.of(0, 0, 0);
    const top = (topLogprobs?: number) => new Sampler({ logprobs: true, topLogprobs }, 3).sample(logits).top!;
    expect(top()).toEqual([]);
    expect(top(2).map(({ id }) => id)).toEqual([0, 1]);
    expect(top(20).map(({ id }) => id)).toEqual([0, 1, 2]);
    expect(new Sampler({}, 3).sample(logits)).not.toHaveProperty("logprob");
  });
});

describe("bad input", () => {
  it.each<[string, unknown]>([
    ["temperature", -0.1],
    ["temperature", Number.NaN],
    ["temperature", "0.8"],
    ["temperature", Number.POSITIVE_INFINITY],
    ["topK", -1],
    ["topK", 1.5],
    ["topP", 1.01],
    ["minP", -0.01],
    ["typicalP", Number.NaN],
    ["repeatPenalty", 0],
    ["frequencyPenalty", 101],
    ["presencePenalty", -101],
    ["penaltyLastN", -2],
    ["penaltyLastN", 2 ** 21],
    ["seed", -1],
    ["seed", 2 ** 32],
    ["seed", 0.5],
    ["logprobs", 3],
    ["topLogprobs", 2],
    ["logitBias", 3],
    ["logitBias", { "1e1": 1 }],
    ["logitBias", { "100": 1 }],
    ["logitBias", new Map([[-1, 1]])],
    ["logitBias", { "1": Number.NaN }],
    ["logitBias", { "1": Number.POSITIVE_INFINITY }],
  ])("%s = %o is refused by name", (name, value) => {
    const build = (): Sampler => new Sampler({ [name]: value } as SamplingOptions, 100);
    expect(build).toThrow(expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining(name) }));
  });

  it("broken logits are one clear error", () => {
    for (const options of [{}, { temperature: 0 }, { topK: 0 }, { logitBias: { "0": 1 } }]) {
      const sampler = new Sampler(options, 3);
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const message = `the logit of token 1 is ${value}`;
        const error = expect.objectContaining({ code: "NAN_LOGITS", message: expect.stringContaining(message) });
        expect(() => sampler.sample(Float32Array.of(5, value, 1))).toThrow(error);
      }
      const banned = new Float32Array(3).fill(Number.NEGATIVE_INFINITY);
      expect(() => sampler.sample(banned)).toThrow(expect.objectContaining({ code: "NO_CANDIDATES" }));
      expect(() => sampler.sample(new Float32Array(2))).toThrow(expect.objectContaining({ code: "INVALID_LOGITS" }));
      expect(sampler.sample(Float32Array.of(-Infinity, 1, -Infinity)).id).toBe(1);
    }
  });
});

describe("the arithmetic below", () => {
  it("exp and log are those of Math within 2 units in the last place", () => {
    const ulps = (a: number, b: number): number =>
      a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(b) * 2 ** -53, 2 ** -1074);
    fc.assert(
      fc.property(fc.double({ min: -745, max: 709, noNaN: true }), (x) => {
        expect(ulps(exp(x), Math.exp(x))).toBeLessThanOrEqual(4);
      }),
      { numRuns: 5000 },
    );
    fc.assert(
      fc.property(fc.double({ min: Number.MIN_VALUE, noNaN: true }), (x) => {
        expect(ulps(log(x), Math.log(x))).toBeLessThanOrEqual(4);
      }),
      { numRuns: 5000 },
    );
    for (const x of [0, -0, -800, 800, Infinity, -Infinity, Number.NaN]) {
      expect(exp(x)).toBe(Math.exp(x));
      expect(log(x)).toBe(Math.log(x));
    }
  });

  it("the generator is xoshiro128**: its authors' first numbers from the state 1, 2, 3, 4", () => {
    const random = new Random([1, 2, 3, 4]);
    const numbers = Array.from({ length: 10 }, () => random.nextInteger());
    expect(numbers).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });
});
