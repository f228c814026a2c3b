// Every sampler, and every order of them, against the plain reference and against the figures of llama.cpp's own tests
// (tests/test-sampling.cpp). Distributions are compared as they are, not drawn from.

import { readFileSync } from "node:fs";
import type { SamplerName, SamplingOptions } from "cria";
import { describe, expect, it } from "vitest";
import { Candidates } from "../../dist/sampling/candidates.js";
import { chainOf } from "../../dist/sampling/chain.js";
import type { FieldRow, OptionRow } from "../../dist/sampling/option-rows.js";
import { Random } from "../../dist/sampling/random.js";
import { resolveSampling } from "../../dist/sampling/resolve-sampling.js";
import { Sampler } from "../../dist/sampling/sampler.js";
import { mirostatOptions } from "../../dist/sampling/samplers/mirostat.js";
import { samplers } from "../../dist/sampling/samplers/table.js";
import type { TokenBreakers } from "../../dist/tokenizer/sequence-breakers.js";
import fc from "../support/fast-check.js";
import { DEFAULT_ORDER, referenceDistribution, referenceMirostat } from "../support/reference-sampler.js";

const SEED = 7;
/** The first random number of this seed, which XTC draws. */
const FIRST_FRACTION = Random.seeded(SEED).nextFraction();

function toBreakers(breakers: readonly (readonly number[])[]): TokenBreakers {
  return {
    singles: Int32Array.from(breakers.filter(({ length }) => length === 1).map(([id]) => id!)),
    sequences: breakers.filter(({ length }) => length > 1),
  };
}

/** The probability of each token, (vocab), at the end of the chain that a sampler runs. */
function distribution(
  options: SamplingOptions,
  history: readonly number[],
  logits: Float32Array,
  breakers: readonly (readonly number[])[] = [],
): number[] {
  const resolved = resolveSampling({ seed: SEED, ...options }, logits.length);
  const random = Random.seeded(resolved.seed);
  const { edits, topK, steps } = chainOf(resolved, { random, breakers: toBreakers(breakers) });
  for (const id of history) for (const step of [...edits, ...steps]) step.accept?.(id);
  const candidates = new Candidates(logits.length, topK);
  candidates.begin(logits.slice());
  for (const step of edits) step.apply(candidates);
  candidates.gather();
  for (const step of steps) step.apply(candidates);
  const sum = candidates.weigh();
  const p = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < candidates.count; i++) p[candidates.ids[i]!] = candidates.weights[i]! / sum;
  return p;
}

function expectClose(actual: readonly number[], expected: readonly number[], digits: number): void {
  const error = Math.max(...actual.map((p, id) => Math.abs(p - expected[id]!)));
  expect(error, `${actual.join()} for ${expected.join()}`).toBeLessThan(10 ** -digits);
}

const logOf = (p: readonly number[]) => Float32Array.from(p, Math.log);

/** Only these samplers. */
const only = (...samplers: readonly SamplerName[]) => ({ samplers, seed: SEED });

