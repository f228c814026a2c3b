// The results: a file of lines that runs add to, and the page that is written of it.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type Comparison, comparisons } from "./comparisons.js";
import { ALLOWED_SPREAD, isNoisy, type Noise } from "./noise.js";
import type { Measurement, Side } from "./rounds.js";
import { median, pairRatios, spread } from "./statistics.js";

/** A measurement, and under what it was made. */
export interface Result extends Measurement {
  readonly node: string;
  readonly machine: string;
  /** Of cria's kernels: whose figures these are. */
  readonly kernels: string;
  readonly date: string;
}

/** Replaces the results of the same comparisons on the same Node. One JSON object a line. */
export function addResults(file: URL, added: readonly Result[]): Result[] {
  const key = ({ comparison, node }: Result) => `${comparison} ${node.split(".")[0]}`;
  const replaced = new Set(added.map(key));
  const results = [...readResults(file).filter((result) => !replaced.has(key(result))), ...added];
  writeFileSync(file, results.map((result) => `${JSON.stringify(result)}\n`).join(""));
  return results;
}

function readResults(file: URL): Result[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Result);
}

/** The page, in Markdown. */
export function page(results: readonly Result[]): string {
  const known = results.filter((result) => comparisons.some(({ name }) => name === result.comparison));
  const sections = [...new Set(comparisons.map(({ section }) => section))];
  return `# cria beside its peers

Written by \`bench/peers\`; [README.md](README.md) says how to run it. Every line is one run in which
both took turns: ours, theirs, ours, theirs. \`ratio\` says how many times better cria was: the median
over the pairs, beside their range. The other figures are medians. Threads: 2 unless the line says
otherwise. Models have random weights in the real ones' shapes (\`bench/synthetic-model.ts\`), so that
both do the same work.

\`noise\` says what the machine did meanwhile: its load and its CPU pressure (PSI, of ten seconds)
before and after the row, the bench's among them, and what other programs and the hypervisor (steal)
took of one processor. A round that others disturbed was run again. A noisy row was measured again,
three times at most. "noisy" is one that stayed so: a round was disturbed, or one pair is ${ALLOWED_SPREAD}
times another.

${list("Machine", (result) => result.machine, known)}
${list("cria's kernels (SHA-256 of the builds)", (result) => result.kernels, known)}
${list("Node", (result) => result.node, known)}
${list("Measured", (result) => result.date, known)}
${sections.map((section) => table(section, known)).join("")}`;
}

function list(title: string, of: (result: Result) => string, results: readonly Result[]): string {
  return `- ${title}: ${[...new Set(results.map(of))].sort().join("; ")}`;
}

function table(section: string, results: readonly Result[]): string {
  const inOrder = comparisons
    .filter((comparison) => comparison.section === section)
    .flatMap((comparison) =>
      results.filter((result) => result.comparison === comparison.name).map((result) => ({ comparison, result })),
    );
  if (inOrder.length === 0) return "";
  const engines = new Set(inOrder.flatMap(({ result }) => [described(result.ours), described(result.theirs)]));
  const rows = inOrder.map(({ comparison, result }) => row(comparison, result));
  return `
## ${section}

${[...engines, ...agreements(inOrder)].map((line) => `- ${line}`).join("\n")}

| subject | test | Node | cria | peer | unit | ratio | range | bar | | noise | \`--only\` |
|---|---|---|---|---|---|---|---|---|---|---|---|
${rows.join("\n")}
`;
}

/** How alike the vectors are that both made: once for a comparison and Node, whose lines all have it. */
function agreements(lines: readonly { comparison: Comparison; result: Result }[]): Set<string> {
  const all = new Set<string>();
  for (const { comparison, result } of lines) {
    if (result.cosines === undefined) continue;
    const { texts, least, mean } = result.cosines;
    const alike = `cosine similarity of both vectors ${least.toFixed(7)} at least and ${mean.toFixed(7)} in the mean`;
    all.add(`${subjectOf(comparison, result)}, Node ${result.node.split(".")[0]}: ${alike} of ${texts} texts`);
  }
  return all;
}

function described({ name, version, details }: Side): string {
  return `${name} ${version}: ${details}`;
}

function row(comparison: Comparison, result: Result): string {
  const { ours, theirs, unit, better, bar, label, node } = result;
  const ratios = pairRatios(ours.values, theirs.values, better);
  const ratio = median(ratios);
  const verdict = bar === undefined ? "" : ratio >= bar ? "met" : "not met";
  const { disturbedRounds = 0 } = result.noise ?? {};
  const noisy = isNoisy({ disturbedRounds, spread: spread(ratios) }) ? "noisy" : "";
  const cells = [
    subjectOf(comparison, result),
    label,
    node.split(".")[0],
    digits(median(ours.values)),
    digits(median(theirs.values)),
    unit,
    `**${ratio.toFixed(2)}**`,
    `${Math.min(...ratios).toFixed(2)} .. ${Math.max(...ratios).toFixed(2)}`,
    bar?.toFixed(2) ?? "",
    [verdict, noisy].filter((word) => word !== "").join(", "),
    result.noise === undefined ? "" : describedNoise(result.noise),
    `\`${comparison.name}\``,
  ];
  return `| ${cells.join(" | ")} |`;
}

function subjectOf(comparison: Comparison, { theirs }: Result): string {
  if (comparison.kind === "matmul") return theirs.name;
  const wide = comparison.ours.startsWith("cria-wide") ? ", wide" : "";
  return `${comparison.shape} ${comparison.format.toUpperCase()}${wide}`;
}

function describedNoise({ load, pressure, others, steal, attempts }: Noise): string {
  const percent = (part: number) => `${(100 * part).toFixed(1)} %`;
  const times = attempts > 1 ? `, measured ${attempts} times` : "";
  const before = `load ${load[0].toFixed(1)} to ${load[1].toFixed(1)}, PSI ${pressure[0].toFixed(0)} to ${pressure[1].toFixed(0)} %`;
  return `${before}, others ${percent(others)}, steal ${percent(steal)}${times}`;
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
