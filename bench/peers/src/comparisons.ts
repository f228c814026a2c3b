// What is compared, and the ratio that each comparison must show.

import type { MatmulSubject, Precision, Test } from "./peer.js";
import type { TextRecipe } from "./texts.js";

/** A ratio that must be reached; by the Node version's major number where that makes a difference. */
export type Bar = number | Readonly<Record<number, number>> | undefined;

interface Pair {
  /** For `--only`. */
  readonly name: string;
  readonly section: string;
  /** Modules of peers/. */
  readonly ours: string;
  readonly theirs: string;
}

/** What both run. */
interface ModelTest {
  readonly label: string;
  readonly test: Test;
  /** Where theirs is another one than `test`. */
  readonly theirTest?: Test;
  readonly bar: Bar;
}

/** Both run the tests of one model, round by round. */
export interface ModelComparison extends Pair {
  readonly kind: "model";
  readonly shape: string;
  readonly format: string;
  readonly contextSize: number;
  readonly sequences: number;
  readonly tests: readonly ModelTest[];
}

/** Both load a model in a process that is new each time, and run a prompt and an answer: seconds of loading, peak of resident memory. */
export interface LoadComparison extends Pair {
  readonly kind: "load";
  readonly shape: string;
  readonly format: string;
  readonly contextSize: number;
  readonly secondsBar: Bar;
  readonly memoryBar: Bar;
}

/** Both multiply matrices of one shape. */
export interface MatmulComparison extends Pair {
  readonly kind: "matmul";
  readonly label: string;
  readonly subject: MatmulSubject;
  /** Passes in one round. */
  readonly passes: number;
  readonly bar: Bar;
}

/** Both make vectors of the same texts, which must agree before they are timed. */
export interface EmbeddingComparison extends Pair {
  readonly kind: "embedding";
  readonly shape: string;
  readonly format: string;
  /** Of a peer that reads ONNX: its model is made of the F32 file, and cria's file, in `format`, too. */
  readonly onnx: Precision | undefined;
  readonly contextSize: number;
  /** Texts whose vectors are compared. */
  readonly compared: readonly TextRecipe[];
  /** The least cosine similarity that the two vectors of a text may have. */
  readonly leastCosine: number;
  readonly tests: readonly EmbeddingTest[];
}

export interface EmbeddingTest {
  readonly label: string;
  readonly kind: "embed-each" | "embed-all";
  readonly texts: TextRecipe;
  readonly bar: Bar;
}

export type Comparison = ModelComparison | LoadComparison | MatmulComparison | EmbeddingComparison;

const THREADS = 2;
const CONTEXT = 2048;

const prefill = (count: number): Test => ({ kind: "prefill", count });
const decode = (count: number, depth?: number): Test => ({ kind: "decode", count, depth });

// Node 20's V8 lacks what makes relaxed SIMD fast in prefill.
const fourBits = { decode: 1.2, prefill: { 20: 0.95, 24: 1.1 } };
const models: readonly { shape: string; format: string; decode: Bar; prefill: Bar }[] = [
  { shape: "llama-3.2-1b", format: "q4_0", ...fourBits, decode: { 20: 1.2, 24: 1.35 } },
  { shape: "llama-3.2-1b", format: "q4_k_m", ...fourBits, decode: { 20: 1.2, 24: 1.25 } },
  { shape: "llama-3.2-1b", format: "q8_0", decode: { 20: 1.0, 24: 1.6 }, prefill: { 20: 0.6, 24: 0.8 } },
  { shape: "smollm2-135m", format: "q4_0", decode: 1.1, prefill: { 20: 0.95, 24: 1.0 } },
  { shape: "smollm2-135m", format: "q8_0", decode: 1.1, prefill: { 20: 0.6, 24: 1.0 } },
  { shape: "tinyllama-1.1b", format: "q4_0", ...fourBits },
  { shape: "tinyllama-1.1b", format: "q4_k_m", ...fourBits },
];

