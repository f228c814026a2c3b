// Several models in one process, all busy: their work together against the same work one after the other. A ratio of 1 is as good as
// taking turns costs nothing.
//
//   npm run build && npx tsc -p bench/tsconfig.json && node build/bench/several-models.js chat.gguf embedder.gguf ... [-t 2] [-r 5] [-s 1]
//
// Every model gets work that takes it about -s seconds when it is alone: tokens to generate, behind a prompt of 32, or texts to embed. A
// round has all of them alone, one after another, and then at once.

import { parseArgs } from "node:util";
import { loadModel, type Model } from "cria";

const { values, positionals } = parseArgs({
  options: {
    t: { type: "string", short: "t" },
    r: { type: "string", short: "r", default: "5" },
    s: { type: "string", short: "s", default: "1" },
  },
  allowPositionals: true,
});
if (positionals.length < 2) throw new Error("give two or more model files");
const threads = values.t === undefined ? {} : { threads: Number(values.t) };

/** Some work of a model, and how much of it there is: tokens, or texts. */
type Work = (amount: number) => Promise<void>;

function workOf(model: Model): Work {
  if (model.info.generates) {
    return async (tokens) => {
      const prompt = Array.from({ length: 32 }, (_, i) => 5 + i);
      for await (const _ of model.generate(prompt, { maxTokens: tokens, temperature: 0 }));
    };
  }
  const ids = Array.from({ length: 24 }, (_, i) => 1000 + 7 * i);
  return async (texts) => {
    await model.embed(Array.from({ length: texts }, (_, i) => [...ids, 500 + (i % 300)]));
  };
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await run();
  return performance.now() - begin;
}

const jobs: { readonly name: string; readonly model: Model; readonly work: Work; readonly amount: number }[] = [];
for (const path of positionals) {
  const model = await loadModel(path, { contextSize: 512, ...threads });
  const work = workOf(model);
  let amount = model.info.generates ? 8 : 64;
  for (const end = performance.now() + 1000; performance.now() < end; ) await work(amount); // kernels and caches become warm
  let milliseconds = await timed(() => work(amount));
  while (milliseconds < 300) {
    amount *= 2;
    milliseconds = await timed(() => work(amount));
  }
  amount = Math.max(1, Math.round((amount * Number(values.s) * 1000) / milliseconds));
  const name = path.split("/").at(-1)!;
  jobs.push({ name, model, work, amount: model.info.generates ? Math.min(460, amount) : amount });
}
console.log(`${jobs.map(({ name, amount }) => `${name} x ${amount}`).join(", ")}; ${process.version}`);
const ratios: number[] = [];
for (let round = 0; round < Number(values.r); round++) {
  const alone: number[] = [];
  for (const { work, amount } of jobs) alone.push(await timed(() => work(amount)));
  const ends: number[] = [];
  const together = await timed(() =>
    Promise.all(
      jobs.map(async ({ work, amount }, i) => {
        ends[i] = await timed(() => work(amount));
      }),
    ),
  );
  const inTurns = alone.reduce((sum, one) => sum + one);
  ratios.push(inTurns / together);
  const seconds = (list: readonly number[]) => list.map((one) => (one / 1000).toFixed(2)).join(" ");
  console.log(
    `alone ${seconds(alone)} s   together ${seconds(ends)} s   work of one after the other: ${(inTurns / together).toFixed(3)}`,
  );
}
ratios.sort((a, b) => a - b);
console.log(`median ${ratios[Math.floor(ratios.length / 2)]!.toFixed(3)}`);
for (const { model } of jobs) await model.dispose();
