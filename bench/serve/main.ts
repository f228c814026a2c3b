// Trials of `cria serve` on this machine, over its loopback. What the server is started with stands behind `--`.
//
//   npm run bench:serve -- clients --count 200 --seconds 300 [-- --queue 256]
//   npm run bench:serve -- leavers --count 1000
//   npm run bench:serve -- hostile --count 100
//   npm run bench:serve -- models --seconds 2 -- -m chat.gguf -m embedder.gguf -m reranker.gguf

import { parseArgs } from "node:util";
import { clients } from "./clients.js";
import { hostile } from "./hostile.js";
import { leavers } from "./leavers.js";
import { models } from "./models.js";
import { Serving } from "./serving.js";

const args = process.argv.slice(2);
const at = args.indexOf("--");
const { values, positionals } = parseArgs({
  args: at < 0 ? args : args.slice(0, at),
  options: { count: { type: "string" }, seconds: { type: "string" } },
  allowPositionals: true,
});
const number = (given: string | undefined, otherwise: number) => Number(given ?? otherwise);
const trials: Readonly<Record<string, (serving: Serving) => Promise<boolean>>> = {
  clients: (serving) => clients(serving, number(values.count, 200), number(values.seconds, 300)),
  leavers: (serving) => leavers(serving, number(values.count, 1000)),
  hostile: (serving) => hostile(serving, number(values.count, 100)),
  models: (serving) => models(serving, number(values.seconds, 2)),
};
const trial = trials[positionals[0] ?? ""];
if (trial === undefined) throw new Error(`there are ${Object.keys(trials).join(", ")}`);
const serving = await Serving.start(at < 0 ? [] : args.slice(at + 1));
const isRight = await trial(serving);
const code = serving.lives ? await serving.stop() : "death";
console.log(isRight && code === 0 ? "all as it should be" : `not as it should be; the server ended with ${code}`);
process.exitCode = isRight && code === 0 ? 0 : 1;
