// docs/reliability.md: its tables are those of the data, and it says what each target of the fuzzer is.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { pageWith, type ReliabilityData } from "../fuzz/report.js";
import { targets } from "../fuzz/targets.js";

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
const page = read("reliability.md");
const data = JSON.parse(read("reliability.json")) as ReliabilityData;

it("the page is what the data make of it", () => {
  expect(pageWith(page, data)).toBe(page);
  const [first, ...others] = data.executions;
  const more = { ...data, executions: [{ ...first!, executions: first!.executions + 1 }, ...others] };
  expect(pageWith(page, more)).not.toBe(page);
});

it("the page has every target of the fuzzer", () => {
  for (const { name } of targets) expect(page).toContain(`\n| \`${name}\` | `);
});

it("every target has been run, on two Nodes", () => {
  for (const { name } of targets) {
    const rows = data.executions.filter(({ target }) => target === name);
    expect([name, new Set(rows.map(({ node }) => node.split(".")[0])).size]).toEqual([name, 2]);
  }
});
