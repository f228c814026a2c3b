// What one call for many texts is worth: 1,000 short texts in one `embed` call, and one by one, in turns; and the memory of the process.
//
//   npx tsc -p bench/tsconfig.json
//   node build/bench/embedding.js MODEL [--words n] [--rounds n] [-t threads]

import { parseArgs } from "node:util";
import { loadModel } from "cria";
import { Random } from "./synthetic/random.js";

const TEXTS = 1000;
const words = ["fox", "bear", "forest", "search", "vector", "model", "river", "story"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    words: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", short: "t" },
  },
});
const threads = values.threads === undefined ? undefined : Number(values.threads);
const model = await loadModel(positionals[0]!, { ...(threads !== undefined && { threads }) });
const random = new Random(1);
const texts = Array.from({ length: TEXTS }, () =>
  Array.from({ length: Number(values.words) }, () => words[random.below(words.length)]).join(" "),
);

const milliseconds = async (run: () => Promise<unknown>): Promise<number> => {
  const begin = performance.now();
  await run();
  return performance.now() - begin;
};
const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

let tokens = 0;
const onUsage = (usage: { readonly promptTokens: number }) => {
  tokens = usage.promptTokens;
};
await model.embed(texts, { onUsage }); // warms up
const together: number[] = [];
const alone: number[] = [];
const resident: number[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  together.push(await milliseconds(() => model.embed(texts)));
  resident.push(process.memoryUsage.rss() / 1e6);
  alone.push(
    await milliseconds(async () => {
      for (const text of texts) await model.embed([text]);
    }),
  );
}
console.log(`${TEXTS} texts, ${tokens} tokens, ${model.info.threadsBatch} threads, Node ${process.versions.node}`);
console.log(`in one call  ${median(together).toFixed(0)} ms`);
console.log(
  `one by one   ${median(alone).toFixed(0)} ms, ${(median(alone) / median(together)).toFixed(2)} times as long`,
);
console.log(`resident after each round  ${resident.map((megabytes) => megabytes.toFixed(0)).join(" ")} MB`);
await model.dispose();
