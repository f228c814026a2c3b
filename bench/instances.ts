// Few large instances or many small ones: all threads in one instance against one thread in each of as many, in turns.
//
//   npm run build && npx tsc -p bench/tsconfig.json && node build/bench/instances.js model.gguf [-t 2] [-c 1,2,8] [-r 5] [-s 1]
//
// A client asks again as soon as it has its answer: 48 tokens behind a prompt of 16, or the vectors of 8 texts of 25 tokens. What counts
// are the tokens of all clients together that are written, or embedded. All have the same work, of about -s seconds.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { loadPool, type ModelPool } from "cria";

const { values, positionals } = parseArgs({
  options: {
    t: { type: "string", short: "t", default: String(availableParallelism()) },
    c: { type: "string", short: "c", default: "1,2,8" },
    r: { type: "string", short: "r", default: "5" },
    s: { type: "string", short: "s", default: "1" },
  },
  allowPositionals: true,
});
const [path] = positionals;
if (path === undefined) throw new Error("give a model file");
const threads = Number(values.t);
const clientCounts = values.c.split(",").map(Number);
const most = Math.max(...clientCounts);

const layouts = [
  { instances: 1, threads },
  { instances: threads, threads: 1 },
];
const pools: ModelPool[] = [];
for (const layout of layouts) {
  const sequences = Math.ceil(most / layout.instances);
  pools.push(await loadPool(path, { ...layout, contextSize: 256, sequences }));
}

/** Tokens of an answer: written, or embedded. */
const TOKENS = 48;
const TEXTS = 8;
const TEXT = 25;

/** A client's calls, one after another. */
async function client(pool: ModelPool, number: number, calls: number): Promise<void> {
  for (let call = 0; call < calls; call++) {
    const first = number * 31 + call * 17;
    if (pool.info.generates) {
      const prompt = Array.from({ length: 16 }, (_, i) => 100 + ((first + i * 7) % 300));
      await pool.complete(prompt, { maxTokens: TOKENS, temperature: 0, logitBias: unending(pool) });
    } else {
      const texts = Array.from({ length: TEXTS }, (_, text) =>
        Array.from({ length: TEXT }, (_, i) => 1000 + ((first + text * 7 + i) % 5000)),
      );
      await pool.embed(texts);
    }
  }
}

/** Texts must not end early, or the work would not be the same. */
function unending(pool: ModelPool): ReadonlyMap<number, number> {
  return new Map([...pool.tokenizer.endOfGenerationIds].map((id) => [id, Number.NEGATIVE_INFINITY]));
}

/** Tokens a second of all clients together. */
async function speed(pool: ModelPool, clients: number, calls: number): Promise<number> {
  const begin = performance.now();
  await Promise.all(Array.from({ length: clients }, (_, number) => client(pool, number, calls)));
  const tokens = clients * calls * (pool.info.generates ? TOKENS : TEXTS * TEXT);
  return (1000 * tokens) / (performance.now() - begin);
}

const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!;
for (const pool of pools) await speed(pool, most, 2);
console.log(
  `${path.split("/").at(-1)}, ${pools[0]!.info.kernels}, ${process.version}: tokens/s of all clients together`,
);
for (const clients of clientCounts) {
  const tokens = pools[0]!.info.generates ? TOKENS : TEXTS * TEXT;
  const calls = Math.max(1, Math.round((Number(values.s) * (await speed(pools[0]!, clients, 1))) / tokens / clients));
  const speeds: [number[], number[]] = [[], []];
  for (let round = 0; round < Number(values.r); round++) {
    for (const [i, pool] of pools.entries()) speeds[i]!.push(await speed(pool, clients, calls));
  }
  const [one, many] = speeds.map(median) as [number, number];
  const ratio = median(speeds[0].map((speed, round) => speeds[1][round]! / speed));
  console.log(
    `${clients} clients   1 x ${threads}: ${one.toFixed(1)}   ${threads} x 1: ${many.toFixed(1)}   ratio ${ratio.toFixed(2)}`,
  );
}
for (const pool of pools) await pool.dispose();
