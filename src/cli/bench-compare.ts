// cria bench --compare: two files of results, side by side.

import { readFile } from "node:fs/promises";
import { CriaError } from "../errors.js";
import { printable } from "../gguf/index.js";
import { type BenchComparison, type BenchRow, CONFIDENCE, type Comparison, parseBench } from "../lab/compare.js";

/** @throws CriaError BENCH_FILE */
export async function readBenchFile(path: string): Promise<BenchRow[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new CriaError("BENCH_FILE", `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? error}`);
  }
  return parseBench(text, path);
}

export function comparisonText(
  { rows, onlyBefore, onlyAfter }: BenchComparison,
  before: string,
  after: string,
): string {
  const columns = [
    "test",
    "before t/s",
    "after t/s",
    "after / before",
    `${100 * CONFIDENCE} % interval`,
    "verdict",
    "doubts",
  ];
  const cells = rows.map((row) => [
    printable(row.key),
    row.before.toFixed(2),
    row.after.toFixed(2),
    row.ratio.toFixed(3),
    row.interval === undefined ? "?" : `${row.interval[0].toFixed(3)} .. ${row.interval[1].toFixed(3)}`,
    verdictOf(row),
    printable(row.doubts.join("; "), Number.POSITIVE_INFINITY),
  ]);
  const widths = columns.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i]!.length)));
  const isText = (column: number) => column === 0 || column >= 5;
  const line = (row: readonly string[]) =>
    `|${row.map((cell, i) => ` ${isText(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)} |`).join("")}\n`;
  const rule = columns.map((_, i) => `${"-".repeat(widths[i]! - 1)}${isText(i) ? "-" : ":"}`);
  const only = (names: readonly string[], file: string) =>
    names.map((name) => `only in ${printable(file)}: ${printable(name)}\n`).join("");
  return (
    line(columns) +
    line(rule) +
    cells.map(line).join("") +
    `\nbefore: ${printable(before)}; after: ${printable(after)}. Medians; the ratio is that of the geometric means, its interval ` +
    `Welch's t of the logarithms.\nAn interval that holds 1 says: no difference that these repetitions could show.\n` +
    only(onlyBefore, before) +
    only(onlyAfter, after)
  );
}

function verdictOf({ verdict, ratio }: Comparison): string {
  if (verdict === "unknown") return "one repetition: no interval";
  if (verdict === "below the noise") return verdict;
  return `${(100 * Math.abs(ratio - 1)).toFixed(1)} % ${verdict}`;
}
