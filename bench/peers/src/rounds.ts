// Runs a comparison: ours, theirs, ours, theirs, ... so that what disturbs the machine disturbs both.

import {
  type Bar,
  type Comparison,
  type EmbeddingComparison,
  type LoadComparison,
  modelThreads,
} from "./comparisons.js";
import { embeddingTexts, type Subject, type Test } from "./peer.js";
import { PeerProcess } from "./peer-process.js";
import { quietRounds } from "./quiet.js";
import { cosine } from "./statistics.js";

/** One line of the results. */
export interface Measurement {
  readonly comparison: string;
  readonly label: string;
  readonly unit: string;
  readonly better: "more" | "less";
  readonly bar?: number;
  readonly ours: Side;
  readonly theirs: Side;
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
  /** The file of a model. */
  readonly modelFile: (shape: string, format: string) => string;
}

type Sides = readonly [ours: Side, theirs: Side];

export async function runComparison(comparison: Comparison, options: RunOptions): Promise<Measurement[]> {
  const line = (label: string, unit: string, better: "more" | "less", bar: Bar, [ours, theirs]: Sides) => ({
    comparison: comparison.name,
    label,
    unit,
    better,
    bar: typeof bar === "object" ? bar[options.nodeMajor] : bar,
    ours,
    theirs,
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
    for (const module of [comparison.ours, comparison.theirs]) {
      pair.push(await PeerProcess.start(module, options.node, subjectOf(comparison, options)));
    }
    if (comparison.kind === "matmul") {
      const test: Test = { kind: "matmul", count: comparison.passes };
      return [line(comparison.label, "GFLOP/s", "more", comparison.bar, await testRounds(pair, test, options.rounds))];
    }
    const isEmbedding = comparison.kind === "embedding";
    const cosines = isEmbedding ? await agreement(pair, comparison) : undefined;
    const unit = isEmbedding ? "texts/s" : "tokens/s";
    const measurements: Measurement[] = [];
    for (const { label, test, bar } of comparison.tests) {
      const measured = line(label, unit, "more", bar, await testRounds(pair, test, options.rounds));
      measurements.push(cosines === undefined ? measured : { ...measured, cosines });
    }
    return measurements;
  } finally {
    for (const peer of pair) await peer.stop();
  }
}

/** @throws when the two vectors of a text are less alike than the comparison demands: figures of other work are worth nothing */
async function agreement(
  [ours, theirs]: readonly PeerProcess[],
  { name, compared, leastCosine }: EmbeddingComparison,
): Promise<Agreement> {
  const texts = embeddingTexts(compared);
  const [a, b] = [await ours!.embed(texts), await theirs!.embed(texts)];
  const cosines = texts.map((_, i) => cosine(a[i]!, b[i]!));
  const least = cosines.reduce((x, y) => (y >= x ? x : y)); // NaN, of a vector that is missing or zero, is the least
  if (!(least >= leastCosine)) {
    const text = texts[cosines.indexOf(least)] ?? "one of them";
    throw new Error(`${name}: the vectors of "${text}" have a cosine similarity of ${least}, less than ${leastCosine}`);
  }
  return { texts: compared, least, mean: cosines.reduce((x, y) => x + y) / compared };
}

async function testRounds(pair: readonly PeerProcess[], test: Test, rounds: number): Promise<Sides> {
  for (const peer of pair) await peer.run(test); // caches and compilers warm up
  const values = await quietRounds(rounds, async () => {
    const ours = await pair[0]!.run(test);
    return [ours, await pair[1]!.run(test)] as const;
  });
  return [
    side(
      pair[0]!,
      values.map(([ours]) => ours),
    ),
    side(
      pair[1]!,
      values.map(([, theirs]) => theirs),
    ),
  ];
}

/** Loading, and the peak of resident memory after a prompt and an answer: each time in a process that does nothing else. */
async function loadRounds(
  comparison: LoadComparison,
  options: RunOptions,
): Promise<{ seconds: Sides; megabytes: Sides }> {
  const subject = subjectOf(comparison, options);
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
  const rounds = await quietRounds(options.rounds, round);
  const sides = (amount: (peer: PeerProcess) => number): Sides => [
    side(
      rounds[0]![0],
      rounds.map(([ours]) => amount(ours)),
    ),
    side(
      rounds[0]![1],
      rounds.map(([, theirs]) => amount(theirs)),
    ),
  ];
  return { seconds: sides((peer) => peer.loadSeconds), megabytes: sides((peer) => peer.last.peakBytes / 1e6) };
}

function side({ last }: PeerProcess, values: number[]): Side {
  return { name: last.name, version: last.version, details: last.details, values };
}

function subjectOf(comparison: Comparison, { browser, modelFile }: RunOptions): Subject {
  if (comparison.kind === "matmul") return comparison.subject;
  const { shape, format, contextSize } = comparison;
  if (comparison.kind === "embedding") {
    return { kind: "embedding", file: modelFile(shape, format), threads: modelThreads, contextSize };
  }
  return {
    kind: "model",
    file: modelFile(shape, format),
    threads: modelThreads,
    contextSize,
    sequences: comparison.kind === "load" ? 1 : comparison.sequences,
    browser,
  };
}
