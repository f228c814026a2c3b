// Embedding: what the vectors are made of, what goes before a text, what happens to long ones, and many at once. The models are random
// and small. In their vocabulary a text has one token for each byte.

import { loadModel, type Model } from "cria";
import { afterAll, afterEach, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { type FixtureShape, fixtureModel, randomIds } from "../../support/fixture-model.js";
import { runProgram } from "../../support/run-program.js";
import { randomStream } from "../../support/seed.js";

const VOCAB = 512;
const DIM = 64;
const CONTEXT = 320;
const shape: FixtureShape = {
  ...{ dim: DIM, layers: 2, heads: 4, kvHeads: 2, ffn: 128, vocab: VOCAB },
  format: () => "Q8_0",
};

let model: Model;
beforeAll(async () => {
  model = await loadModel(await fixtureModel(shape), { threads: 2, contextSize: CONTEXT });
});
afterAll(() => model.dispose());

const addsEos = { "tokenizer.ggml.add_eos_token": true };

const others: Model[] = [];
afterEach(async () => {
  for (const other of others.splice(0)) await other.dispose();
});

/** Another model, for one test. */
async function another(more: Partial<FixtureShape>, contextSize = CONTEXT): Promise<Model> {
  const other = await loadModel(await fixtureModel({ ...shape, ...more }), { threads: 1, contextSize });
  others.push(other);
  return other;
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: { code?: unknown }) => error.code,
  );

function unit(vector: ArrayLike<number>): Float32Array {
  let squares = 0;
  for (let d = 0; d < vector.length; d++) squares += vector[d]! * vector[d]!;
  const scale = 1 / Math.sqrt(squares);
  return Float32Array.from(vector, (element) => element * scale);
}

/** The weighted mean of rows. */
function mean(rows: readonly Float32Array[], weights: readonly number[] = rows.map(() => 1)): Float32Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return rows[0]!.map((_, d) => rows.reduce((sum, row, i) => sum + row[d]! * weights[i]!, 0) / total);
}

/** (rows, x.length) times x. */
function multiply(weights: Float32Array, x: Float32Array): Float32Array {
  return Float32Array.from({ length: weights.length / x.length }, (_, row) =>
    x.reduce((sum, element, d) => sum + element * weights[row * x.length + d]!, 0),
  );
}

function expectClose(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  const distance = Math.hypot(...actual.map((element, d) => element - expected[d]!)) / Math.hypot(...expected);
  expect(distance).toBeLessThan(1e-5);
}

describe("pooling", () => {
  const ids = randomIds(300, VOCAB); // of three steps
  const raw = { normalize: false } as const;

  it("none gives a vector for each token: the last one is what last gives, the first what cls gives", async () => {
    const [tokens] = await model.embed([ids], { pooling: "none", ...raw });
    const [cls] = await model.embed([ids], { pooling: "cls", ...raw });
    const [last] = await model.embed([ids], { pooling: "last", ...raw });
    const [average] = await model.embed([ids], { pooling: "mean", ...raw });
    expect(tokens!.length).toBe(ids.length);
    expect(tokens![0]).toEqual(cls);
    expect(tokens!.at(-1)).toEqual(last);
    expect(average).toEqual(mean(tokens!));
    // A text of one step: the team takes the mean, not the leader.
    const [short] = await model.embed([ids.slice(0, 40)], { pooling: "mean", ...raw });
    expect(short).toEqual(mean(tokens!.slice(0, 40)));
    expect(cls).not.toEqual(last);
  });

  it("is normalised, each token too", async () => {
    const [tokens] = await model.embed([ids], { pooling: "none" });
    const [rawTokens] = await model.embed([ids], { pooling: "none", ...raw });
    expect(tokens).toEqual(rawTokens!.map(unit));
    const [vector] = await model.embed([ids]);
    const [rawVector] = await model.embed([ids], raw);
    expect(vector).toEqual(unit(rawVector!));
  });

  it.each([
    [undefined, "mean"],
    [0, "mean"],
    [1, "mean"],
    [2, "cls"],
    [3, "last"],
  ] as const)("type %s of a file is %s", async (type, pooling) => {
    const other = await another({ keys: type === undefined ? {} : { pooling_type: type } });
    expect(other.info.embedding).toEqual({ dimensions: DIM, pooling, family: undefined, reranks: false });
    expect(await other.embed([[5, 6, 7]])).toEqual(await other.embed([[5, 6, 7]], { pooling }));
  });

  it("has types that say what comes back", async () => {
    expectTypeOf(model.embed(["a"])).toEqualTypeOf<Promise<Float32Array[]>>();
    expectTypeOf(model.embed(["a"], { pooling: "cls", normalize: false })).toEqualTypeOf<Promise<Float32Array[]>>();
    expectTypeOf(model.embed([[1]], { pooling: "none" })).toEqualTypeOf<Promise<Float32Array[][]>>();
    expectTypeOf(model.embed("a")).toEqualTypeOf<Promise<Float32Array>>();
    expectTypeOf(model.embed("a", { pooling: "none" })).toEqualTypeOf<Promise<Float32Array[]>>();
    // @ts-expect-error a pooling that does not exist
    expect(await codeOf(model.embed(["a"], { pooling: "sum" }))).toBe("INVALID_OPTION");
  });
});

