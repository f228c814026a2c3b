// Runs cria and its peers side by side, and writes bench/RESULTS.md:
//
//   npm run bench -- [--only PART]... [--node BINARY]... [--rounds 5] [--quick] [--models FOLDER] [--browser BINARY]

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Comparison, comparisons } from "./comparisons.js";
import { describeMachine, kernelDigest, nodeVersion } from "./machine.js";
import { modelFiles } from "./model-files.js";
import { isNoisy } from "./noise.js";
import { Unavailable } from "./peer.js";
import { addResults, page, type Result } from "./results.js";
import { type Measurement, type RunOptions, runComparison } from "./rounds.js";
import { median, pairRatios } from "./statistics.js";

const bench = new URL("../../", import.meta.url);

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [""] },
    node: { type: "string", multiple: true, default: [process.execPath] },
    rounds: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
    models: { type: "string", default: fileURLToPath(new URL("../build/models/", bench)) },
    browser: { type: "string", default: "/usr/bin/chromium" },
  },
});

const chosen = comparisons.filter(({ name }) => values.only.some((part) => name.includes(part)));
const rounds = values.quick ? 1 : Number(values.rounds);
if (chosen.length === 0 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`--rounds takes a whole number, --only a part of one of these names:
${comparisons.map(({ name }) => `  ${name}`).join("\n")}`);
  process.exit(2);
}

const files = modelFiles(values.models);

for (const comparison of chosen) {
  for (const node of values.node) {
    const version = nodeVersion(node);
    const options: RunOptions = {
      node,
      nodeMajor: Number(version.split(".")[0]),
      rounds,
      browser: values.browser,
      files,
    };
    const measured = await measure(comparison, options);
    if (measured === undefined) continue;
    for (const { label, ours, theirs, better, unit, noise } of measured) {
      const ratio = median(pairRatios(ours.values, theirs.values, better));
      const medians = `${median(ours.values).toPrecision(4)} and ${median(theirs.values).toPrecision(4)} ${unit}`;
      const noisy = noise !== undefined && isNoisy(noise) ? ", noisy" : "";
      console.log(`${comparison.name}, ${label}, Node ${version}: ${medians}, ratio ${ratio.toFixed(2)}${noisy}`);
    }
    const cosines = measured[0]!.cosines;
    if (cosines !== undefined) {
      const { texts, least, mean } = cosines;
      console.log(`${comparison.name}: cosine similarity of ${texts} vectors: least ${least}, mean ${mean}`);
    }
    // One round says that it runs, not how fast.
    if (values.quick) continue;
    const conditions = {
      node: version,
      machine: describeMachine(),
      kernels: kernelDigest(),
      date: new Date().toISOString().slice(0, 10),
    };
    const added = measured.map((measurement): Result => ({ ...measurement, ...conditions }));
    writeFileSync(new URL("RESULTS.md", bench), page(addResults(new URL("results.jsonl", bench), added)));
  }
}

/** Undefined, and a line that says so, where a side is not to be had here. */
async function measure(comparison: Comparison, options: RunOptions): Promise<Measurement[] | undefined> {
  try {
    return await runComparison(comparison, options);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    console.log(`${comparison.name}: left out, ${error.message}`);
    return undefined;
  }
}
