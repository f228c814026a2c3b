// Reports as a reader has them: the commands write them, a Chromium opens them, wide and narrow, light and dark.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parsePrice } from "../../dist/lab/price.js";
import { benchReport } from "../../dist/lab/report/bench-report.js";
import { reportPage } from "../../dist/lab/report/html.js";
import { keptTuning, manyRows, manyWorkers } from "../support/bench-rows.js";
import { Browser, chromium, type OpenPage } from "../support/chromium.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const main = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));
const folder = temporaryFolder();
const [bench, trace, kernels, large] = ["bench.html", "trace.json", "kernels.html", "large.html"].map(folder.path) as [
  string,
  string,
  string,
  string,
];

function cria(...args: string[]): { readonly out: string; readonly err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  expect([status, stderr.replace(/^written: .*\n/gm, "")]).toEqual([0, ""]);
  return { out: stdout, err: stderr };
}

let printed = "";
beforeAll(() => {
  const sizes = ["-p", "16", "-n", "4", "-np", "1,4", "-d", "0,64", "-t", "1,2", "-r", "2"];
  printed = cria("bench", ...sizes, "--price", "0.79 EUR/h", "--html", bench, "--trace", trace).out;
  const parts = { machine: ["model        Many"], versions: "", time: new Date(), price: parsePrice("$0.79/h") };
  const results = manyRows();
  const tunings = new Map(results.map(({ model }) => [model, keptTuning]));
  // One of a loaded machine: 8 times what was measured.
  const predictions = results.map(
    ({ tokensPerSecond }, i) => (i === 0 ? 8 : 1 + Math.sin(i) / 5) * tokensPerSecond[1]!,
  );
  const report = benchReport({ ...parts, results, trace: manyWorkers(), tunings, predictions });
  writeFileSync(
    large,
    reportPage(report, readFileSync(new URL("../../dist/assets/report.js", import.meta.url), "utf8")),
  );
  cria("kernels", "--kernel", "matmul", "--format", "Q4_0", "-t", "2", "--html", kernels);
}, 300_000);

describe("--price", () => {
  it("has a column, and every division", () => {
    expect(printed).toContain("|  EUR/1M tokens |");
    const lines = [
      ...printed.matchAll(/0\.79 EUR \/ \(([\d.]+) tokens\/s x 3600 s\) x 1000000 = ([\d.]+) EUR per million tokens/g),
    ];
    expect(lines.length).toBe(12);
    for (const [, speed, price] of lines)
      expect(Number(price) / ((0.79 / (Number(speed) * 3600)) * 1e6)).toBeCloseTo(1, 1);
  });
});

describe("--trace", () => {
  it("is a Chrome trace: every worker's kernels one after another, and its waits", () => {
    const { traceEvents } = JSON.parse(readFileSync(trace, "utf8")) as {
      traceEvents: { ph: string; tid: number; name: string; cat: string; ts: number; dur: number }[];
    };
    const spans = traceEvents.filter(({ ph }) => ph === "X");
    expect(new Set(spans.map(({ tid }) => tid))).toEqual(new Set([0, 1]));
    for (const worker of [0, 1]) {
      const own = spans.filter(({ tid }) => tid === worker);
      expect(own.some(({ name }) => /^matmul of \d+ columns$/.test(name))).toBe(true);
      expect(own.some(({ cat }) => cat === "barrier")).toBe(true);
      for (const [i, { ts, dur }] of own.entries())
        expect(own[i + 1]?.ts ?? Infinity).toBeGreaterThanOrEqual(ts + dur - 0.01);
    }
    // Barriers join: the workers leave each within a moment.
    const last = [0, 1].map((worker) => spans.filter(({ tid }) => tid === worker).at(-1)!);
    const [a, b] = last.map(({ ts, dur }) => ts + dur) as [number, number];
    expect(Math.abs(a - b)).toBeLessThan(0.5 * Math.max(a, b));
  });
});

