// What is compared, and the ratio that each comparison must show.

import type { MatmulSubject, Test } from "./peer.js";

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

/** Both run the tests of one model, round by round. */
export interface ModelComparison extends Pair {
  readonly kind: "model";
  readonly shape: string;
  readonly format: string;
  readonly contextSize: number;
  readonly sequences: number;
  readonly tests: readonly { readonly label: string; readonly test: Test; readonly bar: Bar }[];
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
  readonly contextSize: number;
  /** Texts whose vectors are compared. */
  readonly compared: number;
  /** The least cosine similarity that the two vectors of a text may have. */
  readonly leastCosine: number;
  readonly tests: readonly { readonly label: string; readonly test: Test; readonly bar: Bar }[];
}

export type Comparison = ModelComparison | LoadComparison | MatmulComparison | EmbeddingComparison;

const THREADS = 2;
const CONTEXT = 2048;

const prefill = (count: number): Test => ({ kind: "prefill", count });
const decode = (count: number): Test => ({ kind: "decode", count });

// Node 20's V8 lacks what makes relaxed SIMD fast in prefill.
const fourBits = { decode: 1.2, prefill: { 20: 0.95, 24: 1.1 } };
const models: readonly { shape: string; format: string; decode: Bar; prefill: Bar }[] = [
  { shape: "llama-3.2-1b", format: "q4_0", ...fourBits },
  { shape: "llama-3.2-1b", format: "q4_k_m", ...fourBits },
  { shape: "llama-3.2-1b", format: "q8_0", decode: 1.0, prefill: { 20: 0.6, 24: 0.8 } },
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
  return {
    kind: "embedding",
    name: `node-llama-cpp/embedding/${isSmall ? format : `${shape}/${format}`}`,
    section: "Embeddings",
    ours: "cria-embedding",
    theirs: "node-llama-cpp-embedding",
    shape,
    format,
    contextSize: 512,
    compared: isSmall ? 128 : 16,
    leastCosine,
    tests: isSmall
      ? [
          { label: "64 texts, one by one", test: { kind: "embed-each", count: 64 }, bar: undefined },
          { label: "256 texts at once", test: { kind: "embed-all", count: 256 }, bar: undefined },
        ]
      : [
          { label: "8 texts, one by one", test: { kind: "embed-each", count: 8 }, bar: undefined },
          { label: "32 texts at once", test: { kind: "embed-all", count: 32 }, bar: undefined },
        ],
  };
});

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
  ...embeddings,
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