describe("llama.cpp's figures", () => {
  it.each<[string, SamplingOptions, readonly number[], readonly number[]]>([
    ["temperature 1", { ...only("temperature"), temperature: 1 }, [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]],
    ["top-k 1", { ...only("topK"), topK: 1 }, [0.1, 0.2, 0.3, 0.4], [0, 0, 0, 1]],
    ["top-k 3", { ...only("topK"), topK: 3 }, [0.1, 0.2, 0.3, 0.4], [0, 0.22222, 0.33333, 0.44444]],
    ["top-p 0.7", { ...only("topP"), topP: 0.7 }, [0.1, 0.2, 0.3, 0.4], [0, 0, 0.428571, 0.571429]],
    ["top-p 0.8", { ...only("topP"), topP: 0.8 }, [0.1, 0.2, 0.3, 0.4], [0, 0.22222, 0.33333, 0.44444]],
    ["min-p 0.26", { ...only("minP"), minP: 0.26 }, [0.1, 0.2, 0.3, 0.4], [0, 2 / 9, 3 / 9, 4 / 9]],
    ["min-p 0.76", { ...only("minP"), minP: 0.76 }, [0.1, 0.2, 0.3, 0.4], [0, 0, 0, 1]],
    ["typical 0.5, sure", { ...only("typicalP"), typicalP: 0.5 }, [0.97, 0.01, 0.01, 0.01], [1, 0, 0, 0]],
    ["typical 0.5, flat", { ...only("typicalP"), typicalP: 0.5 }, [0.4, 0.2, 0.2, 0.2], [0, 1 / 3, 1 / 3, 1 / 3]],
    ["top-n-sigma 1", { ...only("topNSigma"), topNSigma: 1 }, [0.1, 0.2, 0.3, 0.4], [0, 0, 0.428571, 0.571429]],
    ["top-n-sigma 3", { ...only("topNSigma"), topNSigma: 3 }, [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]],
    ["xtc 0.09", { ...only("xtc"), xtc: { probability: 1, threshold: 0.09 } }, [0.4, 0.3, 0.2, 0.1], [0, 0, 0, 1]],
    [
      "xtc 0.19",
      { ...only("xtc"), xtc: { probability: 1, threshold: 0.19 } },
      [0.4, 0.3, 0.2, 0.1],
      [0, 0, 2 / 3, 1 / 3],
    ],
    [
      "xtc 0.29",
      { ...only("xtc"), xtc: { probability: 1, threshold: 0.29 } },
      [0.4, 0.3, 0.2, 0.1],
      [0, 0.5, 2 / 6, 1 / 6],
    ],
    [
      "xtc 0.39",
      { ...only("xtc"), xtc: { probability: 1, threshold: 0.39 } },
      [0.4, 0.3, 0.2, 0.1],
      [0.4, 0.3, 0.2, 0.1],
    ],
  ])("%s", (_name, options, p, expected) => {
    expectClose(distribution(options, [], logOf(p)), expected, 5);
  });

  const flat = [0.2, 0.2, 0.2, 0.2, 0.2];
  it.each<[readonly number[], SamplingOptions, readonly number[]]>([
    [[0], { repeatPenalty: 50 }, [0, 0.25, 0.25, 0.25, 0.25]],
    [[0, 1, 2, 0, 0], { repeatPenalty: 50 }, [0, 0, 0, 0.5, 0.5]],
    [[0], { frequencyPenalty: 5, presencePenalty: 5 }, [0.000011, 0.249997, 0.249997, 0.249997, 0.249997]],
    [[0, 1, 2, 0, 0], { frequencyPenalty: 5, presencePenalty: 5 }, [0, 0.000023, 0.000023, 0.499977, 0.499977]],
  ])("penalties after %o with %o", (history, options, expected) => {
    expectClose(distribution({ ...only("penalties"), ...options }, history, logOf(flat)), expected, 5);
  });

  const four = [0.25, 0.25, 0.25, 0.25];
  it.each<[readonly number[], readonly number[], readonly number[], number, number, readonly (readonly number[])[]]>([
    [[0, 1], four, four, 1, 2, []],
    [[0, 1, 2, 0, 1], four, [0.296923, 0.296923, 0.109232, 0.296923], 1, 2, []],
    [[0, 1, 3, 4, 0, 1], flat, flat, 1, 2, [[3]]],
    [[0, 1, 2, 0, 1], flat, [0.241818, 0.241818, 0.032727, 0.241818, 0.241818], 2, 2, []],
    [[0, 1, 2, 3, 4, 0, 1], flat, flat, 1, 4, []],
  ])("DRY after %o", (history, p, expected, multiplier, allowedLength, breakers) => {
    const dry = { multiplier, base: 1.1, allowedLength };
    expectClose(distribution({ ...only("dry"), dry }, history, logOf(p), breakers), expected, 5);
  });
});

/** Logits like a model's: most in the middle, some far above the rest. */
function modelLikeLogits(size: number, seed: number): Float32Array {
  const random = Random.seeded(seed);
  return Float32Array.from({ length: size }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += random.nextFraction();
    return sum * 2.5 + (random.nextFraction() < 0.05 ? 6 : 0);
  });
}

