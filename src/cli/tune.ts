// cria tune: the fastest way to load a model on this machine, measured, and kept for --tuned and loadModel({ tune: true }).

import type { LoadOptions } from "../index.js";
import { tune as measure } from "../lab/tune/tune.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { planOptions } from "./model-options.js";
import { modelPath, sourceOptions } from "./model-source.js";
import { simulateOption } from "./plan.js";
import { progressBar } from "./progress-bar.js";
import { tuneLines } from "./tune-output.js";

export const tune = command({
  usage: "[options]",
  about: `Tries threads, SMT, pins, wide kernels and the chunk of prompts on a model, prefill and decode apart, and texts side by side,
types of the KV cache and numbers of instances; prints what each does, what is best and why. All settings of a race run
in turns, and what is decided leaves. The settings are kept for this model, this machine and its limits, this Node and
this cria: cria run --tuned and loadModel({ tune: true }) load with them. None of them changes a result. Run nothing
else meanwhile.`,
  options: {
    ...sourceOptions,
    quantize: planOptions.quantize,
    ...simulateOption,
    noKeep: { flags: ["--no-keep"], type: "boolean", help: "keep nothing: print only" },
    json: { flags: ["--json"], type: "boolean", help: "everything as one JSON object" },
  },
  async run(values, positionals) {
    if (positionals.length > 0) throw new UsageError(`"${positionals[0]}": a model is named with -m`);
    const { simulate, json, noKeep, quantize } = values;
    await interruptible(async (signal) => {
      const path = await modelPath(values, signal);
      const bar = progressBar(path, "tuning");
      try {
        const tuning = await measure(path, {
          quantize: quantize as LoadOptions["quantize"],
          keep: noKeep !== true,
          root: simulate,
          onProgress: (fraction, trying) => bar.show(fraction, trying),
          signal,
        });
        bar.clear();
        const text = json === true ? JSON.stringify(tuning) : tuneLines(tuning, simulate !== undefined).join("\n");
        process.stdout.write(`${text}\n`);
      } finally {
        bar.clear();
      }
    });
  },
});
