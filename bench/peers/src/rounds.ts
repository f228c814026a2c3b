// Runs a comparison: ours, theirs, ours, theirs, ... so that what disturbs the machine disturbs both.

import {
  type Bar,
  type Comparison,
  type EmbeddingComparison,
  type LoadComparison,
  modelThreads,
} from "./comparisons.js";
import { readMachine } from "./machine-load.js";
import { measureRow, type Noise } from "./noise.js";
import type { Subject, Test } from "./peer.js";
import { PeerProcess } from "./peer-process.js";
import { cosine, spread } from "./statistics.js";
import type { TextRecipe } from "./texts.js";

/** One line of the results. */
export interface Measurement {
  readonly comparison: string;
  readonly label: string;
  readonly unit: string;
  readonly better: "more" | "less";
  readonly bar?: number;
  readonly ours: Side;
  readonly theirs: Side;
  /** Of results since there is such a record, on machines that tell. */
  readonly noise?: Noise | undefined;
  /** Of an embedding: how alike the two vectors of each text are. */
  readonly cosines?: Agreement;
}

/** Cosine similarities. */
export interface Agreement {
  readonly texts: number;
  readonly least: number;
  readonly mean: number;
}

export interface Side {
  readonly name: string;
  readonly version: string;
  readonly details: string;
  /** In the order of the rounds. */
  readonly values: number[];
}

export interface RunOptions {
  /** The Node binary, and the major number of its version. */
  readonly node: string;
  readonly nodeMajor: number;
  readonly rounds: number;
  readonly browser: string;
  readonly files: ModelFiles;
}

/** Where the models are, which are made when they are first needed. */
export interface ModelFiles {
  readonly model: (shape: string, format: string) => Promise<string>;
  /** Of an encoder that is compared in several formats: all of them have the same weights. */
  readonly encoder: (shape: string, format: string) => Promise<string>;
  /** Texts of so many tokens of a model's vocabulary. */
  readonly texts: (file: string, recipe: TextRecipe) => Promise<string[]>;
}

interface Measured {
  readonly ours: Side;
  readonly theirs: Side;
  readonly noise: Noise | undefined;
}

/** @throws Unavailable when a side is not to be had here */
export async function runComparison(comparison: Comparison, options: RunOptions): Promise<Measurement[]> {
  const line = (label: string, unit: string, better: "more" | "less", bar: Bar, measured: Measured) => ({
    comparison: comparison.name,
    label,
    unit,
    better,
    bar: typeof bar === "object" ? bar[options.nodeMajor] : bar,
    ...measured,
  });
  if (comparison.kind === "load") {
    const { seconds, megabytes } = await loadRounds(comparison, options);
    return [
      line("load", "s", "less", comparison.secondsBar, seconds),
      line("peak RSS", "MB", "less", comparison.memoryBar, megabytes),
    ];
  }
  const pair: PeerProcess[] = [];
  try {
    for (const [i, module] of [comparison.ours, comparison.theirs].entries()) {
      pair.push(await PeerProcess.start(module, options.node, await subjectOf(comparison, i === 0, options)));
    }
    if (comparison.kind === "matmul") {
      const test: Test = { kind: "matmul", count: comparison.passes };
      const measured = await testRounds(pair, [test, test], options.rounds);
      return [line(comparison.label, "GFLOP/s", "more", comparison.bar, measured)];
    }
    const measurements: Measurement[] = [];
    if (comparison.kind === "embedding") {
      const file = await encoderFile(comparison, true, options);
      const cosines = await agreement(pair, comparison, await textsOfAll(comparison.compared, file, options));
      for (const { label, kind, texts, bar } of comparison.tests) {
        const test: Test = { kind, texts: await options.files.texts(file, texts) };
        const measured = await testRounds(pair, [test, test], options.rounds);
        measurements.push({ ...line(label, "texts/s", "more", bar, measured), cosines });
      }
      return measurements;
    }
    for (const { label, test, theirTest = test, bar } of comparison.tests) {
      const measured = await testRounds(pair, [test, theirTest], options.rounds);
      measurements.push(line(label, "tokens/s", "more", bar, measured));
    }
    return measurements;
  } finally {
    for (const peer of pair) await peer.stop();
  }
}

async function textsOfAll(recipes: readonly TextRecipe[], file: string, { files }: RunOptions): Promise<string[]> {
  const texts: string[] = [];
  for (const recipe of recipes) texts.push(...(await files.texts(file, recipe)));
  return texts;
}