/** Options by sampler, so that none is set whose sampler does not work. */
const settings: Readonly<Record<SamplerName, fc.Arbitrary<SamplingOptions>>> = {
  penalties: fc.record({
    repeatPenalty: fc.constantFrom(1, 1.3, 0.7),
    frequencyPenalty: fc.constantFrom(0, 0.4, -0.3),
    presencePenalty: fc.constantFrom(0, 0.7),
    penaltyLastN: fc.constantFrom(-1, 0, 3, 64),
  }),
  dry: fc.record({
    dry: fc.record({
      multiplier: fc.constantFrom(0, 0.8, 2),
      base: fc.constantFrom(1, 1.1, 1.75),
      allowedLength: fc.constantFrom(0, 1, 2, 4),
      penaltyLastN: fc.constantFrom(-1, -1, 0, 1, 7),
    }),
  }),
  topNSigma: fc.record({ topNSigma: fc.constantFrom(0, 0.71, 1.1, 3.3) }),
  topK: fc.record({ topK: fc.constantFrom(0, 1, 3, 20, 40) }),
  typicalP: fc.record({ typicalP: fc.constantFrom(0.207, 0.503, 0.903, 1) }),
  topP: fc.record({ topP: fc.constantFrom(0, 0.1, 0.503, 0.951, 1) }),
  minP: fc.record({ minP: fc.constantFrom(0, 0.0503, 0.3, 1) }),
  xtc: fc.record({
    xtc: fc.record({ probability: fc.constantFrom(0, 0.3, 1), threshold: fc.constantFrom(0.0203, 0.103, 0.6) }),
  }),
  temperature: fc.record({
    temperature: fc.constantFrom(0.01, 0.5, 0.8, 1, 2),
    dynamicTemperature: fc.option(
      fc.record({ range: fc.constantFrom(0, 0.3, 1.5), exponent: fc.constantFrom(0, 0.5, 1, 2.3) }),
      { nil: undefined },
    ),
  }),
};

const chains: fc.Arbitrary<SamplingOptions> = fc
  .shuffledSubarray([...DEFAULT_ORDER])
  .chain((samplers) =>
    fc
      .tuple(...samplers.map((name) => settings[name]))
      .map((parts): SamplingOptions => Object.assign({ samplers, seed: SEED }, ...parts)),
  );

describe("the chain", () => {
  it("gives the reference's distribution, whichever samplers work, in whatever order", () => {
    fc.assert(
      fc.property(
        chains,
        fc.integer({ min: 2, max: 60 }),
        fc.integer({ min: 0, max: 2 ** 31 }),
        fc.array(fc.nat(1), { maxLength: 24 }),
        fc.subarray([[0], [1, 1], [0, 1, 0]]),
        (options, size, seed, history, breakers) => {
          const logits = modelLikeLogits(size, seed);
          const actual = distribution(options, history, logits, breakers);
          const input = { options, history, logits, breakers, xtcFraction: FIRST_FRACTION };
          expectClose(actual, referenceDistribution(input), 6);
        },
      ),
      { numRuns: 4000 },
    );
  });

  it("has llama.cpp's order by default", () => {
    const settingsOfAll: SamplingOptions = {
      ...{ repeatPenalty: 1.2, dry: {}, topNSigma: 2.2, topK: 30, typicalP: 0.9, topP: 0.9, minP: 0.02 },
      ...{ xtc: { probability: 1, threshold: 0.05 }, temperature: 1.3, dynamicTemperature: { range: 0.5 } },
    };
    const logits = modelLikeLogits(200, 5);
    const history = [1, 2, 3, 4, 1, 2, 3];
    const byDefault = distribution(settingsOfAll, history, logits);
    expect(byDefault).toEqual(distribution({ ...settingsOfAll, samplers: DEFAULT_ORDER }, history, logits));
    expect(byDefault).not.toEqual(
      distribution({ ...settingsOfAll, samplers: [...DEFAULT_ORDER].reverse() }, history, logits),
    );
  });

  it("of no samplers draws from the model's own distribution", () => {
    const logits = modelLikeLogits(50, 6);
    expectClose(
      distribution({ samplers: [] }, [], logits),
      referenceDistribution({
        options: { samplers: [] },
        history: [],
        logits,
      }),
      9,
    );
  });
});