describe("one text", () => {
  it("has one vector, that of a list of it", async () => {
    const options = { dimensions: 8 };
    expect(await model.embed("a text", options)).toEqual((await model.embed(["a text"], options))[0]);
    const [tokens] = await model.embed(["a text"], { pooling: "none" });
    expect(await model.embed("a text", { pooling: "none" })).toEqual(tokens);
    expect(await codeOf(model.embed("b".repeat(CONTEXT + 1)))).toBe("CONTEXT_FULL");
    expect(await codeOf(model.embed(Int32Array.of(1, 2) as never))).toBe("INVALID_OPTION");
  });
});

describe("dense layers after the pooling", () => {
  it("make the vectors, of a text and of each token", async () => {
    const random = randomStream(7);
    const values = (count: number) => Float32Array.from({ length: count }, () => 0.1 * random.normal());
    const [first, second] = [values(DIM * 200), values(200 * 48)];
    const other = await another({
      tensors: {
        "dense_2.weight": { shape: [DIM, 200], values: first },
        "dense_3.weight": { shape: [200, 48], values: second },
      },
    });
    expect(other.info.embedding.dimensions).toBe(48);
    const ids = randomIds(200, VOCAB);
    const dense = (x: Float32Array) => multiply(second, multiply(first, x));
    const [plain] = await model.embed([ids], { normalize: false });
    const [vector] = await other.embed([ids], { normalize: false });
    expectClose(vector!, dense(plain!));
    const [tokens] = await model.embed([ids], { pooling: "none", normalize: false });
    const [denseTokens] = await other.embed([ids], { pooling: "none", normalize: false });
    for (const i of [0, 100, 199]) expectClose(denseTokens![i]!, dense(tokens![i]!));
    expect((await other.embed([ids], { dimensions: 48 }))[0]).toEqual(unit(vector!));
    expect(await codeOf(other.embed([ids], { dimensions: 49 }))).toBe("INVALID_OPTION");
  });
});

describe("dimensions", () => {
  it("are the first ones, scaled to length 1 again", async () => {
    const [raw] = await model.embed(["a fox"], { normalize: false });
    const [cut] = await model.embed(["a fox"], { dimensions: 24 });
    expect(cut).toEqual(unit(raw!.slice(0, 24)));
    const [rawCut] = await model.embed(["a fox"], { dimensions: 24, normalize: false });
    expect(rawCut).toEqual(raw!.slice(0, 24));
    const [tokens] = await model.embed(["a fox"], { dimensions: 1, pooling: "none" });
    expect(tokens!.map((token) => Math.abs(token[0]!))).toEqual(tokens!.map(() => 1));
  });

  it.each([0, DIM + 1, 1.5, Number.NaN])("%s is refused", async (dimensions) => {
    expect(await codeOf(model.embed(["a"], { dimensions }))).toBe("INVALID_OPTION");
  });
});

