// One token's timeline, and what its operations took.

import { BARRIER, type TokenTrace } from "../trace.js";
import type { Section, Table } from "./report.js";
import { shortNames, threadsOf } from "./rows.js";

/** Workers that are drawn. */
const LANES = 16;

/** Kinds of kernels in a timeline, in the order of their colours. */
const kinds = ["matmul", "attention", "encode activations", "norms, RoPE, other", BARRIER];

function kindOf(name: string): number {
  if (name === BARRIER) return 4;
  if (/^matmul/.test(name)) return 0;
  if (/attention/i.test(name)) return 1;
  return /^encode/.test(name) ? 2 : 3;
}

export function timelineSection(trace: TokenTrace): Section {
  const { spans, milliseconds, layers, threads, depth, kernels, model, lost } = trace;
  const everyone = [...new Set(spans.map(({ worker }) => worker))];
  const workers = everyone.slice(0, LANES);
  const lanes = workers.map((worker) => `worker ${worker}`);
  const shown = spans.filter(({ worker }) => workers.includes(worker));
  const all = shown.map(({ worker, name, begin, end }) => [workers.indexOf(worker), kindOf(name), begin, end] as const);
  const middle = milliseconds / 2;
  const half = (0.75 * milliseconds) / layers;
  const inLayer = all.filter(([, , begin, end]) => end > middle - half && begin < middle + half);
  const figure = (id: string, caption: string, begin: number, end: number, some: typeof all) => ({
    kind: "timeline" as const,
    id,
    caption,
    wide: true,
    lanes,
    begin,
    end,
    kinds,
    spans: some.map(([lane, kind, from, to]) => [lane, kind, Math.max(begin, from), Math.min(end, to)] as const),
  });
  return {
    id: "timeline",
    title: "One token",
    text: [
      `What each of ${threadsOf(threads)} did while ${shortNames([model]).get(model)} decoded one token behind ${depth} others, ` +
        `on ${kernels}: ${milliseconds.toFixed(2)} ms. What is empty is TypeScript between the kernels, and the clock.`,
      ...(everyone.length > workers.length
        ? [`The first ${workers.length} workers are drawn, the table has all.`]
        : []),
      ...(lost > 0 ? [`${lost} calls at its end were not noted: there was no room for them.`] : []),
    ],
    figures: [
      figure("timeline-token", "The token", 0, milliseconds, all),
      ...(layers < 2
        ? []
        : [figure("timeline-layer", "About one layer, from its middle", middle - half, middle + half, inLayer)]),
    ],
    tables: [timelineTable(trace, everyone.length)],
  };
}

function timelineTable({ spans, milliseconds }: TokenTrace, workers: number): Table {
  const sums = new Map<string, { milliseconds: number; calls: number }>();
  for (const { name, begin, end, calls } of spans) {
    const sum = sums.get(name) ?? { milliseconds: 0, calls: 0 };
    sums.set(name, { milliseconds: sum.milliseconds + (end - begin) / workers, calls: sum.calls + calls / workers });
  }
  const kernels = [...sums.values()].reduce((sum, one) => sum + one.milliseconds, 0);
  const between = { milliseconds: Math.max(0, milliseconds - kernels), calls: 0 };
  const rows = [...sums, ["between the kernels", between] as const].sort(
    (a, b) => b[1].milliseconds - a[1].milliseconds,
  );
  return {
    columns: [
      { name: "operation" },
      { name: "calls of a worker", numeric: true },
      { name: "ms of a worker", numeric: true },
      { name: "share", numeric: true },
    ],
    rows: rows.map(([name, sum]) => [
      name,
      sum.calls === 0 ? "" : sum.calls.toFixed(0),
      sum.milliseconds.toFixed(3),
      `${((100 * sum.milliseconds) / milliseconds).toFixed(1)} %`,
    ]),
  };
}
