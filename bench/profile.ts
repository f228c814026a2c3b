// Where the time of a step goes, operation by operation: how long each kernel ran, at how many operations or bytes a second, how long
// workers waited for each other, and what is left for the TypeScript between the kernels.
//
//   npm run build && npx tsc -p bench/tsconfig.json
//   node build/bench/profile.js FILE.gguf [--tokens 128] [--texts 16] [--rounds 20] [-t 2]
//
// Each round embeds so many texts of so many tokens in one call; a model that generates evaluates one after another. Times are those of
// one worker, the mean of all. A call of a kernel costs what two looks at the clock cost, which are taken off again.

import { cpSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { BroadcastChannel } from "node:worker_threads";
import { loadModel, type Model } from "cria";
import { CHANNEL, type OperationSum, type WorkerProfile } from "./profile-worker.js";
import { Random } from "./synthetic/random.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: "string", default: "128" },
    texts: { type: "string", default: "16" },
    rounds: { type: "string", default: "20" },
    threads: { type: "string", short: "t", default: "2" },
  },
});
const [tokens, texts, rounds, threads] = [values.tokens, values.texts, values.rounds, values.threads].map(Number) as [
  number,
  number,
  number,
  number,
];

/** A copy of the package's workers and kernels, in which the workers time their kernels. */
function profiledAssets(): URL {
  const from = fileURLToPath(new URL(".", import.meta.resolve("cria/assets/worker.js")));
  const folder = fileURLToPath(new URL("../profile-assets/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  cpSync(from, folder, { recursive: true });
  renameSync(`${folder}worker.js`, `${folder}untimed-worker.js`);
  const timer = import.meta.resolve("./profile-worker.js");
  writeFileSync(`${folder}worker.js`, `import ${JSON.stringify(timer)};\nawait import("./untimed-worker.js");\n`);
  return pathToFileURL(folder);
}

/** Milliseconds that the clock adds to a timed call. */
function clockCost(): number {
  const looks = 100_000;
  const begin = performance.now();
  for (let i = 0; i < looks; i++) performance.now();
  return (performance.now() - begin) / looks;
}

const random = new Random(1);

async function round(model: Model): Promise<void> {
  // Ordinary tokens: the first thousand of a vocabulary has special ones.
  const ids = () => Array.from({ length: tokens }, () => 1000 + random.below(model.info.vocabularySize - 1000));
  const inputs = Array.from({ length: texts }, ids);
  if (!model.info.generates) {
    await model.embed(inputs);
    return;
  }
  const sequence = model.createSequence();
  for (const input of inputs) {
    await sequence.evaluate(input);
    sequence.truncate(0);
  }
  sequence.dispose();
}

/** The sums of all workers since they were last asked. They answer when they begin another step. */
async function ask(model: Model, workers: number): Promise<readonly WorkerProfile[]> {
  const channel = new BroadcastChannel(CHANNEL);
  const profiles: WorkerProfile[] = [];
  channel.onmessage = ({ data }) => profiles.push(data as WorkerProfile);
  channel.postMessage("tell");
  while (profiles.length < workers) {
    await round(model);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  channel.close();
  return profiles;
}

const model = await loadModel(positionals[0]!, { threads, assets: profiledAssets() });
for (let i = 0; i < 10; i++) await round(model);
await ask(model, threads);
const begin = performance.now();
for (let i = 0; i < rounds; i++) await round(model);
const seconds = (performance.now() - begin) / 1000;
const profiles = await ask(model, threads);
await model.dispose();

const cost = clockCost();
const mean = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
const steps = profiles[0]!.steps;
const perStep = mean(profiles.map(({ milliseconds }) => milliseconds)) / steps;
const names = [...new Set(profiles.flatMap(({ operations }) => operations.map(({ name }) => name)))];
let [left, calls] = [perStep, 0];
const rows = names.map((name) => {
  const sums = profiles.map(({ operations }) => operations.find((sum) => sum.name === name));
  const all = (key: Exclude<keyof OperationSum, "name">) => sums.reduce((sum, one) => sum + (one?.[key] ?? 0), 0);
  const milliseconds = Math.max(0, all("milliseconds") - all("calls") * cost);
  const own = milliseconds / profiles.length / steps;
  left -= own;
  calls += all("calls") / profiles.length / steps;
  const rate = (amount: number) => (amount / milliseconds / 1e6).toFixed(1);
  const speed =
    all("operations") > 0 ? `${rate(all("operations"))} GOP/s` : all("bytes") > 0 ? `${rate(all("bytes"))} GB/s` : "";
  return { name, calls: all("calls") / profiles.length / steps, own, speed };
});
const overhead = calls * 2 * cost; // of the clock itself, and of the sums
left = Math.max(0, left - overhead);
rows.push({ name: "between the kernels", calls: 0, own: left, speed: "" });

console.log(
  `${texts} texts of ${tokens} tokens, ${threads} threads, ${model.info.kernels}, Node ${process.versions.node}: ` +
    `${((rounds * texts) / seconds).toFixed(1)} texts/s; a step takes ${perStep.toFixed(3)} ms, ${(overhead).toFixed(3)} of it the clock`,
);
console.log("| operation | calls | ms | share | a worker |\n|---|---:|---:|---:|---:|");
for (const { name, calls, own, speed } of rows.sort((a, b) => b.own - a.own)) {
  const share = ((100 * own) / (perStep - overhead)).toFixed(1);
  console.log(`| ${name} | ${calls.toFixed(0)} | ${own.toFixed(3)} | ${share} % | ${speed} |`);
}
