// Two runs of the same tests: which of them differ by more than their repetitions do.
//
// Speeds are compared by their ratio, so their logarithms by their difference: Welch's t interval (1947), which lets the two sides spread
// differently. With few repetitions it is wide, and says so by itself. It knows only what varies between repetitions of one run: whether
// another machine or hour would give the same is for more runs to say, so what the limits of the machine did is told beside it.

import { CriaError } from "../errors.js";
import { mean, median, standardDeviation } from "./statistics.js";
import { studentQuantile } from "./student.js";

/** One test of a run: llama-bench's keys, as `cria bench -o json` writes them. */
export interface BenchRow {
  /** What makes it the same test in both runs. */
  readonly key: string;
  readonly tokensPerSecond: readonly number[];
  /** Of the machine; undefined in files of llama-bench. */
  readonly bandwidth: number | undefined;
  readonly int8: number | undefined;
  readonly noise: string;
}

/** A test in both runs. */
export interface Comparison {
  readonly key: string;
  /** Medians, tokens per second. */
  readonly before: number;
  readonly after: number;
  /** The geometric means' ratio, after / before, and the bounds that hold it with 95 %; undefined: a side has one repetition only. */
  readonly ratio: number;
  readonly interval: readonly [number, number] | undefined;
  readonly verdict: "faster" | "slower" | "below the noise" | "unknown";
  /** What stands against the verdict: disturbed rows, a machine whose limits differ. */
  readonly doubts: readonly string[];
}

/** Two runs of `cria bench`, test by test. */
export interface BenchComparison {
  /** Tests of both runs. */
  readonly rows: readonly Comparison[];
  /** Tests of one run only. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
}

export const CONFIDENCE = 0.95;
/** The machine's limits differ by more than that: so may everything else. */
const MACHINE_DIFFERS = 0.05;

/** The rows of a file of results: JSON, or JSON by lines. @throws CriaError BENCH_FILE */
export function parseBench(text: string, name: string): BenchRow[] {
  const rows = parse(text, name);
  const found = rows.map((row, i) => rowOf(row, `${name}, row ${i + 1}`));
  if (found.length === 0) throw new CriaError("BENCH_FILE", `${name} has no results`);
  // The same test again, as with other kernels: in the order of the file.
  const seen = new Map<string, number>();
  return found.map((row) => {
    const count = (seen.get(row.key) ?? 0) + 1;
    seen.set(row.key, count);
    return count === 1 ? row : { ...row, key: `${row.key}, the ${count}. time` };
  });
}

function parse(text: string, name: string): readonly unknown[] {
  try {
    const whole = text.trim();
    if (whole.startsWith("[")) return JSON.parse(whole) as unknown[];
    return whole
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => JSON.parse(line));
  } catch (error) {
    throw new CriaError("BENCH_FILE", `${name} is not JSON of results (-o json or jsonl): ${(error as Error).message}`);
  }
}

function rowOf(row: unknown, where: string): BenchRow {
  const fields = (row ?? {}) as Readonly<Record<string, unknown>>;
  const samples = fields["samples_ts"];
  const rates = Array.isArray(samples) ? samples : [];
  if (rates.length === 0 || !rates.every((rate) => typeof rate === "number" && rate > 0 && Number.isFinite(rate))) {
    throw new CriaError("BENCH_FILE", `${where} has no samples_ts, the tokens per second of its repetitions`);
  }
  const number = (name: string) => (typeof fields[name] === "number" ? (fields[name] as number) : undefined);
  const file = String(fields["model_filename"] ?? "?")
    .split(/[\\/]/)
    .at(-1)!;
  const [prompt, generate, depth] = [number("n_prompt") ?? 0, number("n_gen") ?? 0, number("n_depth") ?? 0];
  const parallel = number("n_parallel") ?? 1;
  const what = prompt > 0 && generate > 0 ? `pp${prompt}+tg${generate}` : prompt > 0 ? `pp${prompt}` : `tg${generate}`;
  const test = `${what}${parallel > 1 ? ` np${parallel}` : ""}${depth > 0 ? ` @ d${depth}` : ""}`;
  const cache = String(fields["type_k"] ?? "f16");
  const key = `${file}, ${test}, ${number("n_threads") ?? "?"} threads${cache === "f16" ? "" : `, ${cache}`}`;
  return {
    key,
    tokensPerSecond: rates as number[],
    bandwidth: number("read_bytes_per_second"),
    int8: number("int8_operations_per_second"),
    noise: typeof fields["noise"] === "string" ? fields["noise"] : "",
  };
}

/** Compares the tests that both runs have. @throws CriaError BENCH_FILE where there are none */
export function compareBenches(before: readonly BenchRow[], after: readonly BenchRow[]): BenchComparison {
  const rows = before.flatMap((a) => {
    const b = after.find(({ key }) => key === a.key);
    return b === undefined ? [] : [compareRows(a, b)];
  });
  const missing = (from: readonly BenchRow[], in_: readonly BenchRow[]) =>
    from.filter(({ key }) => !in_.some((other) => other.key === key)).map(({ key }) => key);
  if (rows.length === 0) {
    throw new CriaError(
      "BENCH_FILE",
      `the two files have no test in common: "${before[0]?.key}" and "${after[0]?.key}"`,
    );
  }
  return { rows, onlyBefore: missing(before, after), onlyAfter: missing(after, before) };
}

function compareRows(a: BenchRow, b: BenchRow): Comparison {
  const logs = [a, b].map(({ tokensPerSecond }) => tokensPerSecond.map(Math.log)) as [number[], number[]];
  const difference = mean(logs[1]) - mean(logs[0]);
  const half = welch(logs[0], logs[1]);
  const interval =
    half === undefined ? undefined : ([Math.exp(difference - half), Math.exp(difference + half)] as const);
  const verdict =
    interval === undefined ? "unknown" : interval[0] > 1 ? "faster" : interval[1] < 1 ? "slower" : "below the noise";
  return {
    key: a.key,
    before: median(a.tokensPerSecond),
    after: median(b.tokensPerSecond),
    ratio: Math.exp(difference),
    interval,
    verdict,
    doubts: doubtsOf(a, b),
  };
}

/** Half the width of the interval of the means' difference; undefined where a side has one sample. */
function welch(a: readonly number[], b: readonly number[]): number | undefined {
  if (a.length < 2 || b.length < 2) return undefined;
  const [va, vb] = [standardDeviation(a) ** 2 / a.length, standardDeviation(b) ** 2 / b.length];
  if (va + vb === 0) return 0;
  const degrees = (va + vb) ** 2 / (va ** 2 / (a.length - 1) + vb ** 2 / (b.length - 1));
  return studentQuantile(CONFIDENCE, degrees) * Math.sqrt(va + vb);
}

function doubtsOf(a: BenchRow, b: BenchRow): string[] {
  const doubts: string[] = [];
  if (a.noise !== "") doubts.push(`before: ${a.noise}`);
  if (b.noise !== "") doubts.push(`after: ${b.noise}`);
  for (const [name, before, after] of [
    ["read bandwidth", a.bandwidth, b.bandwidth],
    ["int8 peak", a.int8, b.int8],
  ] as const) {
    if (before === undefined || after === undefined) continue;
    const change = after / before - 1;
    if (Math.abs(change) > MACHINE_DIFFERS) {
      doubts.push(`the machine's ${name} was ${change > 0 ? "+" : ""}${(100 * change).toFixed(0)} %`);
    }
  }
  return doubts;
}