/** Other architectures, on shapes of theirs. */
const families: readonly { shape: string; format: string; decode: Bar; share: Bar }[] = [
  { shape: "qwen3.5-2b", format: "q4_k_m", decode: 1.0, share: 0.6 },
  { shape: "gemma-4-e2b", format: "q4_k_m", decode: 1.0, share: 0.6 },
  { shape: "lfm2-1.2b", format: "q4_k_m", decode: 1.0, share: 0.6 },
  { shape: "phi-4-mini", format: "q4_k_m", decode: 1.0, share: 0.6 },
];

/** More than one memory of 4 GiB. Both engines have a copy of it. */
const large = { shape: "llama-3.1-8b", format: "q4_k_m", contextSize: 1024 };

function againstLlamaCpp(theirs: string, section: string): Comparison[] {
  const pair = { section, ours: "cria", theirs };
  const oneSequence = models.map(
    ({ shape, format, ...bars }): Comparison => ({
      ...pair,
      kind: "model",
      name: `${theirs}/${shape}/${format}`,
      shape,
      format,
      contextSize: CONTEXT,
      sequences: 1,
      tests: [
        { label: "pp512", test: prefill(512), bar: bars.prefill },
        { label: "tg64", test: decode(64), bar: bars.decode },
      ],
    }),
  );
  const others = families.map(
    ({ shape, format, decode: bar }): Comparison => ({
      ...pair,
      kind: "model",
      name: `${theirs}/${shape}/${format}`,
      shape,
      format,
      contextSize: CONTEXT,
      sequences: 1,
      tests: [
        { label: "pp256", test: prefill(256), bar: undefined },
        { label: "tg32", test: decode(32), bar },
      ],
    }),
  );
  const first = { shape: "llama-3.2-1b", format: "q4_0" };
  return [
    ...oneSequence,
    ...others,
    {
      ...pair,
      ...first,
      kind: "model",
      name: `${theirs}/batch`,
      contextSize: 512,
      sequences: 8,
      tests: [{ label: "tg32, 8 sequences", test: decode(32), bar: 1.4 }],
    },
    {
      ...pair,
      ...first,
      kind: "load",
      name: `${theirs}/load`,
      contextSize: CONTEXT,
      secondsBar: 2,
      memoryBar: 1 / 0.75,
    },
    {
      ...pair,
      ...large,
      kind: "model",
      name: `${theirs}/${large.shape}`,
      sequences: 1,
      tests: [
        { label: "pp256", test: prefill(256), bar: undefined },
        { label: "tg32", test: decode(32), bar: 1.15 },
      ],
    },
    { ...pair, ...large, kind: "load", name: `${theirs}/${large.shape}/load`, secondsBar: 1, memoryBar: undefined },
  ];
}

// For Q8_0 activations are rounded to 8 bits (by cria without VNNI to 16), by each in a way of its own.
const leastCosines = { q8_0: 0.9999, f16: 0.999999, f32: 0.999999 };
// In the 24 layers of bge-m3 what is rounded adds up to four times as much as in the 6 of MiniLM.
const embedders: readonly { shape: string; format: keyof typeof leastCosines; leastCosine?: number }[] = [
  { shape: "all-minilm-l6-v2", format: "q8_0" },
  { shape: "all-minilm-l6-v2", format: "f16" },
  { shape: "all-minilm-l6-v2", format: "f32" },
  { shape: "bge-m3", format: "q8_0", leastCosine: 0.9995 },
  { shape: "modernbert-base", format: "q8_0" },
];

