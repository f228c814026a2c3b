// How fast models run: against the limits of the machine, by threads, by sequences, by depth.

import { median } from "../statistics.js";
import type { Figure, LinesFigure, Section, Table } from "./report.js";
import {
  figures,
  isDecode,
  latency,
  limitSeries,
  named,
  pointOf,
  type Row,
  seriesBy,
  threadsOf,
  titleOf,
  variant,
} from "./rows.js";

export function rooflineSection(rows: readonly Row[]): Section {
  const counts = [...new Set(rows.map(({ threads }) => threads))].sort((a, b) => a - b);
  const shown = counts.length > 2 ? [counts[0]!, counts.at(-1)!] : counts;
  const roofs = shown.map((count) => {
    const of = rows.filter(({ threads }) => threads === count).map(({ roofline }) => roofline);
    return {
      name: threadsOf(count),
      bandwidth: median(of.map(({ bandwidth }) => bandwidth)),
      peak: median(of.map(({ peaks }) => peaks.int8)),
    };
  });
  const giga = (rate: number) => figures(rate / 1e9);
  const points = rows.map((row) => {
    const operations = Object.values(row.work.operations).reduce((sum, one) => sum + one, 0);
    const seconds = median(row.nanoseconds) / 1e9;
    return {
      label: `${row.number}`,
      intensity: operations / row.work.bytes,
      operationsPerSecond: operations / seconds,
      group: row.label,
      title: titleOf(row),
    };
  });
  return {
    id: "roofline",
    title: "Roofline",
    text: [
      "Each point is a row of the table above. Below the slope, memory binds: more operations for each byte (larger batches, longer " +
        "prompts) are free. Below the flat part, arithmetic binds.",
      "A model that fits into the caches is not read from memory, and may lie above the slope. The flat part is the peak of int8; " +
        "weights of 16 and 32 bits, and attention, have lower peaks.",
      ...roofs.map(
        ({ name, bandwidth, peak }) =>
          `${name}: ${giga(bandwidth)} GB/s and ${giga(peak)} GOP/s (int8): the slope ends at ${figures(peak / bandwidth)} operations a byte.`,
      ),
    ],
    figures: [
      {
        kind: "roofline",
        id: "roofline-figure",
        caption: "Speed by arithmetic intensity, a point for each row",
        wide: true,
        roofs,
        points,
      },
    ],
    tables: [],
  };
}

export function threadsSection(rows: readonly Row[]): Section | undefined {
  const key = ({ threads }: Row) => threads;
  const lines = (decode: boolean): Figure[] => {
    const chosen = rows.filter((row) => isDecode(row) === decode);
    const same = (row: Row) => `${variant(row)} ${row.name}`;
    const series = named(seriesBy(chosen, key, same), ({ name }) => name);
    if (series.length === 0) return [];
    const what = decode ? "decode" : "prefill";
    return [
      {
        kind: "lines",
        id: `threads-${what}`,
        caption: `${decode ? "Decode" : "Prefill"} by threads (dashed: the limit)`,
        x: { label: "threads", ticks: [...new Set(series.flatMap(({ rows }) => rows.map(key)))] },
        y: { label: `${what} (tokens/s)` },
        series: [
          ...series.map(({ name, rows }) => ({ name, points: rows.map((row) => pointOf(row, key(row))) })),
          ...limitSeries(series, key),
        ],
      },
    ];
  };
  const all = [...lines(true), ...lines(false)];
  if (all.length === 0) return undefined;
  const gains = rows
    .filter(({ threads }) => threads === 1)
    .flatMap((one) => {
      const wide = rows
        .filter((row) => row.name === one.name && variant(row) === variant(one) && row.threads > 1)
        .sort((a, b) => b.threads - a.threads)[0];
      if (wide === undefined) return [];
      const gain = (wide.median / one.median).toFixed(2);
      return [`${one.label}, ${one.name}: ${threadsOf(wide.threads)} do ${gain} times the tokens of one.`];
    });
  return { id: "threads", title: "Threads", text: gains, figures: all, tables: [] };
}

