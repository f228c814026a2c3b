// What `cria plan` predicts beside what is measured: one instance of all cores, and one instance for each core, each in a process of its
// own; and the memory that a loaded model says it has, against the plan.
//
//   npm run build && npx tsc -p bench/tsconfig.json && node build/bench/plan-check.js [-t 2] [-r 5] model.gguf ...
//
// Rounds of all of them take turns; medians count. `off` is the prediction over the measurement.

import { parseArgs } from "node:util";
import { ModelProcess, plan } from "cria/lab";

const { values, positionals } = parseArgs({
  options: {
    t: { type: "string", short: "t", default: "2" },
    r: { type: "string", short: "r", default: "5" },
    measure: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const cores = Number(values.t);
const rounds = Number(values.r);
const MILLISECONDS = 400;

const median = (samples: readonly number[]) => samples.toSorted((a, b) => a - b)[samples.length >> 1]!;

console.log("model                  instances  what        predicted  measured    off");
for (const [i, path] of positionals.entries()) {
  const loading = {
    contextSize: Math.min(1024, (await plan(path, { predict: false })).trainedContextSize),
    sequences: 8,
  };
  const planned = await plan(path, { ...loading, measure: values.measure && i === 0 });
  const prompt = planned.prompt;
  for (const instances of cores > 1 ? [1, cores] : [1]) {
    const threads = cores / instances;
    const split = planned.splits.find((one) => one.instances === instances)!;
    const options = { ...loading, threads: split.decodeThreads, threadsBatch: threads };
    const models = await Promise.all(Array.from({ length: instances }, () => ModelProcess.start(path, options)));
    for (const begin = performance.now(); performance.now() - begin < 600; ) {
      await Promise.all(models.map((model) => model.decode(1, 200)));
      await Promise.all(models.map((model) => model.prefill(Math.min(128, prompt))));
    }
    const measured = { decode: [] as number[], "8 clients": [] as number[], prefill: [] as number[] };
    const sum = async (name: keyof typeof measured, burst: (model: ModelProcess, index: number) => Promise<number>) => {
      const rates = await Promise.all(models.map(burst));
      measured[name].push(rates.reduce((total, rate) => total + rate, 0));
    };
    for (let round = 0; round < rounds; round++) {
      await sum("decode", (model) => model.decode(1, MILLISECONDS));
      await sum("8 clients", (model) => model.decode(8 / instances, MILLISECONDS));
      await sum("prefill", (model) => model.prefill(prompt, 50));
    }
    const predictions = [
      ["decode", split.decode?.[instances]],
      ["8 clients", split.decode?.[8]],
      ["prefill", split.prefill],
    ] as const;
    for (const [what, predicted] of predictions) {
      const real = median(measured[what]);
      const cells = [path.replace(/^.*\//, "").slice(0, 22).padEnd(22), `${instances} x ${threads}`.padStart(10)];
      const off = `${((100 * (predicted ?? 0)) / real - 100).toFixed(0)} %`;
      console.log(
        [
          ...cells,
          ` ${what.padEnd(11)}`,
          (predicted ?? 0).toFixed(1).padStart(8),
          real.toFixed(1).padStart(9),
          off.padStart(6),
        ].join(" "),
      );
    }
    if (instances === 1) {
      const { total } = planned.need.memory;
      const used = models[0]!.info.memory;
      console.log(
        `${" ".repeat(24)}memory: planned ${total}, used ${used}, off ${((100 * total) / used - 100).toFixed(2)} %`,
      );
    }
    await Promise.all(models.map((model) => model.close()));
  }
}
