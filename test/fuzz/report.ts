// The counts of all runs, in docs/reliability.json, and docs/reliability.md, whose tables are written from them.

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

/** What grew while something was done many times. */
export interface Leak {
  readonly what: string;
  readonly times: number;
  /** The slopes of JavaScript's heap, and of the whole process's memory. */
  readonly bytesEach: number;
  readonly residentEach: number;
  readonly handles: number;
  readonly listeners: number;
}

export interface ReliabilityData {
  readonly executions: readonly Executions[];
  readonly leaks: readonly (Leak & { readonly node: string })[];
}

const LOCK_EVERY = 20;
const node = process.version.slice(1);

/** Adds a run's counts to those before, and writes the page. Several fuzzers may run at a time. */
export function addRun(root: string, run: Omit<Executions, "node">): void {
  change(root, (data) => ({ ...data, executions: added(data.executions, { ...run, node }) }));
}

/** Puts what was measured in the place of an earlier measurement on the same Node, and writes the page. */
export function addLeaks(root: string, leaks: readonly Leak[]): void {
  change(root, (data) => {
    const others = data.leaks.filter((leak) => leak.node !== node);
    return { ...data, leaks: [...others, ...leaks.map((leak) => ({ ...leak, node }))] };
  });
}

function change(root: string, by: (data: ReliabilityData) => ReliabilityData): void {
  const file = join(root, "docs", "reliability.json");
  const page = join(root, "docs", "reliability.md");
  const release = locked(`${file}.lock`);
  try {
    const data = by(JSON.parse(readFileSync(file, "utf8")) as ReliabilityData);
    writeFileSync(file, `${JSON.stringify(data, null, 2)}\n`);
    writeFileSync(page, pageWith(readFileSync(page, "utf8"), data));
  } finally {
    release();
  }
}

function added(before: readonly Executions[], run: Executions): readonly Executions[] {
  const key = ({ target, node, build = "" }: Executions) => `${target} ${node} ${build}`;
  const same = before.find((row) => key(row) === key(run));
  const sum = (count: "executions" | "ok" | "faults") => (same?.[count] ?? 0) + run[count];
  const row = { ...run, executions: sum("executions"), ok: sum("ok"), faults: sum("faults") };
  return [...before.filter((other) => other !== same), row].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** The page with its tables, which stand between `<!-- NAME -->` and `<!-- /NAME -->`, as the data have them. */
export function pageWith(page: string, data: ReliabilityData): string {
  const tables = { executions: executionsTable(data), leaks: leaksTable(data) };
  return Object.entries(tables).reduce((text, [name, table]) => {
    const place = new RegExp(`(?<=<!-- ${name} -->\n)[^]*?(?=<!-- /${name} -->)`);
    if (!place.test(text)) throw new Error(`docs/reliability.md has no place for the table "${name}"`);
    return text.replace(place, () => `${table.join("\n")}\n`);
  }, page);
}

function executionsTable({ executions }: ReliabilityData): string[] {
  const rows = executions.map(({ target, node, build, executions, ok, faults }) => {
    return `| \`${target}\` | ${node} | ${build ?? "any"} | ${grouped(executions)} | ${grouped(ok)} | ${faults} |`;
  });
  return ["| target | Node | kernels | executions | with a result | faults |", "|---|---|---|---:|---:|---:|", ...rows];
}

function leaksTable({ leaks }: ReliabilityData): string[] {
  const rows = leaks.map(({ what, node, times, bytesEach, residentEach, handles, listeners }) => {
    return `| ${what} | ${node} | ${grouped(times)} | ${grouped(bytesEach)} | ${grouped(residentEach)} | ${handles} | ${listeners} |`;
  });
  return [
    "| what | Node | times | heap | process | handles | listeners |",
    "|---|---|---:|---:|---:|---:|---:|",
    ...rows,
  ];
}

const grouped = (count: number) => count.toLocaleString("en-US");

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
