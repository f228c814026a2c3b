// Speculation: guesses at the next tokens, checked together. Nobody can tell from the results, whatever the options are and however wrong
// the guesses; here all of them are made, whatever they cost.

import { fileURLToPath } from "node:url";
import { type Completion, type GenerateOptions, type LoadOptions, type LoadSource, loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { architectureModel } from "../../support/architecture-model.js";
import { endless, fixtureModel, randomIds } from "../../support/fixture-model.js";
import { loadInShards } from "../../support/shards.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const story = "Once upon a time, there was a cheerful penguin named Jonas who lived in a valley. ";
/** Texts that repeat themselves, with tokens that do not stand in for a story's: guesses are many, and many are wrong. */
const repeated = `${story}${story}Once upon a time, there was`;

/** A model that makes all guesses. */
async function eager(load: () => Promise<Model>): Promise<Model> {
  process.env["CRIA_TEST_DRAFTS"] = "5";
  try {
    return await load();
  } finally {
    delete process.env["CRIA_TEST_DRAFTS"];
  }
}

/** Its guesses come from the text itself, or from a draft model: itself, which is right wherever the text is greedy. */
let model: Model;
beforeAll(async () => {
  const options = { threads: 2, contextSize: 512, sequences: 3, speculate: { draft: demo } };
  model = await eager(() => loadModel(demo, options));
});
afterAll(() => model.dispose());

/** What counts of a completion: all but times, cached tokens and the counts of guesses. */
function resultOf({ usage, timings: _, ...rest }: Completion): object {
  return { ...rest, promptTokens: usage.promptTokens, completionTokens: usage.completionTokens };
}

async function expectSame(prompt: string | readonly number[], options: GenerateOptions): Promise<Completion> {
  const plain = await model.complete(prompt, { ...options, speculate: "off" });
  expect(plain.usage).not.toHaveProperty("draftedTokens");
  const [lookup] = await Promise.all(
    (["lookup", "draft"] as const).map(async (speculate) => {
      const speculated = await model.complete(prompt, { ...options, speculate });
      expect(resultOf(speculated), speculate).toEqual(resultOf(plain));
      const { draftedTokens, acceptedTokens } = speculated.usage;
      expect(acceptedTokens).toBeLessThanOrEqual(draftedTokens!);
      if (plain.tokens.length > 40) expect(draftedTokens, speculate).toBeGreaterThan(2);
      return speculated;
    }),
  );
  return lookup!;
}

const long = { seed: 7, maxTokens: 70 } as const;

describe("a text is the same with guesses from itself and from a draft model, side by side", () => {
  const cases: Record<string, GenerateOptions> = {
    greedy: { temperature: 0 },
    sampled: { temperature: 1 },
    "with log probabilities": { temperature: 0.7, logprobs: true, topLogprobs: 3 },
    "with penalties": { temperature: 0.8, repeatPenalty: 1.3, frequencyPenalty: 0.4, presencePenalty: 0.2 },
    "greedy with penalties": { temperature: 0, repeatPenalty: 1.1, penaltyLastN: 64 },
    "with DRY": { temperature: 1, dry: { multiplier: 0.8, allowedLength: 3 } },
    "with XTC": { temperature: 1, xtc: { probability: 0.5, threshold: 0.1 } },
    "with mirostat": { mirostat: { tau: 4 } },
    "with dynamic temperature": { temperature: 1, dynamicTemperature: { range: 0.5 } },
    "with a bias": { temperature: 1, logitBias: { 300: 2, 301: Number.NEGATIVE_INFINITY } },
    "with a grammar": { temperature: 1, grammar: 'root ::= (" the cat and" | " the dog and" | " a hen and"){20}' },
    "with a schema": {
      temperature: 1,
      jsonSchema: {
        type: "array",
        minItems: 6,
        maxItems: 6,
        items: { type: "object", properties: { name: { enum: ["Anna", "Jonas"] } }, required: ["name"] },
      },
    },
    "with a stop string": { temperature: 0, stop: " who" },
    "with a budget of one token": { temperature: 0, maxTokens: 1 },
    "with a budget of two": { temperature: 0, maxTokens: 2 },
    "beyond the context": { temperature: 1, maxTokens: 700, contextShift: { keep: 4 } },
    "to the end of the context": { temperature: 1, maxTokens: 700, logitBias: { 2: Number.NEGATIVE_INFINITY } },
  };
  for (const [name, options] of Object.entries(cases)) {
    it(name, async () => {
      await expectSame(repeated, { ...long, ...options });
    });
  }

  it("and most of it is guessed where it says the same again and again", async () => {
    const grammar = 'root ::= (" The little cat lived in a house near the sea."){12}';
    const { usage } = await expectSame("Once", { temperature: 0, maxTokens: 250, grammar });
    expect(usage.acceptedTokens).toBeGreaterThan(usage.completionTokens / 2);
  });
});

describe("a prediction", () => {
  const options = { temperature: 0, maxTokens: 60 } as const;

  it("is guessed from, and changes no text, however wrong it is", async () => {
    const plain = await model.complete("Once upon a time", { ...options, speculate: "off" });
    for (const prediction of [plain.text, plain.text.replaceAll("a", "e"), "", "\u0000<|eot_id|> 7"]) {
      const predicted = await model.complete("Once upon a time", { ...options, prediction });
      expect(resultOf(predicted)).toEqual(resultOf(plain));
      if (prediction === plain.text) expect(predicted.usage.acceptedTokens).toBeGreaterThan(30);
    }
  });

  it("is looked up, or refused", async () => {
    const call = (more: GenerateOptions) => model.complete("Once", { ...options, ...more });
    await expect(call({ prediction: "a", speculate: "draft" })).rejects.toThrow(
      "prediction is set, but speculate is draft",
    );
    await expect(call({ prediction: 7 as unknown as string })).rejects.toThrow("prediction must be a string; it is 7");
  });
});

describe("other models", () => {
  const shape = {
    dim: 64,
    layers: 2,
    heads: 2,
    kvHeads: 1,
    ffn: 96,
    vocab: 512,
    format: () => "Q8_0" as const,
  } as const;
  const ids = randomIds(70, 512, 3);

  /** Texts of a model with its guesses are those without. */
  async function expectSameOf(load: (more: LoadOptions) => Promise<Model>, draft: LoadSource): Promise<void> {
    const one = await eager(() => load({ threads: 2, contextSize: 256, sequences: 2, speculate: { draft } }));
    try {
      for (const temperature of [0, 1]) {
        const options = { ...endless(one), temperature, seed: 5, maxTokens: 50, logprobs: true };
        const plain = await one.complete(ids, { ...options, speculate: "off" });
        for (const speculate of ["lookup", "draft"] as const) {
          const speculated = await one.complete(ids, { ...options, speculate });
          expect(resultOf(speculated)).toEqual(resultOf(plain));
          if (speculate === "draft") expect(speculated.usage.draftedTokens).toBeGreaterThan(20);
        }
      }
    } finally {
      await one.dispose();
    }
  }

  it("a draft model that is always wrong, and has more layers", async () => {
    const file = await fixtureModel(shape);
    await expectSameOf((more) => loadModel(file, more), await fixtureModel({ ...shape, layers: 3, tied: false }));
  });

  it("a cache in 8 bits", async () => {
    const file = await fixtureModel(shape);
    await expectSameOf((more) => loadModel(file, { ...more, kvCache: "q8_0" }), file);
  });

  it("both models in several shards", async () => {
    const file = await fixtureModel({ ...shape, layers: 4 });
    await expectSameOf((more) => loadInShards(3, file, more), file);
  });

  it("a mixture of experts, with a draft model that has none", async () => {
    const keys = { expert_count: 4, expert_used_count: 2, expert_feed_forward_length: 32 };
    const file = await architectureModel({ architecture: "qwen3moe", keys });
    await expectSameOf((more) => loadModel(file, more), await fixtureModel(shape));
  });
});

describe("conversations and ends", () => {
  const turns = ["What does a cow eat?", "What does a hen eat?", "What does a cow eat?"];

  async function conversation(speculate: "off" | "lookup" | "draft"): Promise<string[]> {
    let chat = model.chat();
    const answers: string[] = [];
    for (const turn of turns) {
      const { text } = await chat.ask(turn, { speculate, maxTokens: 30, temperature: 0.7, seed: 3 });
      answers.push(text);
      const saved = await chat.save();
      chat.dispose();
      chat = await model.restoreChat(saved);
    }
    chat.dispose();
    return answers;
  }

  it("a conversation that is saved and restored after each turn", async () => {
    const plain = await conversation("off");
    expect(await conversation("lookup")).toEqual(plain);
    expect(await conversation("draft")).toEqual(plain);
  });

  it("an aborted generation takes nothing with it, and a loop that is left neither", async () => {
    const options = { temperature: 0, maxTokens: 400 } as const;
    const plain = await model.complete(repeated, { ...options, speculate: "off" });
    for (const speculate of ["lookup", "draft"] as const) {
      for (let i = 1; i <= 6; i++) {
        const signal = i % 2 === 0 ? AbortSignal.timeout(i * 3) : undefined;
        let tokens = 0;
        try {
          for await (const part of model.generate(repeated, { ...options, speculate, signal })) {
            tokens += part.tokens.length;
            if (tokens > 12 * i) break;
          }
        } catch (error) {
          expect(error).toHaveProperty("name", "TimeoutError");
        }
      }
      const all = await Promise.all(
        Array.from({ length: 3 }, () => model.complete(repeated, { ...options, speculate })),
      );
      for (const one of all) expect(resultOf(one)).toEqual(resultOf(plain));
    }
  });

  it("a reader that lags behind", async () => {
    const bias = { ...endless(model).logitBias } as Record<number, number>;
    const options = { temperature: 0, maxTokens: 420, logitBias: bias } as const;
    const plain = await model.complete("Once", { ...options, speculate: "off" });
    const tokens: number[] = [];
    for await (const part of model.generate("Once", { ...options, speculate: "draft" })) {
      if (tokens.length === 0) await new Promise((resolve) => setTimeout(resolve, 300)); // the window fills meanwhile
      tokens.push(...part.tokens);
    }
    expect(tokens).toEqual([...plain.tokens]);
  });
});

describe("what cannot be", () => {
  it("is refused, with numbers", async () => {
    const small = {
      dim: 32,
      layers: 1,
      heads: 1,
      kvHeads: 1,
      ffn: 32,
      vocab: 512,
      format: () => "F32" as const,
    } as const;
    const file = await fixtureModel(small);
    const load = (draft: LoadSource) => loadModel(file, { threads: 1, speculate: { draft } });
    await expect(load(demo)).rejects.toMatchObject({
      code: "DRAFT_MISMATCH",
      message: "speculate.draft must have the model's vocabulary: the model has 512 tokens, the draft model 2048",
    });
    const hybrid = await architectureModel({
      architecture: "lfm2",
      keys: { "attention.head_count_kv": [0, 2, 0, 2], "shortconv.l_cache": 3 },
    });
    await expect(load(hybrid)).rejects.toMatchObject({
      code: "DRAFT_MISMATCH",
      message:
        "speculate.draft: the draft model (lfm2) keeps recurrent state, which cannot go back behind a wrong guess",
    });
    await expect(loadModel(hybrid, { threads: 1, speculate: "lookup" })).rejects.toMatchObject({
      code: "UNSUPPORTED_SPECULATION",
    });
    const recurrent = await loadModel(hybrid, { threads: 1 });
    await expect(recurrent.complete([1, 2], { speculate: "lookup" })).rejects.toMatchObject({
      code: "UNSUPPORTED_SPECULATION",
    });
    await recurrent.dispose();
    const plain = await loadModel(file, { threads: 1 });
    await expect(plain.complete([1, 2], { speculate: "draft" })).rejects.toThrow(
      "speculate is set, but the model was loaded without a draft model",
    );
    await plain.dispose();
    await expect(loadModel(demo, { speculate: "draft" as "lookup" })).rejects.toThrow(
      'speculate must be one of off, lookup; it is "draft"',
    );
    await expect(loadModel(demo, { speculate: {} as { draft: string } })).rejects.toThrow(
      "speculate.draft must be a model; it is undefined",
    );
  });

  it("the plan has both models", () => {
    const { memory, draft } = model.info;
    expect(memory.draft).toBe(draft!.memory.total);
    expect(memory.total).toBe(memory.shards.reduce((sum, { total }) => sum + total, 0) + memory.draft!);
  });
});
