// cria bench: how fast models run, in llama-bench's rows, and how far that is from this machine's limits.

import type { KvCacheType } from "../index.js";
import { bench as measure } from "../lab/bench.js";
import { kernelChoices } from "../machine/kernels.js";
import { checkChoice, invalidOption } from "../options.js";
import { type BenchFormatName, benchFormats } from "./bench-output.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { kernelsOption } from "./model-options.js";
import { demoModel, localPath, offlineOption } from "./model-source.js";
import { parseRanges } from "./ranges.js";

const formatNames = Object.keys(benchFormats) as BenchFormatName[];
const kvCaches = ["f16", "f32", "q8_0"] as const satisfies readonly KvCacheType[];

export const bench = command({
  usage: "[options]",
  about: `llama-bench's tests: pp512 evaluates a prompt of 512 tokens, tg128 generates 128 tokens; "@ d512": after 512 others.
N takes lists and ranges: 512, 1,2,4, 1-8, 0-1024+256, 1-32*2; every combination is measured.

"of limit" is the share of what this machine could do at most. Its limits are the bandwidth of its memory and its peak
of multiplications, measured in turns with the tests, on as many threads. "bound by" says which limit it is. "noise" says that
other programs took time from the test: do not trust such a row.`,
  options: {
    model: {
      flags: ["-m", "--model"],
      type: "list",
      value: "FILE",
      help: "GGUF files, hf:user/repo[:quant] or https: URLs (default: the demo model)",
    },
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
      help: `element types of the KV cache, keys and values: ${kvCaches.join(",")} (default: f16)`,
    },
    threads: {
      flags: ["-t", "--threads"],
      type: "list",
      value: "N",
      help: "workers (default: as many as a model has)",
    },
    kernels: kernelsOption,
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
      help: `${formatNames.join(", ")} (default: md)`,
    },
    noWarmUp: { flags: ["--no-warmup"], type: "boolean", help: "no run before the first one that counts" },
  },
  async run(values, positionals) {
    if (positionals.length > 0) throw new UsageError(`"${positionals[0]}": a model is named with -m`);
    const format = benchFormats[checkChoice("-o", values.output ?? "md", formatNames)]({
      batch: values.batch !== undefined,
      kvCache: values.kvCache !== undefined,
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
      parallel: numbers("-np", values.parallel, 1, 1),
      repetitions: repetitionsOf(values.repetitions ?? 5),
      warmUp: values.noWarmUp !== true,
    };
    await interruptible(async (signal) => {
      const models: string[] = [];
      for (const source of values.model?.flatMap((sources) => sources.split(",")) ?? [demoModel]) {
        models.push(await localPath(source, values.offline, signal));
      }
      process.stdout.write(format.header());
      for await (const result of measure({ ...options, models, signal })) process.stdout.write(format.result(result));
      process.stdout.write(format.footer());
    });
  },
});

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