describe("DRY", () => {
  it("finds repetitions as a search of every place does, in long histories", () => {
    const logits = modelLikeLogits(4, 8);
    const random = Random.seeded(3);
    for (let round = 0; round < 40; round++) {
      const history = Array.from({ length: 300 }, () => random.nextInteger() % (round < 20 ? 2 : 3));
      const dry = { multiplier: 0.5, base: 1.01, allowedLength: 2, penaltyLastN: [-1, 50][round % 2] };
      const options: SamplingOptions = { samplers: ["dry"], dry };
      const breakers = round % 4 === 0 ? [[2, 1]] : [];
      expectClose(
        distribution(options, history, logits, breakers),
        referenceDistribution({ options, history, logits, breakers }),
        6,
      );
    }
  });

  it("penalises a text that repeats itself endlessly, without NaN", () => {
    const options: SamplingOptions = { samplers: ["dry"], dry: { multiplier: 100, base: 100 } };
    const p = distribution(options, new Array<number>(5000).fill(1), Float32Array.of(0, 50, 0));
    expect(p).toEqual([0.5, 0, 0.5]);
  });
});

describe("greedy choice", () => {
  it("uses penalties and DRY, and no other sampler", () => {
    const logits = Float32Array.of(0, 3, 2.9, 1);
    const choose = (options: SamplingOptions, history: readonly number[]) => {
      const sampler = new Sampler({ temperature: 0, ...options }, 4);
      for (const id of history) sampler.accept(id);
      return sampler.sample(logits).id;
    };
    expect(choose({ xtc: { probability: 1, threshold: 0.01 }, topNSigma: 0.1 }, [])).toBe(1);
    expect(choose({ repeatPenalty: 1.5 }, [1])).toBe(2);
    expect(choose({ dry: {} }, [2, 3, 1, 2, 3])).toBe(2);
    expect(choose({ dry: {} }, [2, 3])).toBe(1);
    expect(choose({ samplers: ["topK", "dry", "temperature"], dry: {} }, [2, 3, 1, 2, 3])).toBe(2);
  });

  it("does not follow from temperature 0 where dynamicTemperature raises it", () => {
    const logits = Float32Array.of(0, 0.1, 0.2, 0.3);
    const options: SamplingOptions = { temperature: 0, dynamicTemperature: { range: 1 }, seed: 1 };
    const sampler = new Sampler(options, 4);
    const seen = new Set(Array.from({ length: 100 }, () => sampler.sample(logits).id));
    expect(seen.size).toBe(4);
  });
});

describe("mirostat 2", () => {
  it("draws what the reference draws, and learns as it does", () => {
    const [tau, eta, temperature] = [3, 0.2, 0.9];
    const sampler = new Sampler({ mirostat: { tau, eta }, temperature, seed: 9 }, 400);
    const random = Random.seeded(9);
    let most = 2 * tau;
    for (let draw = 0; draw < 300; draw++) {
      const logits = modelLikeLogits(400, draw);
      const p = referenceMirostat(logits, temperature, most);
      const { id } = sampler.sample(logits);
      const fraction = random.nextFraction();
      const below = p.slice(0, id).reduce((a, b) => a + b, 0);
      expect(fraction).toBeGreaterThan(below - 1e-6);
      expect(fraction).toBeLessThan(below + p[id]! + 1e-6);
      most -= eta * (-Math.log2(p[id]!) - tau);
    }
  });

  it("keeps the mean surprise near its target where plain sampling does not", () => {
    const surprise = (options: SamplingOptions) => {
      const sampler = new Sampler({ ...options, seed: 4, logprobs: true }, 2000);
      let sum = 0;
      for (let draw = 0; draw < 400; draw++) sum -= sampler.sample(modelLikeLogits(2000, draw)).logprob! / Math.LN2;
      return sum / 400;
    };
    const free = surprise({ samplers: [] });
    for (const tau of [free - 1.5, free - 1]) {
      expect(Math.abs(surprise({ mirostat: { tau }, temperature: 1 }) - tau)).toBeLessThan(0.5);
    }
  });

  it("takes the most likely token where all tokens are too surprising", () => {
    const sampler = new Sampler({ mirostat: { tau: 0 }, temperature: 1, seed: 1 }, 3);
    for (let draw = 0; draw < 20; draw++) expect(sampler.sample(Float32Array.of(1, 1, 0.9)).id).toBe(0);
  });
});