describe("a purpose", () => {
  const represent = "Represent this sentence for searching relevant passages: ";
  const instruct = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:";

  it.each([
    ["nomic-embed-text-v1.5", "Nomic Embed Text", "search_query: ", "search_document: "],
    ["Multilingual E5 Small", "E5", "query: ", "passage: "],
    ["e5_base_v2", "E5", "query: ", "passage: "],
    ["multilingual-e5-large-instruct", "E5 (instruct)", `${instruct} `, ""],
    ["Bge Small En v1.5", "BGE", represent, ""],
    ["bge-large-zh-v1.5", "BGE (Chinese)", "为这个句子生成表示以用于检索相关文章：", ""],
    ["Bge M3", "BGE-M3", "", ""],
    ["Embeddinggemma 300m", "EmbeddingGemma", "task: search result | query: ", "title: none | text: "],
    ["Qwen3 Embedding 0.6B", "Qwen3-Embedding", instruct, ""],
    ["Gte Small", "GTE", "", ""],
    ["gte-Qwen2-1.5B-instruct", "GTE-Qwen (instruct)", `${instruct} `, ""],
    ["gte-Qwen1.5-7B-instruct", "GTE-Qwen (instruct)", `${instruct} `, ""],
    ["e5-mistral-7b-instruct", "E5 (instruct)", `${instruct} `, ""],
    ["Snowflake Arctic Embed M v1.5", "Snowflake Arctic Embed", represent, ""],
    ["snowflake-arctic-embed-l-v2.0", "Snowflake Arctic Embed 2", "query: ", ""],
    ["mxbai-embed-large-v1", "mxbai-embed-large", represent, ""],
    ["All MiniLM L6 v2", "MiniLM", "", ""],
  ])("of %s is what the card of %s says", async (name, family, query, document) => {
    const other = await another({ metadata: { "general.name": name } });
    expect(other.info.embedding.family).toBe(family);
    expect(await other.embed(["a fox"], { purpose: "query" })).toEqual(await other.embed([`${query}a fox`]));
    expect(await other.embed(["a fox"], { purpose: "document" })).toEqual(await other.embed([`${document}a fox`]));
  });

  it.each(["deepset-mxbai-embed-de-large-v1", "CodeRankEmbed", "e5-R-mistral-7b", "bge-reranker-base", "Bge En Icl"])(
    "of %s is not that of its relatives",
    async (name) => {
      const other = await another({ metadata: { "general.name": name } });
      expect(other.info.embedding.family).toBeUndefined();
    },
  );

  it("of an unknown model is an error that names the known ones, unless prompts say it", async () => {
    const purpose = "query";
    await expect(model.embed(["a fox"], { purpose })).rejects.toMatchObject({
      code: "UNKNOWN_PURPOSE",
      message: expect.stringMatching(/EmbeddingGemma.*Nomic.*prompts: \{ query: "\.\.\." \}/),
    });
    const prompts = { query: "find: " };
    expect(await model.embed(["a fox"], { purpose, prompts })).toEqual(await model.embed(["find: a fox"]));
    expect(await codeOf(model.embed(["a fox"], { purpose: "document", prompts }))).toBe("UNKNOWN_PURPOSE");
  });

  it("is for texts only, and prompts are for a purpose only", async () => {
    const prompts = { query: "find: ", document: "" };
    expect(await codeOf(model.embed([[1, 2]], { purpose: "query", prompts }))).toBe("INVALID_OPTION");
    expect(await model.embed([[1, 2]], { purpose: "document", prompts })).toEqual(await model.embed([[1, 2]]));
    expect(await codeOf(model.embed(["a"], { prompts }))).toBe("INVALID_OPTION");
    expect(await codeOf(model.embed(["a"], { purpose: "search" as "query", prompts }))).toBe("INVALID_OPTION");
    expect(await codeOf(model.embed(["a"], { purpose: "query", prompts: { query: 1 as never } }))).toBe(
      "INVALID_OPTION",
    );
    expect(await codeOf(model.embed(["a"], { purpose: "query", prompts: { search: "x" } as never }))).toBe(
      "INVALID_OPTION",
    );
  });
});

describe("an input that is too long", () => {
  const text = Array.from({ length: 250 }, (_, i) => `${i} `).join(""); // 890 tokens

  it("is an error that says how long it is", async () => {
    await expect(model.embed(["a", text])).rejects.toMatchObject({
      code: "CONTEXT_FULL",
      message: expect.stringMatching(/input 1 has 891 tokens; the context has room for 320/),
    });
    expect(await codeOf(model.embed([text], { overlong: "cut" as "error" }))).toBe("INVALID_OPTION");
  });

  it("is truncated, and ends with the token that ends every text", async () => {
    const other = await another({ metadata: addsEos });
    const ids = other.tokenizer.encode(text);
    const eos = other.tokenizer.eosId!;
    expect(ids.at(-1)).toBe(eos);
    const cut = [...ids.slice(0, CONTEXT - 1), eos];
    expect(await other.embed([text, ids], { overlong: "truncate" })).toEqual(await other.embed([cut, cut]));
    expect(await model.embed([text], { overlong: "truncate" })).toEqual(
      await model.embed([model.tokenizer.encode(text).slice(0, CONTEXT)]),
    );
  });

  it("is the mean of its parts, each with the begin, the prompt and the end of the whole", async () => {
    const other = await another({ metadata: addsEos });
    const { tokenizer } = other;
    const around = {
      begin: tokenizer.bosId!,
      prompt: tokenizer.encode("doc: ", { bos: false }),
      end: tokenizer.eosId!,
    };
    const body = tokenizer.encode(text, { bos: false });
    const thirds = [0, 1, 2].map((i) =>
      body.slice(Math.floor((i * body.length) / 3), Math.floor(((i + 1) * body.length) / 3)),
    );
    const parts = thirds.map((third) => Int32Array.of(around.begin, ...around.prompt, ...third, around.end));
    const vectors = await other.embed(parts, { normalize: false });
    const expected = mean(
      vectors,
      parts.map(({ length }) => length),
    );
    const options = { overlong: "chunk-mean", purpose: "document", prompts: { document: "doc: " } } as const;
    expect(await other.embed([text], { ...options, normalize: false })).toEqual([expected]);
    expect(await other.embed(["a", text, "b"], options)).toEqual([
      ...(await other.embed(["doc: a"])),
      unit(expected),
      ...(await other.embed(["doc: b"])),
    ]);
  });

  it("has no mean where every token has its vector, and no parts where the prompt fills the context", async () => {
    expect(await codeOf(model.embed([text], { overlong: "chunk-mean", pooling: "none" }))).toBe("INVALID_OPTION");
    const prompts = { query: "find ".repeat(80) };
    expect(await codeOf(model.embed(["a fox"], { overlong: "chunk-mean", purpose: "query", prompts }))).toBe(
      "CONTEXT_FULL",
    );
  });
});