/** @throws when the two vectors of a text are less alike than the comparison demands: figures of other work are worth nothing */
async function agreement(
  [ours, theirs]: readonly PeerProcess[],
  { name, leastCosine }: EmbeddingComparison,
  texts: readonly string[],
): Promise<Agreement> {
  const [a, b] = [await ours!.embed(texts), await theirs!.embed(texts)];
  const cosines = texts.map((_, i) => cosine(a[i]!, b[i]!));
  const least = cosines.reduce((x, y) => (y >= x ? x : y)); // NaN, of a vector that is missing or zero, is the least
  if (!(least >= leastCosine)) {
    const text = texts[cosines.indexOf(least)] ?? "one of them";
    throw new Error(`${name}: the vectors of "${text}" have a cosine similarity of ${least}, less than ${leastCosine}`);
  }
  return { texts: texts.length, least, mean: cosines.reduce((x, y) => x + y) / texts.length };
}

async function testRounds(
  pair: readonly PeerProcess[],
  [ours, theirs]: readonly [ours: Test, theirs: Test],
  rounds: number,
): Promise<Measured> {
  const round = async () => [await pair[0]!.run(ours), await pair[1]!.run(theirs)] as const;
  await round(); // caches and compilers warm up
  const { values, noise } = await measureRow({
    rounds,
    round,
    read: readMachine,
    spreadOf: (values) => spread(values.map(([a, b]) => a / b)),
  });
  return {
    ours: side(
      pair[0]!,
      values.map(([ours]) => ours),
    ),
    theirs: side(
      pair[1]!,
      values.map(([, theirs]) => theirs),
    ),
    noise,
  };
}

/** Loading, and the peak of resident memory after a prompt and an answer: each time in a process that does nothing else. */
async function loadRounds(
  comparison: LoadComparison,
  options: RunOptions,
): Promise<{ seconds: Measured; megabytes: Measured }> {
  const subject = await subjectOf(comparison, true, options);
  const loaded = async (module: string) => {
    const peer = await PeerProcess.start(module, options.node, subject);
    try {
      await peer.run({ kind: "prefill", count: 512 });
      await peer.run({ kind: "decode", count: 8 });
    } finally {
      await peer.stop();
    }
    return peer;
  };
  const round = async () => {
    const ours = await loaded(comparison.ours);
    return [ours, await loaded(comparison.theirs)] as const;
  };
  await round(); // the page cache warms up
  const { values, noise } = await measureRow({
    rounds: options.rounds,
    round,
    read: readMachine,
    spreadOf: (values) => spread(values.map(([ours, theirs]) => theirs.loadSeconds / ours.loadSeconds)),
  });
  const measured = (amount: (peer: PeerProcess) => number): Measured => ({
    ours: side(
      values[0]![0],
      values.map(([ours]) => amount(ours)),
    ),
    theirs: side(
      values[0]![1],
      values.map(([, theirs]) => amount(theirs)),
    ),
    noise,
  });
  return { seconds: measured((peer) => peer.loadSeconds), megabytes: measured((peer) => peer.last.peakBytes / 1e6) };
}

function side({ last }: PeerProcess, values: number[]): Side {
  return { name: last.name, version: last.version, details: last.details, values };
}

async function subjectOf(comparison: Comparison, isOurs: boolean, options: RunOptions): Promise<Subject> {
  if (comparison.kind === "matmul") return comparison.subject;
  const { shape, format, contextSize } = comparison;
  const common = { threads: modelThreads, contextSize };
  if (comparison.kind === "embedding") {
    const file = await encoderFile(comparison, isOurs, options);
    return { ...common, kind: "embedding", file, precision: comparison.onnx ?? "fp32" };
  }
  return {
    ...common,
    kind: "model",
    file: await options.files.model(shape, format),
    sequences: comparison.kind === "load" ? 1 : comparison.sequences,
    browser: options.browser,
  };
}

/** Peers that read GGUF read cria's file; ONNX models are made of the one that has all the weights' bits. */
function encoderFile(
  { shape, format, onnx }: EmbeddingComparison,
  isOurs: boolean,
  { files }: RunOptions,
): Promise<string> {
  if (onnx === undefined) return files.model(shape, format);
  return files.encoder(shape, isOurs ? format : "f32");
}
