// How good the recommendations of `cria tune` are: every combination of kernels, threads, chunk of prompts and pins, each in turns with the
// defaults, and where what `cria tune` recommends stands among them, decode and prompts apart.
//
//   npm run build && npx tsc -p bench/tsconfig.json
//   node build/bench/tune-sweep.js -m model.gguf [-r 4] [--no-pins] [--tunings 2]
//
// Prints each combination over the defaults, and then: the recommendation against the best, and the seconds that both took.

import { parseArgs } from "node:util";
import { ModelProcess, type ProcessLoadOptions, tune } from "cria/lab";

const { values } = parseArgs({
  options: {
    m: { type: "string", short: "m" },
    r: { type: "string", short: "r", default: "4" },
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
for (let i = 0; i < Number(values.tunings); i++) {
  const tuning = await tune(path, { keep: false });
  tunings.push(tuning);
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

async function sweep(): Promise<readonly Row[]> {
  const base = { contextSize: 512, sequences: 2 };
  const burst = async (model: ModelProcess) => {
    return { decode: await model.decode(1, 300), prefill: await model.prefill(256, 50) };
  };
  const start = async (settings: ProcessLoadOptions) => {
    const model = await ModelProcess.start(path!, { ...base, ...settings });
    for (const begin = performance.now(); performance.now() - begin < 500; ) await burst(model);
    return model;
  };
  const grid: ProcessLoadOptions[] = [];
  for (const kernels of [{}, { kernels: "wide" }] as const) {
    for (const threads of [{}, { threads: 1, threadsBatch: 1 }, { threads: 2, threadsBatch: 2 }]) {
      for (const chunk of [{}, { prefillChunk: 64 }, { prefillChunk: 256 }]) {
        for (const pin of values["no-pins"] ? [{}] : [{}, { pin: "physical" }]) {
          grid.push({ ...kernels, ...threads, ...chunk, ...pin });
        }
      }
    }
  }
  const usual = await start({});
  const { threads, threadsBatch } = usual.info;
  const rows: Row[] = [{ settings: {}, decode: 1, prefill: 1 }];
  for (const settings of grid.slice(1)) {
    // Threads that are the defaults anyway.
    if (settings.threads === threads && settings.threadsBatch === threadsBatch) continue;
    const model = await start(settings);
    const ratios = { decode: [] as number[], prefill: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? [usual, model] : [model, usual];
      const rates = new Map<ModelProcess, Awaited<ReturnType<typeof burst>>>();
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
  const best = {
    decode: Math.max(...rows.map(({ decode }) => decode)),
    prefill: Math.max(...rows.map(({ prefill }) => prefill)),
    both: Math.max(...rows.map(({ decode, prefill }) => Math.sqrt(decode * prefill))),
  };
  console.log(
    `sweep of ${rows.length} combinations: ${took.toFixed(0)} s; best decode ${best.decode.toFixed(3)}, prompts ${best.prefill.toFixed(3)}`,
  );
  for (const { settings } of tunings) {
    const key = (one: ProcessLoadOptions) => textOf(Object.entries(one).toSorted());
    const row = rows.find((one) => key(one.settings) === key(settings));
    if (row === undefined) {
      console.log(`${textOf(settings)} is not in the sweep`);
      continue;
    }
    const share = (rate: number, most: number) => `${((100 * rate) / most).toFixed(1)} %`;
    console.log(
      `recommended ${textOf(settings)}: decode ${share(row.decode, best.decode)} of the best, prompts ${share(row.prefill, best.prefill)}, ` +
        `both ${share(Math.sqrt(row.decode * row.prefill), best.both)}`,
    );
  }
}
