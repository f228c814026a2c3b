// Runs a comparison: ours, theirs, ours, theirs, ... so that what disturbs the machine disturbs both.

import { type Bar, type Comparison, type LoadComparison, modelThreads } from "./comparisons.js";
import type { Subject, Test } from "./peer.js";
import { PeerProcess } from "./peer-process.js";

/** One line of the results. */
export interface Measurement {
  readonly comparison: string;
  readonly label: string;
  readonly unit: string;
  readonly better: "more" | "less";
  readonly bar?: number;
  readonly ours: Side;
  readonly theirs: Side;
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
    const measurements: Measurement[] = [];
    for (const { label, test, bar } of comparison.tests) {
      measurements.push(line(label, "tokens/s", "more", bar, await testRounds(pair, test, options.rounds)));
    }
    return measurements;
  } finally {
    for (const peer of pair) await peer.stop();
  }
}

async function testRounds(pair: readonly PeerProcess[], test: Test, rounds: number): Promise<Sides> {
  for (const peer of pair) await peer.run(test); // caches and compilers warm up
  const values: number[][] = pair.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, peer] of pair.entries()) values[i]!.push(await peer.run(test));
  }
  return [side(pair[0]!, values[0]!), side(pair[1]!, values[1]!)];
}

/** Loading, and the peak of resident memory after a prompt and an answer: each time in a process that does nothing else. */
async function loadRounds(
  comparison: LoadComparison,
  options: RunOptions,
): Promise<{ seconds: Sides; megabytes: Sides }> {
  const modules = [comparison.ours, comparison.theirs];
  const subject = subjectOf(comparison, options);
  const seconds: number[][] = [[], []];
  const megabytes: number[][] = [[], []];
  const last: PeerProcess[] = [];
  // The first round warms up the page cache.
  for (let round = 0; round <= options.rounds; round++) {
    for (const [i, module] of modules.entries()) {
      const peer = await PeerProcess.start(module, options.node, subject);
      try {
        await peer.run({ kind: "prefill", count: 512 });
        await peer.run({ kind: "decode", count: 8 });
      } finally {
        await peer.stop();
      }
      last[i] = peer;
      if (round === 0) continue;
      seconds[i]!.push(peer.loadSeconds);
      megabytes[i]!.push(peer.last.peakBytes / 1e6);
    }
  }
  const sides = (values: number[][]): Sides => [side(last[0]!, values[0]!), side(last[1]!, values[1]!)];
  return { seconds: sides(seconds), megabytes: sides(megabytes) };
}

function side({ last }: PeerProcess, values: number[]): Side {
  return { name: last.name, version: last.version, details: last.details, values };
}

function subjectOf(comparison: Comparison, { browser, modelFile }: RunOptions): Subject {
  if (comparison.kind === "matmul") return comparison.subject;
  const { shape, format, contextSize } = comparison;
  return {
    kind: "model",
    file: modelFile(shape, format),
    threads: modelThreads,
    contextSize,
    sequences: comparison.kind === "load" ? 1 : comparison.sequences,
    browser,
  };
}