describe("bad input", () => {
  it.each<[string, unknown]>([
    ["topNSigma", -1],
    ["topNSigma", 101],
    ["xtc", 0.5],
    ["xtc.probability", { probability: 1.1 }],
    ["xtc.threshold", { threshold: -0.1 }],
    ["odds", { odds: 1 }],
    ["dry.multiplier", { multiplier: -1 }],
    ["dry.base", { base: 0.9 }],
    ["dry.allowedLength", { allowedLength: 1.5 }],
    ["dry.penaltyLastN", { penaltyLastN: -2 }],
    ["dry.sequenceBreakers", { sequenceBreakers: "\n" }],
    ["dry.sequenceBreakers[1]", { sequenceBreakers: ["a", ""] }],
    ["dry.sequenceBreakers[0]", { sequenceBreakers: ["a".repeat(41)] }],
    ["mirostat", 2],
    ["mirostat.tau", { tau: Number.NaN }],
    ["mirostat.eta", { eta: 1.1 }],
    ["dynamicTemperature.range", {}],
    ["dynamicTemperature.exponent", { range: 1, exponent: -1 }],
    ["samplers", "topK"],
    ["samplers[0]", ["top_k"]],
  ])("%s: %o is refused by name", (name, value) => {
    const option = { odds: "xtc" }[name] ?? name.split(/[.[]/)[0]!;
    const build = (): Sampler => new Sampler({ [option]: value } as SamplingOptions, 100);
    expect(build).toThrow(expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining(name) }));
  });

  it.each<[SamplingOptions, string]>([
    [{ samplers: ["topK", "topP", "topK"] }, "samplers has topK twice"],
    [{ samplers: ["topK"], topP: 0.5 }, "topP is set, but samplers does not have topP"],
    [{ samplers: ["topK"], temperature: 0 }, "temperature is set, but samplers does not have temperature"],
    [{ mirostat: {}, xtc: {} }, "xtc is set, but mirostat takes its place"],
    [{ mirostat: {}, samplers: ["temperature"] }, "samplers is set, but mirostat has an order of its own"],
    [{ topLogprobs: 3 }, "topLogprobs is set, but logprobs is not true"],
  ])("%o is refused: %s", (options, message) => {
    const error = expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining(message) });
    expect(() => new Sampler(options, 100)).toThrow(error);
  });
});

describe("docs/sampling.md", () => {
  const document = readFileSync(new URL("../../docs/sampling.md", import.meta.url), "utf8");

  function rangeOf(row: FieldRow): string {
    return row.type === "strings" ? `up to ${row.most} strings` : `${row.from} .. ${row.to}`;
  }

  function defaultOf({ default: value }: FieldRow): string {
    if (value === undefined) return "required";
    return typeof value === "number" ? `${value}` : `\`${JSON.stringify(value).replaceAll(",", ", ")}\``;
  }

  /** A row of the table for each option of a sampler; a group has one for itself, and its fields follow. */
  function optionsTable(sampler: string, options: Readonly<Record<string, OptionRow>>): string[] {
    const cells = Object.entries(options).flatMap(([name, row]): string[][] => {
      const field = (path: string, of: FieldRow) => [`\`${path}\``, rangeOf(of), defaultOf(of), `\`${of.flags[0]}\``];
      if (row.type !== "group") return [field(name, row)];
      const fields = Object.entries(row.fields).map(([inner, of]) => field(`${name}.${inner}`, of));
      return [[`\`${name}\``, "an object", "off", ""], ...fields];
    });
    return cells.map((row, i) => `| ${[i === 0 ? sampler : "", ...row].join(" | ")} |`.replaceAll("|  |", "| |"));
  }

  it("has the table of samplers that their rows declare, in order", () => {
    const rows = [
      ...samplers.flatMap(({ name, options }) => optionsTable(`\`${name}\``, options)),
      ...optionsTable("in their place", { mirostat: mirostatOptions }),
    ];
    const table = document.slice(document.indexOf("| sampler | option |")).split("\n\n")[0]!;
    expect(table.split("\n").slice(2)).toEqual(rows);
  });
});
