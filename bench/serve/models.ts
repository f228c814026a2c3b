// Several models of one server, all busy: their work at once against the same work one after the other. 1: taking turns costs nothing.

import { quantile, type Serving } from "./serving.js";

const ROUNDS = 5;
const text = (i: number) => `Number ${i}: the quick brown fox jumps over the lazy dog near the river bank.`;

export async function models(serving: Serving, seconds: number): Promise<boolean> {
  const { models: listed } = JSON.parse(await serving.get("/api/tags")) as { models: { name: string }[] };
  const jobs = await Promise.all(
    listed.map(async ({ name }) => {
      const shown = await (await serving.ask("/api/show", { model: name })).text();
      const [kind] = (JSON.parse(shown) as { capabilities: string[] }).capabilities;
      return { name, kind, amount: 1 };
    }),
  );
  let round = 0;
  /** `amount` requests of a model, one after another: 64 tokens, 32 vectors, or the order of 32 documents. */
  const work = async ({ name, kind, amount }: (typeof jobs)[number]) => {
    for (let i = 0; i < amount; i++) {
      const texts = Array.from({ length: 32 }, (_, j) => text(1000 * round++ + j));
      const [path, body] =
        kind === "completion"
          ? ["/completion", { prompt: text(round++), n_predict: 64, ignore_eos: true }]
          : kind === "rerank"
            ? ["/v1/rerank", { query: "Where is the fox?", documents: texts }]
            : ["/v1/embeddings", { input: texts, encoding_format: "base64" }];
      const answer = await serving.ask(path as string, { model: name, ...(body as object) });
      const said = await answer.text();
      if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${said}`);
    }
  };
  const timed = async (run: () => Promise<unknown>) => {
    const begin = performance.now();
    await run();
    return performance.now() - begin;
  };
  for (const job of jobs) {
    await work(job);
    await work(job);
    const milliseconds = await timed(() => work(job));
    job.amount = Math.max(1, Math.round((seconds * 1000) / milliseconds));
  }
  console.log(jobs.map(({ name, kind, amount }) => `${name} (${kind}): ${amount} requests`).join(", "));
  const ratios: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const alone: number[] = [];
    for (const job of jobs) alone.push(await timed(() => work(job)));
    const together = await timed(() => Promise.all(jobs.map(work)));
    const inTurns = alone.reduce((sum, one) => sum + one);
    ratios.push(inTurns / together);
    const told = alone.map((one) => (one / 1000).toFixed(2)).join(" + ");
    console.log(`alone ${told} s, at once ${(together / 1000).toFixed(2)} s: ${(inTurns / together).toFixed(3)}`);
  }
  const median = quantile(ratios, 0.5);
  console.log(`median ${median.toFixed(3)}; resident memory ${serving.residentMebibytes().toFixed(0)} MiB`);
  return median >= 0.9;
}
