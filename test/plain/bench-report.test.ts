// What a report of cria bench says, as data: which sections there are, and that a page holds it safely. test/packages/report.test.ts opens
// pages in a browser.

import { expect, it } from "vitest";
import type { BenchResult } from "../../dist/lab/bench.js";
import { parsePrice } from "../../dist/lab/price.js";
import { benchReport } from "../../dist/lab/report/bench-report.js";
import { reportPage } from "../../dist/lab/report/html.js";
import { keptTuning, benchRow as row } from "../support/bench-rows.js";

const reportOf = (results: readonly BenchResult[], price?: string) =>
  benchReport({
    results,
    machine: ["model        A processor", "cores        2"],
    price: price === undefined ? undefined : parsePrice(price),
    versions: "cria 0, Node 20",
    time: new Date("2026-01-02T03:04:05Z"),
  });

const ids = (results: readonly BenchResult[], price?: string) => reportOf(results, price).sections.map(({ id }) => id);

it("one row has no curves", () => {
  expect(ids([row()])).toEqual(["measured", "roofline", "memory", "disturbances", "machine"]);
});

it("rows that differ in one thing make the curve of that thing", () => {
  expect(ids([row(), row({ threads: 1 })])).toContain("threads");
  expect(ids([row(), row({ parallel: 8, name: "tg32 np8" })])).toContain("batch");
  expect(ids([row(), row({ depth: 512, name: "tg32 @ d512" })])).toContain("depth");
  // Those that differ in two things at once do not.
  expect(ids([row(), row({ threads: 1, parallel: 8, name: "tg32 np8" })])).not.toContain("threads");
});

it("the batch curve has what each sequence waits", () => {
  const rows = [row(), row({ parallel: 8, name: "tg32 np8", tokensPerSecond: [128, 128] })];
  const batch = reportOf(rows).sections.find(({ id }) => id === "batch")!;
  expect(batch.text).toEqual(["a: 8 at once do 4.00 times the tokens of 1, and each waits 2.00 times as long."]);
  const [total, waits] = batch.figures.map((figure) => (figure.kind === "lines" ? figure.series[0]!.points : []));
  expect(total!.map(({ x, y, low, high }) => [x, y, low, high])).toEqual([
    [1, 32, 31, 33],
    [8, 128, 128, 128],
  ]);
  expect(waits!.map(({ x, y }) => [x, y])).toEqual([
    [1, 31.25],
    [8, 62.5],
  ]);
});

it("a roofline has a point for each row, at its operations a byte", () => {
  const [figure] = reportOf([row()]).sections.find(({ id }) => id === "roofline")!.figures;
  expect(figure).toMatchObject({
    roofs: [{ name: "2 threads", bandwidth: 40e9, peak: 400e9 }],
    points: [{ label: "1", intensity: 2, operationsPerSecond: 64e9 }],
  });
});

it("prices come with every division", () => {
  const { tables } = reportOf([row()], "$0.72/h").sections.find(({ id }) => id === "price")!;
  expect(tables[0]!.rows.map((cells) => cells[2])).toEqual([
    "32 tokens/s x 3600 s / 2 cores = 57600 tokens per core-hour",
    "$0.72 / (32 tokens/s x 3600 s) x 1000000 = $6.25 per million tokens",
  ]);
});

it("disturbances are told with their cause and what they cost", () => {
  const time = new Date("2026-01-02T03:04:09Z");
  const signs = ["a worker waited 40 % of the time for a processor"];
  const disturbed = row({
    noise: ["processors cost 42 % for 3.0 s"],
    disturbances: [{ kind: "processors", lost: 0.42, seconds: 3, signs, time }],
  });
  const { text, tables } = reportOf([row(), disturbed]).sections.find(({ id }) => id === "disturbances")!;
  expect(text[0]).toBe("1 of 2 rows were disturbed: do not trust them.");
  expect(tables[1]!.rows).toEqual([["2", "processors", "42 %", "3.0", "03:04:09", signs[0]]]);
});

it("the tuning that is kept is told with its reasons and its batch curve, and where there is none, that", () => {
  const results = [row(), row({ model: "/models/b.gguf" })];
  const tunings = new Map([["/models/a.gguf", keptTuning]]);
  const parts = { results, machine: [], versions: "", time: new Date(), tunings, tuned: true };
  const { text, tables, figures } = benchReport(parts).sections.find(({ id }) => id === "tuning")!;
  expect(text).toEqual([
    "a, tuned 2026-01-02 03:04 UTC: load it with -t 40 -tb 48 --kernels wide --pin physical, decode 1.08 times and prompts 1.31 times " +
      "as fast as with the defaults. For many clients, 2 instances of 24 threads do the most.",
    "Its rows above were measured with it.",
    "b has no tuning on this machine: cria tune makes one, and keeps it.",
  ]);
  expect(tables[0]!.rows[0]).toEqual(["threads", "40 for decode", "1.08 times (+- 1.1 %) as fast as the default, 48"]);
  expect(figures.map((figure) => figure.kind === "lines" && figure.series[0]!.points.map(({ x }) => x))).toEqual([
    [1, 2, 4, 8, 16, 32],
    [1, 2, 4, 8, 16, 32],
  ]);
});

it("a tuning of settings alone has no figures; one that set nothing says so", () => {
  const { findings: _, ...bare } = { ...keptTuning, settings: {}, instances: 1, threadsOfInstance: 1 };
  const parts = { results: [row()], machine: [], versions: "", time: new Date() };
  const report = benchReport({ ...parts, tunings: new Map([["/models/a.gguf", bare]]) });
  const { text, tables, figures } = report.sections.find(({ id }) => id === "tuning")!;
  expect(text).toEqual([
    "a, tuned 2026-01-02 03:04 UTC: nothing is faster than the defaults. For many clients, 1 instance of 1 thread does the most.",
    "Its rows above were measured without it.",
  ]);
  expect([tables, figures]).toEqual([[], []]);
});

it("predictions stand beside what was measured", () => {
  const results = [
    row(),
    row({ prompt: 512, generate: 0, name: "pp512", tokensPerSecond: [100], noise: ["spread 9 %"] }),
  ];
  const parts = { results, machine: [], versions: "", time: new Date() };
  const { text, tables, figures } = benchReport({ ...parts, predictions: [36, 70] }).sections.find(
    ({ id }) => id === "predictions",
  )!;
  expect(text[1]).toBe("1 of 2 predictions is within 15 % of what was measured; the median distance is 21.3 %.");
  expect(tables[0]!.rows).toEqual([
    ["1", "a", "tg32", "2 threads", "32", "36", "1.13"],
    ["2", "a", "pp512", "2 threads", "100", "70", "0.70"],
  ]);
  expect(figures).toMatchObject([
    {
      kind: "spread",
      x: { label: "predicted against measured (%)" },
      rows: [
        { name: "1: tg32 t2", values: [12.5], disturbed: false },
        { name: "2: pp512 t2", values: [expect.closeTo(-30)], disturbed: true },
      ],
    },
  ]);
});

it("a page holds any name, and nothing in it can end the script or ask the network", () => {
  const evil = '</script><img src="http://example.org/x">&"';
  const page = reportPage(reportOf([row({ model: evil })]), "const a = '</script>';");
  expect(page.match(/<\/script>/g)).toHaveLength(2);
  expect(page).not.toContain("<img");
  expect(page).toContain("default-src 'none'");
  const data = /<script type="application\/json" id="report">(.*)<\/script>/.exec(page)![1]!;
  expect(JSON.parse(data).title).toContain(evil.split("/").at(-1)!);
});
