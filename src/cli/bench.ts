// cria bench: how fast models run, in llama-bench's rows, and how far that is from this machine's limits.

import type { KvCacheType } from "../index.js";
import { type BenchResult, bench as measure } from "../lab/bench.js";
import type { BenchProgress } from "../lab/bench-tests.js";
import { compareBenches } from "../lab/compare.js";
import { parsePrice } from "../lab/price.js";
import { kernelChoices } from "../machine/kernels.js";
import { checkChoice, invalidOption } from "../options.js";
import { comparisonText, readBenchFile } from "./bench-compare.js";
import { type BenchFormatName, benchFormats } from "./bench-output.js";
import { reportSuites, writeBenchReport } from "./bench-report.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { kernelsOption } from "./model-options.js";
import { demoModel, localPath, offlineOption, sourceOptions } from "./model-source.js";
import { statusLine } from "./progress-bar.js";
import { parseRanges } from "./ranges.js";
import { terminalColumns } from "./wrap.js";

const formatNames = Object.keys(benchFormats) as BenchFormatName[];
const kvCaches = ["f16", "f32", "q8_0"] as const satisfies readonly KvCacheType[];

export const bench = command({
  usage: "[options] | --compare BEFORE.json AFTER.json",
  about: `llama-bench's tests: pp512 evaluates a prompt of 512 tokens, tg128 generates 128 tokens; "@ d512": after 512 others.
N takes lists and ranges: 512, 1,2,4, 1-8, 0-1024+256, 1-32*2; every combination is measured.

Where the terminal is too narrow for llama-bench's columns, what is the same in many rows stands above them.

"of limit" is the share of what this machine could do at most. Its limits are the bandwidth of its memory and its peak
of multiplications, measured in turns with the tests, on as many threads. "bound by" says which limit it is. "noise" says that
other programs took time from the test: do not trust such a row.

--html without -p, -n, -d, -np and -t runs tests by threads, sequences and depth. --compare A.json B.json says how two earlier runs
(-o json or jsonl, llama-bench's too) differ, with confidence intervals.`,
  options: {
    model: {
      flags: ["-m", "--model"],
      type: "list",
      value: "FILE",
      help: "GGUF files, hf:user/repo[:quant] or https: URLs (default: the demo model)",
    },
    hubRepo: { ...sourceOptions.hubRepo, type: "list" },
    ...offlineOption,
    prompt: {
      flags: ["-p", "--n-prompt"],
      type: "list",
      value: "N",
      help: "tokens of the prompt; 0: none (default: 512)",
    },
    generate: {
      flags: ["-n", "--n-gen"],
      type: "list",
      value: "N",
      help: "tokens to generate; 0: none (default: 128)",
    },
    depth: { flags: ["-d", "--n-depth"], type: "list", value: "N", help: "tokens in the cache before (default: 0)" },
    batch: {
      flags: ["-b", "--batch-size"],
      type: "list",
      value: "N",
      help: "tokens of a prompt that are evaluated at once (default: 2048)",
    },
    kvCache: {
      flags: ["-ctk", "--cache-type-k"],
      type: "list",
      value: "TYPE",
      choices: kvCaches,
      help: `element types of the KV cache, keys and values: ${kvCaches.join(",")} (default: f16)`,
    },
    threads: {
      flags: ["-t", "--threads"],
      type: "list",
      value: "N",
      help: "workers (default: as many as a model has)",
    },
    kernels: kernelsOption,
    tuned: {
      flags: ["--tuned"],
      type: "boolean",
      help: "load with what cria tune has found for the model on this machine; other options win",
    },
    parallel: {
      flags: ["-np", "--parallel"],
      type: "list",
      value: "N",
      help: "sequences that generate at once, in the same steps (default: 1)",
    },
    repetitions: { flags: ["-r", "--repetitions"], type: "number", value: "N", help: "of every test (default: 5)" },
    output: {
      flags: ["-o", "--output"],
      type: "string",
      value: "FORMAT",
      choices: formatNames,
      help: `${formatNames.join(", ")} (default: md)`,
    },
    price: {
      flags: ["--price"],
      type: "string",
      value: "PRICE",
      help: "of the machine, such as 0.79/h, 0.79 EUR/h, $0.79/h: what a million tokens cost",
    },
    html: { flags: ["--html"], type: "string", value: "FILE", help: "write a report: one page with figures" },
    trace: {
      flags: ["--trace"],
      type: "string",
      value: "FILE",
      help: "write one token's timeline of the first model, for chrome://tracing and ui.perfetto.dev",
    },
    compare: { flags: ["--compare"], type: "boolean", help: "measure nothing: compare two files of results" },
    noWarmUp: { flags: ["--no-warmup"], type: "boolean", help: "no run before the first one that counts" },
  },
  async run(values, positionals) {
    if (values.compare === true) return compareFiles(positionals);
    if (positionals.length > 0) throw new UsageError(`"${positionals[0]}": a model is named with -m`);
    const price = values.price === undefined ? undefined : parsePrice(values.price, "--price");
    const format = benchFormats[checkChoice("-o", values.output ?? "md", formatNames)]({
      batch: values.batch !== undefined,
      kvCache: values.kvCache !== undefined,
      price,
      most: terminalColumns(process.stdout),
    });
    const options = {
      prompts: numbers("-p", values.prompt, 512),
      generations: numbers("-n", values.generate, 128),
      depths: numbers("-d", values.depth, 0),
      batches: numbers("-b", values.batch, 2048, 1),
      kvCaches:
        values.kvCache?.flatMap((types) => types.split(",").map((type) => checkChoice("-ctk", type, kvCaches))) ??
        (["f16"] as const),
      threads: values.threads === undefined ? [undefined] : numbers("-t", values.threads, 1, 1),
      kernels: values.kernels === undefined ? undefined : checkChoice("--kernels", values.kernels, kernelChoices),
      tune: values.tuned,
      parallel: numbers("-np", values.parallel, 1, 1),
      repetitions: repetitionsOf(values.repetitions ?? 5),
      warmUp: values.noWarmUp !== true,
    };
    const { prompt, generate, depth, parallel, threads } = values;
    const chosen = [prompt, generate, depth, parallel, threads].some((value) => value !== undefined);
    await interruptible(async (signal) => {
      const models: string[] = [];
      const named = [
        ...(values.model ?? []).flatMap((sources) => sources.split(",")),
        ...(values.hubRepo ?? []).map((repo) => `hf:${repo}`),
      ];
      for (const source of named.length > 0 ? named : [demoModel]) {
        models.push(await localPath(source, values.offline, signal));
      }
      const suites =
        values.html === undefined || chosen
          ? [{ ...options, models, signal }]
          : await reportSuites(models, { ...options, signal });
      const results: BenchResult[] = [];
      const line = statusLine();
      try {
        for (const [i, suite] of suites.entries()) {
          const part = suites.length === 1 ? "" : `part ${i + 1} of ${suites.length}, `;
          const onProgress = ({ test, tests, name, repetition }: BenchProgress) => {
            const doing = repetition === 0 ? "loading, warming up" : `repetition ${repetition} of ${suite.repetitions}`;
            line.show(`${part}test ${test} of ${tests}, ${name}: ${doing}`);
          };
          for await (const result of measure({ ...suite, onProgress })) {
            line.clear();
            const header = results.length === 0 ? format.header() : ""; // a model that does not load has no table
            process.stdout.write(header + format.result(result));
            results.push(result);
          }
        }
      } finally {
        line.clear();
      }
      process.stdout.write(format.footer());
      if (values.html === undefined && values.trace === undefined) return;
      await writeBenchReport({
        results,
        price,
        html: values.html,
        trace: values.trace,
        tracing: { ...options, model: models[0]!, signal },
      });
    });
  },
});

async function compareFiles(files: readonly string[]): Promise<void> {
  const [before, after] = files;
  if (before === undefined || after === undefined || files.length > 2) {
    throw new UsageError(
      `--compare takes two files of results; there ${files.length === 1 ? "is 1" : `are ${files.length}`}`,
    );
  }
  const [a, b] = await Promise.all([readBenchFile(before), readBenchFile(after)]);
  process.stdout.write(comparisonText(compareBenches(a, b), before, after));
}

function numbers(flag: string, texts: readonly string[] | undefined, otherwise: number, least = 0): readonly number[] {
  const all = texts === undefined ? [otherwise] : parseRanges(flag, texts);
  const small = all.find((n) => n < least);
  if (small !== undefined) throw invalidOption(flag, `at least ${least}`, small);
  return all;
}

function repetitionsOf(count: number): number {
  if (Number.isInteger(count) && count >= 1) return count;
  throw invalidOption("-r", "an integer of at least 1", count);
}
