// What models take and cost, and what disturbed the measurements.

import { money, type Price } from "../price.js";
import type { BarsFigure, Figure, Section, Table } from "./report.js";
import { isDecode, named, type Row, seriesBy, threadsOf, titleOf, variant } from "./rows.js";

export function memorySection(rows: readonly Row[]): Section {
  const parts = [
    ["weights", "weights"],
    ["kvCache", "KV cache"],
    ["recurrentState", "recurrent state"],
    ["activations", "activations"],
    ["scratch", "scratch"],
    ["control", "control"],
  ] as const;
  // Of each model the load that took the most.
  const largest = [...new Set(rows.map(({ label }) => label))].map((label) =>
    rows.filter((row) => row.label === label).reduce((a, b) => (b.memory.total > a.memory.total ? b : a)),
  );
  const bars = largest.flatMap(({ label, memory }) =>
    parts
      .filter(([key]) => memory[key] > 0)
      .map(([key, part]) => {
        const name = largest.length === 1 ? part : `${label}: ${part}`;
        return { name, value: memory[key], group: part, title: `${name}: ${memory[key]} bytes` };
      }),
  );
  const figure: BarsFigure = {
    kind: "bars",
    id: "memory-figure",
    caption: "Shared memory by purpose",
    x: { label: "memory (bytes)", format: "bytes" },
    bars,
    wide: true,
  };
  return {
    id: "memory",
    title: "Memory plan",
    text: largest.map(
      ({ label, memory, number }) =>
        `${label}: ${memory.total} bytes, planned before and allocated once, as loaded for row ${number}` +
        `${memory.shards.length > 1 ? `, in ${memory.shards.length} shards` : ""}` +
        `${memory.inFile > 0 ? `; ${memory.inFile} bytes of embeddings stay in the file` : ""}.`,
    ),
    figures: [figure],
    tables: [],
  };
}

export function disturbanceSection(rows: readonly Row[]): Section {
  const disturbed = rows.filter(({ noise }) => noise.length > 0);
  const text =
    disturbed.length === 0
      ? ["No row shows that others took time from it."]
      : [`${disturbed.length} of ${rows.length} rows were disturbed: do not trust them.`];
  return {
    id: "disturbances",
    title: "Disturbances",
    text: [...text, "Every repetition, by its distance from the median of its row."],
    figures: [
      {
        kind: "spread",
        id: "disturbances-figure",
        caption: "Repetitions around their median",
        wide: true,
        x: { label: "from the row's median (%)" },
        rows: rows.map((row) => ({
          name: `${row.number}: ${row.name} t${row.threads}`,
          values: row.tokensPerSecond.map((one) => 100 * (one / row.median - 1)),
          disturbed: row.noise.length > 0,
        })),
      },
    ],
    tables: [...flagTable(disturbed), ...recordTable(rows)],
  };
}

/** What the figures of a row say of it. */
function flagTable(disturbed: readonly Row[]): readonly Table[] {
  if (disturbed.length === 0) return [];
  return [
    {
      columns: [{ name: "#", numeric: true }, { name: "test" }, { name: "signs" }],
      rows: disturbed.map((row) => [`${row.number}`, `${row.label}, ${row.name}`, row.noise.join("; ")]),
    },
  ];
}

/** What the model noticed while it ran (`onDisturbance`): who took how much of its work, for how long. */
function recordTable(rows: readonly Row[]): readonly Table[] {
  const records = rows.flatMap((row) => row.disturbances.map((one) => ({ row, ...one })));
  if (records.length === 0) return [];
  return [
    {
      columns: [
        { name: "#", numeric: true },
        { name: "cause" },
        { name: "work lost", numeric: true },
        { name: "seconds", numeric: true },
        { name: "until" },
        { name: "signs" },
      ],
      rows: records.map(({ row, kind, lost, seconds, signs, time }) => [
        `${row.number}`,
        kind,
        `${(100 * lost).toFixed(0)} %`,
        seconds.toFixed(1),
        time.toISOString().slice(11, 19),
        signs.join("; "),
      ]),
    },
  ];
}

export function priceSection(rows: readonly Row[], price: Price): Section {
  const currency = price.currency || "money";
  const key = ({ parallel }: Row) => parallel;
  const same = (row: Row) => `${variant(row)} ${row.threads} ${row.prompt} ${row.generate} ${row.depth}`;
  const decode = rows.filter((row) => isDecode(row) || !row.generates);
  const series = named(seriesBy(decode, key, same), ({ threads }) => threadsOf(threads));
  const figure: Figure[] =
    series.length === 0
      ? []
      : [
          {
            kind: "lines",
            id: "price-figure",
            caption: "Price of a million tokens of text, by sequences at once",
            wide: true,
            x: {
              label: "sequences at once",
              scale: "log2",
              ticks: [...new Set(series.flatMap(({ rows }) => rows.map(key)))],
            },
            y: { label: `a million tokens (${currency})` },
            series: series.map(({ name, rows }) => ({
              name,
              points: rows.map((row) => ({ x: key(row), y: row.cost!.perMillionTokens, title: titleOf(row) })),
            })),
          },
        ];
  return {
    id: "price",
    title: "Price",
    text: [
      `At ${money(price, price.perHour, 5)} an hour, which pays for the whole machine. Rows with fewer threads than it has cores leave ` +
        "some of what is paid for unused. Prompts (pp) and text (tg) cost differently.",
    ],
    figures: figure,
    tables: [
      {
        columns: [{ name: "#", numeric: true }, { name: "test" }, { name: "arithmetic" }],
        rows: rows.flatMap((row) =>
          row.cost!.arithmetic.map((line, i) => [
            i === 0 ? `${row.number}` : "",
            i === 0 ? `${row.label}, ${row.name}` : "",
            line,
          ]),
        ),
      },
    ],
  };
}
