// The results of a bench as a report's rows: numbered, with names, and put together in series.

import type { BenchResult } from "../bench.js";
import type { Cost } from "../price.js";
import type { LinePoint } from "./report.js";

/** A result with the number that the tables and figures call it by. */
export interface Row extends BenchResult {
  readonly number: number;
  readonly label: string;
  readonly median: number;
  readonly cost: Cost | undefined;
}

/** The last parts of paths; all of them where those are alike. */
export function shortNames(paths: readonly string[]): Map<string, string> {
  const distinct = [...new Set(paths)];
  const last = (path: string) =>
    path
      .split(/[\\/]/)
      .at(-1)!
      .replace(/\.gguf$/, "");
  const alike = new Set(distinct.map(last)).size < distinct.length;
  return new Map(distinct.map((path) => [path, alike ? path : last(path)]));
}

export const isDecode = ({ generate }: BenchResult) => generate > 0;

/** Milliseconds from one token of a sequence to its next. */
export const latency = ({ parallel, median }: Row) => (1000 * parallel) / median;

export const threadsOf = (count: number) => `${count} ${count === 1 ? "thread" : "threads"}`;

/** At least three digits that count. */
export function figures(value: number): string {
  return value >= 1000 ? value.toFixed(0) : `${Number(value.toPrecision(3))}`;
}

/** What a pointer shows. */
export function titleOf(row: Row): string {
  const { number, label, name, threads, median, limit, noise } = row;
  return [
    `${number}: ${label}, ${name}, ${threadsOf(threads)}`,
    `${figures(median)} tokens/s, ${(100 * limit.share).toFixed(0)} % of the limit by ${limit.boundBy}`,
    ...(isDecode(row) ? [`${figures(latency(row))} ms from token to token`] : []),
    ...noise,
  ].join("\n");
}

export function pointOf(row: Row, x: number, y = row.median): LinePoint {
  const scale = y / row.median;
  const samples = row.tokensPerSecond;
  return { x, y, low: scale * Math.min(...samples), high: scale * Math.max(...samples), title: titleOf(row) };
}

/** Rows that differ in `key` alone, by what else they have in common; only where there are several values. */
export function seriesBy(rows: readonly Row[], key: (row: Row) => number, same: (row: Row) => string) {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(same(row), [...(groups.get(same(row)) ?? []), row]);
  return [...groups]
    .map(([name, group]) => ({ name, rows: group.sort((a, b) => key(a) - key(b)) }))
    .filter(({ rows }) => new Set(rows.map(key)).size > 1);
}

/** How a row was loaded and run, except for the threads. */
export const variant = ({ label, build, kvCache, batch }: Row) => [label, build, kvCache, batch].join(" ");

/** Series by names that have what tells them apart, and no more. */
export function named<Series extends { readonly name: string; readonly rows: readonly Row[] }>(
  series: readonly Series[],
  more: (row: Row) => string,
) {
  const parts = (row: Row) => [row.label, row.build, row.kvCache, more(row)];
  const all = series.map(({ rows }) => parts(rows[0]!));
  const telling = [0, 1, 2, 3].filter((i) => i === 0 || new Set(all.map((one) => one[i])).size > 1);
  return series.map((one) => ({ ...one, name: telling.map((i) => parts(one.rows[0]!)[i]).join(", ") }));
}

/** The limits of series, as further series. */
export function limitSeries(series: readonly { name: string; rows: readonly Row[] }[], key: (row: Row) => number) {
  return series.map(({ name, rows }) => ({
    name: `limit of ${name}`,
    limitOf: name,
    points: rows.map((row) => ({ x: key(row), y: row.limit.tokensPerSecond, title: `limit: ${titleOf(row)}` })),
  }));
}
