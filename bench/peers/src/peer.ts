// What an engine is to the driver: a module that exports `peer`, is prepared once in a process of its own, and then runs tests.

/** A model file, and how it is to be run. */
export interface ModelSubject {
  readonly kind: "model";
  readonly file: string;
  readonly threads: number;
  /** Positions of one sequence. */
  readonly contextSize: number;
  readonly sequences: number;
  /** The browser's executable, for engines that run in one. */
  readonly browser: string;
}

/** y (tokens, rows) = x (tokens, columns) . w (rows, columns) transposed, for several matrices w of one shape, one after another. */
export interface MatmulSubject {
  readonly kind: "matmul";
  readonly format: "F32" | "Q4_0";
  readonly tokens: number;
  readonly columns: number;
  readonly rows: number;
  readonly matrices: number;
  readonly threads: number;
}

/** What an ONNX model computes in: floats, or weights and activations of 8 bits. */
export type Precision = "fp32" | "int8";

/** A model that makes vectors of texts. */
export interface EmbeddingSubject {
  readonly kind: "embedding";
  /** A GGUF file: for the ones that read ONNX, where the weights and the vocabulary come from. */
  readonly file: string;
  /** For the ones that read ONNX. */
  readonly precision: Precision;
  readonly threads: number;
  /** Tokens that a text may have. */
  readonly contextSize: number;
}

export type Subject = ModelSubject | MatmulSubject | EmbeddingSubject;

/** What is timed; `count` in tokens of a prompt, tokens of each sequence one after another, and passes over all matrices. */
export type Test =
  | { readonly kind: "prefill" | "matmul"; readonly count: number }
  /** `depth`: tokens of a prompt that each sequence has before, which are not timed. */
  | { readonly kind: "decode"; readonly count: number; readonly depth?: number }
  /** Each text after the one before, or all asked for at once. */
  | { readonly kind: "embed-each" | "embed-all"; readonly texts: readonly string[] };

/** A loaded model, or a matmul that is ready to run. */
export interface Prepared {
  /** What the engine says of itself: its instruction sets, its build. */
  readonly details: string;
  /** Runs the test once, and answers with its rate: tokens/s in all sequences together, GFLOP/s, or texts/s. */
  run(test: Test): Promise<number>;
  /** The vectors of texts; only of an EmbeddingSubject. */
  embed?(texts: readonly string[]): Promise<number[][]>;
}

export interface Peer<S extends Subject> {
  readonly name: string;
  readonly version: string;
  /** What is timed as loading. @throws Unavailable */
  prepare(subject: S): Promise<Prepared>;
}

/** The engine is not to be had on this machine, or in this version of it: a comparison with it is left out. */
export class Unavailable extends Error {}

/** Of a round of embeddings. */
const LEAST_MILLISECONDS = 500;

/** @param embed the vectors of texts that are asked for at once */
export function preparedEmbedding(
  details: string,
  embed: (texts: readonly string[]) => Promise<readonly ArrayLike<number>[]>,
): Prepared {
  return {
    details,
    async embed(texts) {
      return (await embed(texts)).map((vector) => Array.from(vector));
    },
    async run(test) {
      if (test.kind !== "embed-all" && test.kind !== "embed-each") return unsupported(test);
      const { kind, texts } = test;
      const begin = performance.now();
      let [done, elapsed] = [0, 0];
      // Small models are through with the texts in less time than a disturbance takes.
      for (; elapsed < LEAST_MILLISECONDS; elapsed = performance.now() - begin) {
        if (kind === "embed-all") await embed(texts);
        else for (const text of texts) await embed([text]);
        done += texts.length;
      }
      return (1000 * done) / elapsed;
    },
  };
}

/** The rate of `count` things that `run` does. */
export async function ratePerSecond(count: number, run: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await run();
  return (1000 * count) / (performance.now() - begin);
}

/** The same prompt for every engine: ids of ordinary tokens, no two neighbours alike. */
export function promptIds(count: number): number[] {
  return Array.from({ length: count }, (_, i) => 300 + ((i * 7919) % 20000));
}

/** The operations of one pass, in GFLOP. */
export function matmulGflop({ tokens, columns, rows, matrices }: MatmulSubject): number {
  return (2 * tokens * columns * rows * matrices) / 1e9;
}

export function unsupported({ kind }: Test): never {
  throw new Error(`this peer has no test "${kind}"`);
}