describe("many texts", () => {
  const texts = Array.from({ length: 700 }, (_, i) => `${"word ".repeat((i * 7) % 23)}number ${i}`);

  it("come back in order, each with the bits that it has alone, with other threads too", async () => {
    const vectors = await model.embed(texts);
    expect(vectors.length).toBe(texts.length);
    for (const i of [0, 1, 255, 256, 511, 699]) expect((await model.embed([texts[i]!]))[0]).toEqual(vectors[i]);
    const other = await another({});
    expect(await other.embed(texts.slice(300, 340))).toEqual(vectors.slice(300, 340));
  });

  it("report their progress and usage", async () => {
    const seen: (readonly [number, number])[] = [];
    let promptTokens = 0;
    await model.embed(texts, {
      onProgress: (done, total) => void seen.push([done, total]),
      onUsage: (usage) => {
        promptTokens += usage.promptTokens;
      },
    });
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.map(([done]) => done)).toEqual([...new Set(seen.map(([done]) => done))].sort((a, b) => a - b));
    expect(seen.at(-1)).toEqual([texts.length, texts.length]);
    expect(promptTokens).toBe(texts.reduce((sum, text) => sum + model.tokenizer.encode(text).length, 0));
  });

  it("are aborted at once, and leave nothing behind", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let aborted = 0;
    const onProgress = () => {
      aborted ||= performance.now();
      controller.abort(new Error("enough"));
    };
    await expect(model.embed(texts, { signal, onProgress })).rejects.toThrow("enough");
    expect(performance.now() - aborted).toBeLessThan(200);
    const [vector] = await model.embed([randomIds(CONTEXT, VOCAB)]); // the whole cache
    expect(vector!.length).toBe(DIM);
  });

  it("do not run on when one is refused, or when onProgress throws", async () => {
    let last = 0;
    const onProgress = (done: number) => {
      last = done;
    };
    expect(await codeOf(model.embed([...texts, "x".repeat(CONTEXT), ...texts], { onProgress }))).toBe("CONTEXT_FULL");
    expect(last).toBeLessThanOrEqual(texts.length);
    const fails = () => {
      throw new Error("no screen");
    };
    await expect(model.embed(texts, { onProgress: fails })).rejects.toThrow("no screen");
  });

  it("give the event loop its turns while they are turned into ids", async () => {
    let turns = 0;
    const count = () => {
      turns++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    await model.embed(texts);
    clearImmediate(timer);
    expect(turns).toBeGreaterThan(5);
  });

  it("no texts give no vectors", async () => {
    const usages: unknown[] = [];
    expect(await model.embed([], { onUsage: (usage) => void usages.push(usage) })).toEqual([]);
    expect(usages).toEqual([{ promptTokens: 0 }]);
  });

  it("take no more memory in each round", () => {
    const { stdout } = runProgram(
      `
      import { setFlagsFromString } from "node:v8";
      import { runInNewContext } from "node:vm";
      import { loadModel } from "cria";
      import { Buffer } from "node:buffer";
      setFlagsFromString("--expose-gc");
      const gc = runInNewContext("gc");
      const model = await loadModel(Buffer.from(process.argv[1], "base64"), { threads: 2, contextSize: 64, sequences: 16 });
      const texts = Array.from({ length: 1000 }, (_, i) => "text " + i);
      const heaps = [];
      for (let round = 0; round < 10; round++) {
        await model.embed(texts);
        gc();
        heaps.push(process.memoryUsage().heapUsed);
      }
      console.log(JSON.stringify(heaps));`,
      { args: [Buffer.from(small).toString("base64")] },
    );
    const heaps = JSON.parse(stdout) as number[];
    expect(Math.max(...heaps.slice(2)) - heaps[1]!).toBeLessThan(512 * 1024);
  });
});

let small: Uint8Array;
beforeAll(async () => {
  small = await fixtureModel({ ...shape, dim: 32, layers: 1, ffn: 32 });
});
