// How good the recommendations of `cria tune` are: every combination of kernels, threads, chunk of prompts and pins, each in turns with the
// defaults; and what `cria tune` recommends in turns with the best of them, decode and prompts apart.
//
//   npm run build && npx tsc -p bench/tsconfig.json
//   node build/bench/tune-sweep.js -m model.gguf [-r 9] [--no-pins] [--tunings 2]
//
// Prints each combination over the defaults, and then: the recommendation over the best, and what share of the sweep's time it took. The
// sweep tries what a tuning sets; texts side by side, types of the cache and instances are more, which a tuning measures and tells.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { ModelProcess, type ProcessLoadOptions, tune } from "cria/lab";

const { values } = parseArgs({
  options: {
    m: { type: "string", short: "m" },
    r: { type: "string", short: "r", default: "9" },
    tunings: { type: "string", default: "2" },
    "no-pins": { type: "boolean", default: false },
    "no-sweep": { type: "boolean", default: false },
  },
});
const path = values.m;
if (path === undefined) throw new Error("-m must be a model file, such as -m model.gguf");
const rounds = Number(values.r);

const seconds = () => performance.now() / 1000;
const median = (samples: readonly number[]) => samples.toSorted((a, b) => a - b)[samples.length >> 1]!;
const textOf = (settings: object) => JSON.stringify(settings).replaceAll('"', "");

const tunings = [];
/** Of each tuning, for the axes that the sweep tries too: it recommends more. */
const secondsOfSettings: number[] = [];
for (let i = 0; i < Number(values.tunings); i++) {
  const begin = seconds();
  let settled: number | undefined;
  const tuning = await tune(path, {
    keep: false,
    onProgress: (_, axis) => {
      if (["batch", "KV cache", "instances"].includes(axis)) settled ??= seconds();
    },
  });
  tunings.push(tuning);
  secondsOfSettings.push((settled ?? seconds()) - begin);
  console.log(
    `tuning ${i + 1}: ${textOf(tuning.settings)}, ${tuning.instances} x ${tuning.threadsOfInstance}, ${tuning.seconds.toFixed(0)} s`,
  );
  for (const { axis, value, reason } of tuning.recommendations) console.log(`   ${axis}: ${value}: ${reason}`);
}

interface Row {
  readonly settings: ProcessLoadOptions;
  readonly decode: number;
  readonly prefill: number;
}

type Speeds = Pick<Row, "decode" | "prefill">;

async function burst(model: ModelProcess): Promise<Speeds> {
  return { decode: await model.decode(1, 200), prefill: await model.prefill(256, 50) };
}

async function start(settings: ProcessLoadOptions): Promise<ModelProcess> {
  const model = await ModelProcess.start(path!, { contextSize: 512, sequences: 2, ...settings });
  for (const begin = performance.now(); performance.now() - begin < 500; ) await burst(model);
  return model;
}

async function sweep(): Promise<readonly Row[]> {
  const grid: ProcessLoadOptions[] = [];
  const counts = Array.from({ length: availableParallelism() }, (_, i) => i + 1).filter(
    (count) => (count & (count - 1)) === 0,
  );
  for (const kernels of [{}, { kernels: "wide" }] as const) {
    for (const threads of counts) {
      for (const threadsBatch of counts) {
        for (const chunk of [{}, { prefillChunk: 64 }, { prefillChunk: 256 }]) {
          for (const pin of values["no-pins"] ? [{}] : [{}, { pin: "physical" }]) {
            grid.push({ ...kernels, threads, threadsBatch, ...chunk, ...pin });
          }
        }
      }
    }
  }
  const usual = await start({});
  const rows: Row[] = [];
  for (const settings of grid) {
    const model = await start(settings);
    const ratios = { decode: [] as number[], prefill: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? [usual, model] : [model, usual];
      const rates = new Map<ModelProcess, Speeds>();
      for (const one of order) rates.set(one, await burst(one));
      for (const what of ["decode", "prefill"] as const)
        ratios[what].push(rates.get(model)![what] / rates.get(usual)![what]);
    }
    rows.push({ settings, decode: median(ratios.decode), prefill: median(ratios.prefill) });
    await model.close();
  }
  await usual.close();
  return rows;
}

if (!values["no-sweep"]) {
  const begin = seconds();
  const rows = await sweep();
  const took = seconds() - begin;
  for (const { settings, decode, prefill } of rows) {
    console.log(`${decode.toFixed(3)} ${prefill.toFixed(3)}  ${textOf(settings)}`);
  }
  const score = {
    decode: (row: Row) => row.decode,
    prompts: (row: Row) => row.prefill,
    both: (row: Row) => Math.sqrt(row.decode * row.prefill),
  };
  console.log(`sweep of ${rows.length} combinations: ${took.toFixed(0)} s`);
  // The largest of many noisy figures is too large: the best of each kind run again, in turns with what was recommended.
  const recommended = new Map(tunings.map(({ settings }) => [textOf(settings), settings]));
  for (const [what, of] of Object.entries(score)) {
    const best = rows.toSorted((a, b) => of(b) - of(a))[0]!;
    for (const [text, settings] of recommended) {
      const { ratio, error, rounds } = await duel(settings, best.settings, of);
      console.log(
        `${what}: ${text} has ${(100 * ratio).toFixed(1)} % (+- ${(100 * error).toFixed(1)} %, ${rounds} rounds) of the best, ` +
          textOf(best.settings),
      );
    }
  }
  for (const [i, { seconds }] of tunings.entries()) {
    const share = (part: number) => `${part.toFixed(0)} s, ${((100 * part) / took).toFixed(0)} % of the sweep's time`;
    console.log(
      `tuning ${i + 1}: for what the sweep tries ${share(secondsOfSettings[i]!)}; with the rest ${share(seconds)}`,
    );
  }
}

/** One over the other by a score, in turns until that is known within 1.5 %, or for 99 rounds. */
async function duel(one: ProcessLoadOptions, other: ProcessLoadOptions, of: (row: Row) => number) {
  const models = [await start(one), await start(other)] as const;
  const logs: number[] = [];
  let ratio = 1;
  let error = Number.POSITIVE_INFINITY;
  while (logs.length < 99 && (logs.length < rounds || error > 0.015)) {
    const order = logs.length % 2 === 0 ? models : models.toReversed();
    const rates = new Map<ModelProcess, Speeds>();
    for (const model of order) rates.set(model, await burst(model));
    const [a, b] = models.map((model) => rates.get(model)!);
    logs.push(Math.log(of({ settings: one, decode: a!.decode / b!.decode, prefill: a!.prefill / b!.prefill })));
    // A burst that something else disturbed tells nothing: a tenth at each end is left out.
    const out = Math.floor(logs.length / 10);
    const kept = logs.toSorted((a, b) => a - b).slice(out, logs.length - out);
    const middle = kept.reduce((sum, log) => sum + log, 0) / kept.length;
    const variance = kept.reduce((sum, log) => sum + (log - middle) ** 2, 0) / (kept.length - 1);
    ratio = Math.exp(middle);
    error = 2 * Math.sqrt(variance / kept.length);
  }
  for (const model of models) await model.close();
  return { ratio, error, rounds: logs.length };
}