export function batchSection(rows: readonly Row[]): Section | undefined {
  const key = ({ parallel }: Row) => parallel;
  const chosen = rows.filter((row) => isDecode(row) || !row.generates);
  const same = (row: Row) => `${variant(row)} ${row.threads} ${row.prompt} ${row.generate} ${row.depth}`;
  const detail = (row: Row) => `${row.generates ? "" : `${row.prompt} tokens, `}${threadsOf(row.threads)}`;
  const series = named(seriesBy(chosen, key, same), detail);
  if (series.length === 0) return undefined;
  const ticks = [...new Set(series.flatMap(({ rows }) => rows.map(key)))];
  const embeds = series.every(({ rows }) => rows.every(({ generates }) => !generates));
  const x = { label: embeds ? "texts in one call" : "sequences at once", scale: "log2", ticks } as const;
  const total: LinesFigure = {
    kind: "lines",
    id: "batch-total",
    caption: "All together, by sequences at once (dashed: the limit)",
    x,
    y: { label: "tokens of all (tokens/s)" },
    series: [
      ...series.map(({ name, rows }) => ({ name, points: rows.map((row) => pointOf(row, key(row))) })),
      ...limitSeries(series, key),
    ],
  };
  const waits: LinesFigure = {
    kind: "lines",
    id: "batch-latency",
    caption: "What one of them waits",
    x,
    y: { label: embeds ? "time of the call (ms)" : "token to token of one sequence (ms)" },
    series: series.map(({ name, rows }) => ({
      name,
      points: rows.map((row) => {
        const y = embeds ? (1000 * row.parallel * row.prompt) / row.median : latency(row);
        return { x: key(row), y, title: titleOf(row) };
      }),
    })),
  };
  const text = series.map(({ name, rows }) => {
    const [first, last] = [rows[0]!, rows.at(-1)!];
    const more = (last.median / first.median).toFixed(2);
    const longer = (latency(last) / latency(first)).toFixed(2);
    return `${name}: ${last.parallel} at once do ${more} times the tokens of ${first.parallel}, and each waits ${longer} times as long.`;
  });
  return { id: "batch", title: "Batch", text, figures: [total, waits], tables: [batchTable(series, embeds)] };
}

function batchTable(series: readonly { name: string; rows: readonly Row[] }[], embeds: boolean): Table {
  return {
    columns: [
      { name: "series" },
      { name: embeds ? "texts" : "sequences", numeric: true },
      { name: "tokens/s, all", numeric: true },
      { name: "tokens/s, each", numeric: true },
      { name: embeds ? "ms a call" : "ms/token of each", numeric: true },
    ],
    rows: series.flatMap(({ name, rows }) =>
      rows.map((row) => [
        name,
        `${row.parallel}`,
        figures(row.median),
        figures(row.median / row.parallel),
        figures(embeds ? (1000 * row.parallel * row.prompt) / row.median : latency(row)),
      ]),
    ),
  };
}

export function depthSection(rows: readonly Row[]): Section | undefined {
  const key = ({ depth }: Row) => depth;
  const same = (row: Row) => `${variant(row)} ${row.threads} ${row.prompt} ${row.generate} ${row.parallel}`;
  const chosen = rows.filter(({ generates }) => generates);
  const series = named(
    seriesBy(chosen, key, same),
    ({ name, threads }) => `${name.replace(/ @.*/, "")}, ${threadsOf(threads)}`,
  );
  if (series.length === 0) return undefined;
  const decode = series.filter(({ rows }) => isDecode(rows[0]!));
  const prefill = series.filter(({ rows }) => !isDecode(rows[0]!));
  const figure = (what: string, some: typeof series): Figure[] =>
    some.length === 0
      ? []
      : [
          {
            kind: "lines",
            id: `depth-${what}`,
            caption: `${what === "decode" ? "Decode" : "Prefill"} by depth (dashed: the limit)`,
            x: { label: "tokens in the cache before" },
            y: { label: `${what} (tokens/s)` },
            series: [
              ...some.map(({ name, rows }) => ({ name, points: rows.map((row) => pointOf(row, key(row))) })),
              ...limitSeries(some, key),
            ],
          },
        ];
  const text = series.map(({ name, rows }) => {
    const [first, last] = [rows[0]!, rows.at(-1)!];
    return `${name}: behind ${last.depth} tokens ${(last.median / first.median).toFixed(2)} of the speed behind ${first.depth}.`;
  });
  return {
    id: "depth",
    title: "Depth",
    text: ["Attention reads the keys and values of all tokens before.", ...text],
    figures: [...figure("decode", decode), ...figure("prefill", prefill)],
    tables: [],
  };
}