/** Texts of one figure that lie on each other, or outside of it; axes without a unit; figures without points. */
const FAULTS = `[...document.querySelectorAll(".chart")].flatMap((chart) => {
  const faults = [];
  const svg = [...chart.querySelectorAll("svg")].at(-1);
  const frame = chart.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].filter((one) => one.textContent.trim() !== "");
  const boxes = texts.map((one) => [one.textContent, one.getBoundingClientRect()]);
  for (const [i, [name, a]] of boxes.entries()) {
    if (a.left < frame.left - 1 || a.right > frame.right + 1) faults.push(chart.id + ": " + name + " is outside");
    for (const [other, b] of boxes.slice(i + 1)) {
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2)
        faults.push(chart.id + ": " + name + " lies on " + other);
    }
  }
  const axes = [...svg.querySelectorAll("[aria-label$='axis label']")].map((one) => one.textContent);
  for (const axis of axes) if (!/\\(.*\\)|threads|sequences|tokens in the cache|texts/.test(axis)) faults.push(chart.id + ": " + axis + " has no unit");
  if (axes.length === 0) faults.push(chart.id + ": no axis has a name");
  if (svg.querySelectorAll(".points > *").length === 0) faults.push(chart.id + ": no points");
  return faults;
})`;

describe.skipIf(chromium === undefined)("in a browser", () => {
  let browser: Browser;
  beforeAll(() => {
    browser = new Browser(folder.path("profile"));
  });
  afterAll(() => browser.close());

  const files = { bench, kernels, large };
  const cases = (["bench", "kernels", "large"] as const).flatMap((name) =>
    [400, 1400].flatMap((width) => (["light", "dark"] as const).map((scheme) => [name, width, scheme] as const)),
  );
  it.each(cases)(
    "%s, %d pixels, %s: figures with points, names and units, nothing on each other",
    async (name, width, scheme) => {
      const url = pathToFileURL(files[name]).href;
      const page: OpenPage = await browser.open(url, { width, scheme });
      const drawn = await page.evaluate<string>("document.documentElement.dataset.drawn");
      expect(Number(drawn)).toBe(
        await page.evaluate(
          "[...document.querySelectorAll('.chart')].filter((chart) => chart.querySelector('svg') !== null).length",
        ),
      );
      expect(Number(drawn)).toBeGreaterThanOrEqual(name === "kernels" ? 3 : 10);
      expect(await page.evaluate(FAULTS)).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
      // Ink on paper, whatever the scheme.
      const [ink, paper] = await page.evaluate<[string, string]>(
        "[getComputedStyle(document.querySelector('.chart svg text')).fill, getComputedStyle(document.body).backgroundColor]",
      );
      expect(luminance(ink) > luminance(paper)).toBe(scheme === "dark");
      expect(page.requests).toEqual([url]);
      expect(page.complaints).toEqual([]);
      await page.close();
    },
  );

  it("the bench's figures have a point for every row that they are about", async () => {
    const page = await browser.open(pathToFileURL(bench).href, { width: 1400 });
    const points = (id: string) => page.evaluate(`document.querySelectorAll("#${id} .points > *").length`);
    expect(await points("roofline-figure")).toBe(12);
    expect(await points("threads-decode")).toBe(8);
    expect(await points("batch-total")).toBe(8);
    expect(await points("depth-decode")).toBe(8);
    expect(await points("disturbances-figure")).toBe(24);
    expect(await points("predictions-figure")).toBe(12);
    await page.close();
  });

  it("is light on paper", async () => {
    const page = await browser.open(pathToFileURL(bench).href, { width: 800, scheme: "dark", media: "print" });
    expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(255, 255, 255)");
    await page.close();
  });
});

function luminance(colour: string): number {
  return (
    (/\d+/.exec(colour) === null
      ? 0
      : colour
          .match(/\d+/g)!
          .slice(0, 3)
          .map(Number)
          .reduce((a, b) => a + b)) / 3
  );
}
