// Few large instances or many small ones: all threads in one instance against one thread in each of as many, in turns.
//
//   npm run build && npx tsc -p bench/tsconfig.json && node build/bench/instances.js model.gguf [-t 2] [-c 1,2,8] [-r 5] [-s 1]
//
// A client asks again as soon as it has its answer: 48 tokens behind a prompt of 16, or the vectors of 8 texts of 25 tokens. What counts
// are the tokens of all clients together, of the texts that are written, or that are embedded, in -s seconds.

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

/** Asks again and again until time is up. Returns the tokens that it got. */
async function client(pool: ModelPool, number: number, end: number): Promise<number> {
  let tokens = 0;
  for (let call = 0; performance.now() < end; call++) {
    if (!pool.info.generates) {
      const texts = Array.from({ length: 8 }, (_, text) =>
        Array.from({ length: 25 }, (_, i) => 1000 + ((number * 31 + call * 17 + text * 7 + i) % 5000)),
      );
      await pool.embed(texts);
      if (performance.now() < end) tokens += 8 * 25;
      continue;
    }
    const prompt = Array.from({ length: 16 }, (_, i) => 100 + ((number * 31 + call * 17 + i * 7) % 300));
    for await (const part of pool.generate(prompt, { maxTokens: 48, temperature: 0 })) {
      if (performance.now() < end) tokens += part.tokens.length;
    }
  }
  return tokens;
}

async function speed(pool: ModelPool, clients: number, seconds: number): Promise<number> {
  const end = performance.now() + 1000 * seconds;
  const tokens = await Promise.all(Array.from({ length: clients }, (_, number) => client(pool, number, end)));
  return tokens.reduce((sum, one) => sum + one) / seconds;
}

const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!;
for (const pool of pools) await speed(pool, most, 1);
console.log(
  `${path.split("/").at(-1)}, ${pools[0]!.info.kernels}, ${process.version}: tokens/s of all clients together`,
);
for (const clients of clientCounts) {
  const speeds: [number[], number[]] = [[], []];
  for (let round = 0; round < Number(values.r); round++) {
    for (const [i, pool] of pools.entries()) speeds[i]!.push(await speed(pool, clients, Number(values.s)));
  }
  const [one, many] = speeds.map(median) as [number, number];
  const ratio = median(speeds[0].map((speed, round) => speeds[1][round]! / speed));
  console.log(
    `${clients} clients   1 x ${threads}: ${one.toFixed(1)}   ${threads} x 1: ${many.toFixed(1)}   ratio ${ratio.toFixed(2)}`,
  );
}
for (const pool of pools) await pool.dispose();
