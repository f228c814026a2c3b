// The counts of all runs, in docs/reliability.json, and the tables of docs/reliability.md that are written from them.

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Executions of one target on one Node and, where it matters, one build of the kernels. */
export interface Executions {
  readonly target: string;
  readonly node: string;
  readonly build?: string | undefined;
  readonly executions: number;
  /** Those that ended in a result; the others ended in a typed error. */
  readonly ok: number;
  readonly faults: number;
}

export interface ReliabilityData {
  readonly executions: readonly Executions[];
}

const LOCK_EVERY = 20;

/** Adds a run's counts to the file. Several fuzzers may run at a time. */
export function addRun(root: string, run: Omit<Executions, "node">): void {
  const file = join(root, "docs", "reliability.json");
  const release = locked(`${file}.lock`);
  try {
    const data = JSON.parse(readFileSync(file, "utf8")) as ReliabilityData;
    writeFileSync(file, `${JSON.stringify(added(data, { ...run, node: process.version.slice(1) }), null, 2)}\n`);
  } finally {
    release();
  }
}

function added(data: ReliabilityData, run: Executions): ReliabilityData {
  const same = (row: Executions) => row.target === run.target && row.node === run.node && row.build === run.build;
  const before = data.executions.find(same);
  const sum = (count: "executions" | "ok" | "faults") => (before?.[count] ?? 0) + run[count];
  const row = { ...run, executions: sum("executions"), ok: sum("ok"), faults: sum("faults") };
  const rows = [...data.executions.filter((other) => !same(other)), row];
  const key = ({ target, node, build = "" }: Executions) => `${target} ${node} ${build}`;
  return { ...data, executions: rows.sort((a, b) => (key(a) < key(b) ? -1 : 1)) };
}

/** Waits until no other process has the lock. */
function locked(folder: string): () => void {
  for (;;) {
    try {
      mkdirSync(folder);
      return () => rmdirSync(folder);
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_EVERY);
    }
  }
}
