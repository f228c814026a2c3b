// Plain English, by a list: idioms that a native reader has to read twice stand in no comment, message, test name or page.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What not to write, and what to write instead. Spaces stand for any white space, the ends of comment lines included. */
const lexicon = [
  ["(?<!\\bthere )\\b(is|are) no (?!longer\\b)[a-z]+", '"is not a" or "must be"'],
  ["\\bthat is none\\b", '"that is not one"'],
  ["\\bbut for\\b", '"except"'],
  ["\\bwhat came of\\b", '"the outcome"'],
  ["\\bof which it shall\\b", '"that it must"'],
].map(([idiom, better]) => ({
  idiom: new RegExp(idiom!.replaceAll(" ", "(?:[ \\t]|\\n[ \\t]*(?:///?|\\*)?)+"), "gi"),
  better,
}));

/** CONTRIBUTING.md's table of what to write and what not. */
const table = /\| write \| not \|\n(?:\|.*\n)+/;

/** The banned idioms of a text: in which line each begins, and what to write instead. */
function banned(page: string): readonly string[] {
  const text = page.replace(table, (rows) => rows.replace(/.+/g, ""));
  return lexicon.flatMap(({ idiom, better }) =>
    [...text.matchAll(idiom)].map(({ index, 0: words }) => {
      const line = text.slice(0, index).split("\n").length;
      return `${line}: "${words.replace(/\s+/g, " ")}" should be ${better}`;
    }),
  );
}

it("finds every idiom, across lines too, and lets their correct neighbours pass", () => {
  const [none, but, outcome, shall] = [
    "that is" + " none",
    "but" + " for",
    "What" + " came of",
    "of which it" + " shall",
  ];
  const lines = ["x is" + " no y", "// these are", " // no y", none, but, outcome, shall];
  expect(
    banned(lines.join("\n"))
      .map((found) => Number.parseInt(found, 10))
      .sort(),
  ).toEqual([1, 2, 4, 5, 6, 7]);
  expect(banned("there is no y; where there are no x; it is no longer y; is not; this is none")).toEqual([]);
});

it("no file has an idiom of the lexicon", () => {
  const files = execFileSync("git", ["ls-files", "src", "assembly", "test", "*.md"], { cwd: root, encoding: "utf8" })
    .split("\n")
    .filter((path) => /\.(ts|md)$/.test(path) && path !== "bench/RESULTS.md" && existsSync(join(root, path)));
  expect(files.length).toBeGreaterThan(400);
  const found = files.flatMap((path) =>
    banned(readFileSync(join(root, path), "utf8")).map((idiom) => `${path}:${idiom}`),
  );
  expect(found).toEqual([]);
});
