// What it costs to generate for many callers at once, beside the engine's own batch: as `cria bench -np N`, N sequences advance by one
// token in each step, given by hand and nothing sampled; then N `generate` calls, sampled, streamed as text, at their own pace.
//
//   npm run build && npx tsc -p bench/tsconfig.json && node build/bench/concurrency.js -m model.gguf [-np 8] [-n 48] [-t 2] [-r 3]

import { parseArgs } from "node:util";
import { loadModel, type Model } from "cria";

const { values } = parseArgs({
  options: {
    m: { type: "string", short: "m" },
    np: { type: "string", default: "8" },
    n: { type: "string", short: "n", default: "48" },
    t: { type: "string", short: "t", default: "2" },
    r: { type: "string", short: "r", default: "3" },
  },
  args: process.argv.slice(2).map((word) => (word === "-np" ? "--np" : word)),
});
if (values.m === undefined) throw new Error("-m must be a model file, such as -m model.gguf");
const [parallel, tokens, threads, rounds] = [values.np, values.n, values.t, values.r].map(Number) as [
  number,
  number,
  number,
  number,
];

/** Tokens per second: `work` returns how many it made. */
async function timed(work: () => Promise<number>): Promise<number> {
  const begin = performance.now();
  const made = await work();
  return (made * 1000) / (performance.now() - begin);
}

async function byHand(model: Model): Promise<number> {
  const sequences = Array.from({ length: parallel }, () => model.createSequence());
  const speed = await timed(async () => {
    for (let i = 0; i < tokens; i++) {
      await Promise.all(sequences.map((sequence, j) => sequence.evaluate([(i * 31 + j * 7) % 1000])));
    }
    return parallel * tokens;
  });
  for (const sequence of sequences) sequence.dispose();
  return speed;
}

function generated(model: Model): Promise<number> {
  const call = async (seed: number) => {
    let made = 0;
    // One token of prompt, so that all the time is decoding.
    for await (const part of model.generate([seed + 1], { maxTokens: tokens, seed })) made += part.tokens.length;
    return made;
  };
  return timed(async () => {
    const made = await Promise.all(Array.from({ length: parallel }, (_, seed) => call(seed)));
    return made.reduce((sum, count) => sum + count);
  });
}

const model = await loadModel(values.m, { threads, contextSize: Math.max(64, tokens + 8), sequences: parallel });
await byHand(model);
const ratios: number[] = [];
for (let round = 0; round < rounds; round++) {
  const [batch, calls] = [await byHand(model), await generated(model)];
  ratios.push(calls / batch);
  console.log(
    `batch ${batch.toFixed(1)} tokens/s   ${parallel} generate calls ${calls.toFixed(1)}   ${(calls / batch).toFixed(3)}`,
  );
}
ratios.sort((a, b) => a - b);
console.log(
  `median ratio ${ratios[Math.floor(ratios.length / 2)]!.toFixed(3)}   ${model.info.kernels}, ${process.version}`,
);
await model.dispose();
