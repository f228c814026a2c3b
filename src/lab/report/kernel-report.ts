// What was measured of kernels, as a report.

import type { BuildMeasurement, KernelSuite } from "./kernel-suite.js";
import type { BarsFigure, Figure, LinesFigure, Report, Section } from "./report.js";

export interface KernelReportParts extends KernelSuite {
  /** What `cria cpu` says of the machine: its first line. */
  readonly machine: string;
  readonly versions: string;
  readonly time: Date;
}

export function kernelReport(parts: KernelReportParts): Report {
  const { measurements, threads, builds, machine, versions, time } = parts;
  return {
    title: "cria kernels",
    lines: [
      machine,
      `${threads} ${threads === 1 ? "thread" : "threads"}; builds ${builds.join(", ")}; ${versions}; ` +
        `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`,
    ],
    sections: [workingSetSection(parts), speedSection(measurements, builds), tableSection(measurements)],
  };
}

const giga = (rate: number) => Number((rate / 1e9).toPrecision(3));
const nameOf = ({ kernel, format }: BuildMeasurement) => (format === "f32" ? kernel : `${kernel} ${format}`);
const percent = (share: number | undefined) => (share === undefined ? "" : `${(100 * share).toFixed(0)} %`);

function titleOf(one: BuildMeasurement): string {
  return [
    `${nameOf(one)}, ${one.build}: ${one.dimensions.map((name, i) => `${one.shape[i]} ${name}`).join(" x ")}`,
    `${giga(one.bytesPerSecond)} GB/s${one.operationsPerSecond > 0 ? `, ${giga(one.operationsPerSecond)} GOP/s` : ""}`,
    ...(one.share === undefined ? [] : [`${percent(one.share)} of the limit by ${one.boundBy}`]),
    ...one.noise,
  ].join("\n");
}

function workingSetSection({ measurements, caches, builds }: KernelSuite): Section {
  const sweeps = measurements.filter(({ sweep }) => sweep);
  const names = [...new Set(sweeps.map(nameOf))];
  const most = Math.max(1, ...sweeps.map(bytesOf));
  const least = Math.min(...sweeps.map(bytesOf));
  const marks = caches
    .filter(({ bytes }) => bytes > least && bytes < most)
    .map(({ name, bytes }) => ({ name, x: bytes }));
  const ticks: number[] = [];
  for (let bytes = 2 ** Math.floor(Math.log2(least)); bytes <= most; bytes *= 16) if (bytes >= least) ticks.push(bytes);
  const figures = names.map(
    (name, i): LinesFigure => ({
      kind: "lines",
      id: `set-${i}`,
      caption: name,
      x: { label: "working set of all threads (bytes)", scale: "log2", format: "bytes", ticks },
      y: { label: "speed (GB/s)" },
      marks,
      series: builds
        .map((build) => ({
          name: build,
          points: sweeps
            .filter((one) => one.build === build && nameOf(one) === name)
            .map((one) => ({ x: bytesOf(one), y: one.bytesPerSecond / 1e9, title: titleOf(one) })),
        }))
        .filter(({ points }) => points.length > 0),
    }),
  );
  return {
    id: "working-set",
    title: "Speed by working set",
    text: [
      "Bytes that a run must touch, over the time that it takes, all threads together. The upright lines are where caches end: " +
        `${caches.map(({ name, bytes }) => `${name} ${bytes / 1024} KiB`).join(", ") || "this machine does not say"}.`,
      "A matmul of one token is decode: beyond the last cache, memory binds it. A flat line says that arithmetic binds instead.",
    ],
    figures,
    tables: [],
  };
}

const bytesOf = ({ bytesPerSecond, seconds }: BuildMeasurement) => Math.round(bytesPerSecond * seconds);

/** Speed, and beside it the distance from float64, in the same order. */
function speedSection(measurements: readonly BuildMeasurement[], builds: readonly string[]): Section {
  const own = measurements.filter(({ sweep }) => !sweep);
  const compute = own.filter(({ operationsPerSecond, fromMemory }) => operationsPerSecond > 0 && !fromMemory);
  const largest = new Map<string, BuildMeasurement>();
  for (const one of compute) {
    const key = `${nameOf(one)}, ${one.build}`;
    const known = largest.get(key);
    if (known === undefined || one.operationsPerSecond > known.operationsPerSecond) largest.set(key, one);
  }
  const rows = [...largest].sort(
    ([, a], [, b]) => nameOf(a).localeCompare(nameOf(b), "en") || builds.indexOf(a.build) - builds.indexOf(b.build),
  );
  const exact = rows.filter(([, { error }]) => error !== undefined);
  const bars = (
    id: string,
    caption: string,
    label: string,
    some: typeof rows,
    value: (one: BuildMeasurement) => number,
  ): Figure[] =>
    some.length === 0
      ? []
      : [
          {
            kind: "bars",
            id,
            caption,
            x: { label },
            bars: some.map(([name, one]) => ({ name, value: value(one), group: one.build, title: titleOf(one) })),
          } satisfies BarsFigure,
        ];
  return {
    id: "speed",
    title: "Arithmetic, and what it costs in exactness",
    text: [
      "The fastest shape of each kernel whose data stay in the caches, for a matmul a chunk of 128 tokens. Beside it |ours - exact| / " +
        "|exact| against float64: activations of 8 bits lose a few thousandths, floats next to nothing.",
    ],
    figures: [
      ...bars("speed-figure", "Speed", "speed (GOP/s)", rows, ({ operationsPerSecond }) => operationsPerSecond / 1e9),
      ...bars("error-figure", "Error", "error (parts of a thousand)", exact, ({ error }) => 1000 * error!),
    ],
    tables: [],
  };
}

function tableSection(measurements: readonly BuildMeasurement[]): Section {
  return {
    id: "all",
    title: "All measurements",
    text: [
      "The limit is the machine's, measured in turns with each kernel: memory, or the peak of its kind of multiplication.",
    ],
    figures: [],
    tables: [
      {
        columns: [
          { name: "kernel" },
          { name: "build" },
          { name: "shape" },
          { name: "from" },
          { name: "time (us)", numeric: true },
          { name: "GB/s", numeric: true },
          { name: "GOP/s", numeric: true },
          { name: "of limit", numeric: true },
          { name: "bound by" },
          { name: "error", numeric: true },
          { name: "disturbed by" },
        ],
        rows: measurements.map((one) => [
          nameOf(one),
          one.build,
          one.shape.join("x"),
          one.fromMemory ? "memory" : "caches",
          `${Number((one.seconds * 1e6).toPrecision(4))}`,
          one.bytesPerSecond === 0 ? "" : `${giga(one.bytesPerSecond)}`,
          one.operationsPerSecond === 0 ? "" : `${giga(one.operationsPerSecond)}`,
          percent(one.share),
          one.boundBy ?? "",
          one.error === undefined ? "" : one.error === 0 ? "0" : one.error.toExponential(1),
          one.noise.join("; "),
        ]),
      },
    ],
  };
}