const embeddings = embedders.map(({ shape, format, leastCosine = leastCosines[format] }): Comparison => {
  const isSmall = shape === "all-minilm-l6-v2";
  const mixed = (count: number): TextRecipe => ({ count, tokens: "mixed" });
  const [each, all] = isSmall ? [64, 256] : [8, 32];
  return {
    kind: "embedding",
    name: `node-llama-cpp/embedding/${isSmall ? format : `${shape}/${format}`}`,
    section: "Embeddings",
    ours: "cria-embedding",
    theirs: "node-llama-cpp-embedding",
    shape,
    format,
    onnx: undefined,
    contextSize: 512,
    compared: [mixed(isSmall ? 128 : 16)],
    leastCosine,
    tests: [
      { label: `${each} texts, one by one`, kind: "embed-each", texts: mixed(each), bar: undefined },
      { label: `${all} texts at once`, kind: "embed-all", texts: mixed(all), bar: undefined },
    ],
  };
});

/** The four tests of a text's length and company. */
type FourBars = readonly [shortEach: number, shortAll: number, longEach: number, longAll: number];

interface OnnxPair {
  readonly ours: "cria-embedding" | "cria-wide-embedding";
  readonly format: "f32" | "q8_0";
  readonly runtime: "onnxruntime-node" | "onnxruntime-web";
  readonly precision: Precision;
  /** Of the MiniLM shape, on Node 24. */
  readonly bars?: FourBars;
}

const native = { runtime: "onnxruntime-node", precision: "fp32" } as const;
const onnxPairs: readonly OnnxPair[] = [
  { ours: "cria-embedding", format: "f32", ...native },
  { ours: "cria-embedding", format: "q8_0", ...native, bars: [0.9, 1.1, 0.9, 0.9] },
  { ours: "cria-wide-embedding", format: "f32", ...native },
  { ours: "cria-wide-embedding", format: "q8_0", ...native, bars: [1.0, 1.3, 1.1, 1.1] },
  { ours: "cria-embedding", format: "q8_0", runtime: "onnxruntime-node", precision: "int8" },
  { ours: "cria-wide-embedding", format: "q8_0", runtime: "onnxruntime-node", precision: "int8" },
  { ours: "cria-embedding", format: "f32", runtime: "onnxruntime-web", precision: "fp32", bars: [3, 3, 3, 3] },
  { ours: "cria-wide-embedding", format: "f32", runtime: "onnxruntime-web", precision: "fp32", bars: [3, 3, 3, 3] },
  { ours: "cria-embedding", format: "q8_0", runtime: "onnxruntime-web", precision: "int8" },
];

/** One by one: as many texts as take about as long as those at once. */
const onnxShapes = [
  { name: "minilm", shape: "all-minilm-l6-v2", shortEach: 64, longEach: 16 },
  { name: "bge-base", shape: "bge-base", shortEach: 16, longEach: 4 },
];

// Q8_0 rounds weights and activations to 8 bits in blocks of 32, int8 in whole tensors. Two different texts have 0.9991 at most.
const onnxCosines = { f32: { fp32: 0.99999, int8: 0.9993 }, q8_0: { fp32: 0.9999, int8: 0.9993 } };

const againstOnnx = onnxShapes.flatMap(({ name, shape, shortEach, longEach }) =>
  onnxPairs.map(({ ours, format, runtime, precision, bars }): Comparison => {
    const wide = ours === "cria-wide-embedding" ? "wide-" : "";
    const short = (count: number): TextRecipe => ({ count, tokens: [8, 16] });
    const long = (count: number): TextRecipe => ({ count, tokens: [128, 128] });
    const barOf = (i: number): Bar => (bars === undefined || name !== "minilm" ? undefined : { 24: bars[i]! });
    return {
      kind: "embedding",
      name: `embeddings:${name}/${wide}${format}/${runtime}-${precision}`,
      section: `Embeddings beside ${runtime}, ${precision}`,
      ours,
      theirs: `${runtime}-embedding`,
      shape,
      format,
      onnx: precision,
      contextSize: 512,
      compared: [short(16), long(4)],
      leastCosine: onnxCosines[format][precision],
      tests: [
        { label: "8 to 16 tokens, one by one", kind: "embed-each", texts: short(shortEach), bar: barOf(0) },
        { label: "64 of 8 to 16 tokens at once", kind: "embed-all", texts: short(64), bar: barOf(1) },
        { label: "128 tokens, one by one", kind: "embed-each", texts: long(longEach), bar: barOf(2) },
        { label: "16 of 128 tokens at once", kind: "embed-all", texts: long(16), bar: barOf(3) },
      ],
    };
  }),
);

