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

/** A model that makes vectors of texts. */
export interface EmbeddingSubject {
  readonly kind: "embedding";
  readonly file: string;
  readonly threads: number;
  /** Tokens that a text may have. */
  readonly contextSize: number;
}

export type Subject = ModelSubject | MatmulSubject | EmbeddingSubject;

/**
 * prefill: tokens of a prompt; decode: tokens of each sequence, one after another; matmul: passes over all matrices; embed-each: texts,
 * each after the one before; embed-all: texts that are all asked for at once.
 */
export interface Test {
  readonly kind: "prefill" | "decode" | "matmul" | "embed-each" | "embed-all";
  readonly count: number;
}

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
  /** What is timed as loading. */
  prepare(subject: S): Promise<Prepared>;
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

const words = ["fox", "bear", "forest", "search", "vector", "model", "river", "story", "engine", "a", "of", "quickly"];

/** The same texts for every engine: 1 to 32 words each, no two alike; a word is one to four tokens of the synthetic vocabulary. */
export function embeddingTexts(count: number): string[] {
  return Array.from({ length: count }, (_, text) => {
    const length = 1 + ((text * 7) % 32);
    const chosen = Array.from({ length }, (_, i) => words[(text + i * (1 + (text % 5)) + (i >> 2)) % words.length]!);
    return [...chosen, String(text)].join(" ");
  });
}

/** The operations of one pass, in GFLOP. */
export function matmulGflop({ tokens, columns, rows, matrices }: MatmulSubject): number {
  return (2 * tokens * columns * rows * matrices) / 1e9;
}

export function unsupported(test: Test): never {
  throw new Error(`this peer has no test "${test.kind}"`);
}