/** cria's wide kernels. */
const wideBars: readonly { shape: string; format: string; prefill: number; decode: number }[] = [
  { shape: "llama-3.2-1b", format: "q4_0", prefill: 1.0, decode: 1.35 },
  { shape: "llama-3.2-1b", format: "q4_k_m", prefill: 1.25, decode: 1.25 },
  { shape: "llama-3.2-1b", format: "q8_0", prefill: 1.8, decode: 1.6 },
  { shape: "smollm2-135m", format: "q4_0", prefill: 1.0, decode: 1.1 },
];
const widePair = { section: "Wide kernels beside node-llama-cpp", ours: "cria-wide", theirs: "node-llama-cpp" };

const wide: readonly Comparison[] = [
  ...wideBars.map(
    ({ shape, format, ...bars }): Comparison => ({
      ...widePair,
      kind: "model",
      name: `wide/${shape}/${format}`,
      shape,
      format,
      contextSize: CONTEXT,
      sequences: 1,
      tests: [
        { label: "pp512", test: prefill(512), bar: { 24: bars.prefill } },
        { label: "tg64", test: decode(64), bar: { 24: bars.decode } },
      ],
    }),
  ),
  {
    ...widePair,
    kind: "model",
    name: "wide/llama-3.1-8b",
    ...large,
    sequences: 1,
    tests: [
      { label: "pp256", test: prefill(256), bar: undefined },
      { label: "tg32", test: decode(32), bar: { 24: 1.15 } },
    ],
  },
  {
    ...widePair,
    kind: "model",
    name: "wide/batch",
    shape: "llama-3.2-1b",
    format: "q4_0",
    contextSize: 512,
    sequences: 8,
    tests: [{ label: "tg32, 8 sequences", test: decode(32), bar: { 24: 2.7 } }],
  },
];

const DEPTH = 4096;

// The larger one's prompts take half a minute each: fewer tokens after them.
const deepBars = [
  { shape: "smollm2-135m", tokens: 64, bar: 1.3 },
  { shape: "llama-3.2-1b", tokens: 32, bar: 1.2 },
];

const atDepth = deepBars.flatMap(({ shape, tokens, bar }) => [
  ...deep("cria", "", shape, tokens, bar),
  ...deep("cria-wide", "wide-", shape, tokens, bar),
]);

function deep(ours: "cria" | "cria-wide", prefix: string, shape: string, tokens: number, bar: number): Comparison[] {
  const model = { kind: "model", shape, format: "q4_0", contextSize: DEPTH + 256, sequences: 1, ours } as const;
  return [
    {
      ...model,
      name: `depth/${shape}/${prefix}decode`,
      section: `After ${DEPTH} tokens`,
      theirs: "node-llama-cpp",
      tests: [{ label: `tg${tokens} after ${DEPTH}`, test: decode(tokens, DEPTH), bar: { 24: bar } }],
    },
    {
      ...model,
      name: `depth/${shape}/${prefix}prefill`,
      section: "A long prompt beside a short one",
      theirs: ours,
      tests: [{ label: `pp${DEPTH} / pp512`, test: prefill(DEPTH), theirTest: prefill(512), bar: { 24: 0.8 } }],
    },
  ];
}

const baselineBars = { q4_0: 0.4, q8_0: 0.65 };

const baseline = Object.entries(baselineBars).map(
  ([format, bar]): Comparison => ({
    kind: "model",
    name: `simd/llama-3.2-1b/${format}`,
    section: "Without relaxed SIMD",
    ours: "cria-simd",
    theirs: "node-llama-cpp",
    shape: "llama-3.2-1b",
    format,
    contextSize: CONTEXT,
    sequences: 1,
    tests: [
      { label: "pp512", test: prefill(512), bar: undefined },
      { label: "tg64", test: decode(64), bar },
    ],
  }),
);

const wllamaBars = { q4_0: 10, q4_k_m: 5, q8_0: 6 };

const againstWllama = Object.entries(wllamaBars).map(
  ([format, decodeBar]): Comparison => ({
    kind: "model",
    name: `wllama/llama-3.2-1b/${format}`,
    section: "wllama in Chromium",
    ours: "cria",
    theirs: "wllama",
    shape: "llama-3.2-1b",
    format,
    contextSize: CONTEXT,
    sequences: 1,
    // Shorter than elsewhere: it takes its time.
    tests: [
      { label: "pp64", test: prefill(64), bar: 10 },
      { label: "tg8", test: decode(8), bar: decodeBar },
    ],
  }),
);

const bandwidthBars: readonly { shape: string; format: string; bar: Bar }[] = [
  { shape: "llama-3.2-1b", format: "q4_0", bar: 0.58 },
  { shape: "llama-3.2-1b", format: "q4_k_m", bar: 0.58 },
  { shape: "llama-3.2-1b", format: "q8_0", bar: 0.65 },
  { shape: "llama-3.1-8b", format: "q4_k_m", bar: 0.58 },
  { shape: "qwen3-30b-a3b", format: "q4_k_m", bar: 0.6 },
  { shape: "gpt-oss-20b", format: "mxfp4", bar: 0.6 },
  ...families.map(({ shape, format, share: bar }) => ({ shape, format, bar })),
];

const againstMemory = bandwidthBars.map(
  ({ shape, format, bar }): Comparison => ({
    kind: "model",
    name: `memory-read/${shape}/${format}`,
    section: "Share of the memory's bandwidth",
    ours: "cria",
    theirs: "memory-read",
    shape,
    format,
    contextSize: CONTEXT,
    sequences: 1,
    tests: [{ label: "tg64", test: decode(64), bar }],
  }),
);

function matmul(
  theirs: string,
  name: string,
  shape: Pick<MatmulSubject, "format" | "tokens" | "matrices" | "threads">,
  passes: number,
  bar: Bar,
): Comparison {
  const { format, tokens, matrices, threads } = shape;
  const [columns, rows] = [2048, 8192];
  return {
    kind: "matmul",
    name: `${theirs}/${name}`,
    section: "Matmul kernels",
    ours: "cria-matmul",
    theirs,
    label: `${format} ${tokens}x${columns}x${rows}${matrices > 1 ? `, ${matrices} matrices` : ""}, ${threads} thread${threads > 1 ? "s" : ""}`,
    subject: { kind: "matmul", columns, rows, ...shape },
    passes,
    bar,
  };
}

// One row of activations: eight matrices, so that they come from memory as in a model, and the call's overhead is spread.
const gemv = { format: "Q4_0", tokens: 1, matrices: 8, threads: THREADS } as const;
const gemm = { format: "Q4_0", tokens: 512, matrices: 1, threads: THREADS } as const;

export const comparisons: readonly Comparison[] = [
  ...againstLlamaCpp("node-llama-cpp", "node-llama-cpp"),
  ...againstLlamaCpp("node-llama-cpp-avx2", "node-llama-cpp, held to AVX2"),
  ...wide,
  ...atDepth,
  ...embeddings,
  ...againstOnnx,
  ...baseline,
  ...againstMemory,
  ...againstWllama,
  matmul("onnxruntime-node", "1", gemv, 100, 0.9),
  matmul("onnxruntime-node", "512", gemm, 4, 1.05),
  matmul("onnxruntime-web", "1", gemv, 50, undefined),
  matmul("onnxruntime-web", "512", gemm, 2, undefined),
  matmul("tfjs-wasm", "512", { format: "F32", tokens: 512, matrices: 1, threads: 1 }, 2, 1.6),
];

/** Threads of every comparison of models. */
export const modelThreads = THREADS;
