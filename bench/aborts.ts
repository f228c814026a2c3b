// How soon an abort settles, wherever it comes, and what many of them leave behind:
//
//   npx tsc -p bench/tsconfig.json
//   node build/bench/aborts.js FILE.gguf [--threads 2] [--times 20] [--aborts 1000]
//
// For each kind of work: from `abort()` to the moment when the call has rejected, at so many moments spread over the time that the work
// takes. Then many aborts of all kinds, some at once, and the memory of the process meanwhile, garbage collected.

import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type ChatMessage, loadModel, type Model } from "cria";
import { Random } from "./synthetic/random.js";

const { values, positionals } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    times: { type: "string", default: "20" },
    aborts: { type: "string", default: "1000" },
  },
  allowPositionals: true,
});
const threads = Number(values.threads);
const times = Number(values.times);
const aborts = Number(values.aborts);

/** Calls that are under way at once. */
const LANES = 4;
/** Memory is printed so many times. */
const REPORTS = 10;

type Call = (signal: AbortSignal) => Promise<unknown>;

const reason = new Error("the caller has lost interest");

/** Aborts a call after so many milliseconds. @returns the milliseconds that it took to settle; undefined: it ended before */
async function settle(call: Call, after: number): Promise<number | undefined> {
  const controller = new AbortController();
  let begin = 0;
  const timer = setTimeout(() => {
    begin = performance.now();
    controller.abort(reason);
  }, after);
  try {
    await call(controller.signal);
  } catch (error) {
    if (error !== reason) throw error;
    return performance.now() - begin;
  } finally {
    clearTimeout(timer);
  }
  return undefined;
}

/** Prints how soon aborts of a call settle that come 0 .. `span` ms after its beginning. */
async function measure(name: string, call: Call, span: number): Promise<void> {
  const latencies: number[] = [];
  for (let i = 0; i < times; i++) {
    const latency = await settle(call, (span * i) / times);
    if (latency !== undefined) latencies.push(latency);
  }
  latencies.sort((a, b) => a - b);
  const columns = [latencies[latencies.length >> 1], latencies.at(-1)];
  const figures = columns.map((latency) => (latency?.toFixed(1) ?? "").padStart(9));
  console.log([name.padEnd(32), String(latencies.length).padStart(9), ...figures].join(""));
}

const SENTENCE = "A small llama walked over the hill, counted 17 sheep, and said: “Good morning, everyone!”\n";
const endlessly = (model: Model) => ({
  logitBias: new Map([...model.tokenizer.endOfGenerationIds].map((id) => [id, Number.NEGATIVE_INFINITY])),
});

/** The kinds of work on a loaded model, and the time that is looked at of each, ms. */
function callsOf(model: Model): readonly { readonly name: string; readonly call: Call; readonly span: number }[] {
  const random = new Random(1);
  const ids = (count: number) => Array.from({ length: count }, () => random.below(model.info.vocabularySize));
  const messages: ChatMessage[] = Array.from({ length: 30_001 }, (_, i) => ({
    role: i % 2 === 0 ? "user" : "assistant",
    content: SENTENCE,
  }));
  const long = ids(3000);
  const short = ids(64);
  const beginning = ids(8);
  const texts = Array.from({ length: 32 }, () => ids(300));
  return [
    { name: "chat template", call: (signal) => model.completeChat(messages, { signal }), span: 300 },
    { name: "prefill", call: (signal) => model.complete(long, { signal }), span: 3000 },
    {
      name: "decode",
      call: (signal) => model.complete(beginning, { ...endlessly(model), signal }),
      span: 3000,
    },
    { name: "embed", call: (signal) => model.embed(texts, { signal }), span: 3000 },
    {
      name: "evaluate, all logits",
      call: async (signal) => {
        const sequence = model.createSequence();
        await sequence.evaluate(short, { logits: "all", signal }).finally(() => sequence.dispose());
      },
      span: 1000,
    },
  ];
}

/** Aborts calls of all kinds, and prints the memory of the process. */
async function leak(model: Model): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const report = (count: number) => {
    collectGarbage();
    const { rss, heapUsed, external } = process.memoryUsage();
    const sizes = [rss, heapUsed, external];
    console.log(
      [count, ...sizes.map((size) => (size / 2 ** 20).toFixed(1))].map((text) => String(text).padStart(11)).join(""),
    );
  };
  console.log(["aborts", "rss MiB", "heap MiB", "extern MiB"].map((text) => text.padStart(11)).join(""));
  const calls = callsOf(model);
  const each = Math.ceil(aborts / REPORTS);
  for (let done = 0; ; done += each) {
    report(done);
    if (done >= aborts) return;
    const lane = async (first: number) => {
      for (let i = first; i < done + each; i += LANES) await settle(calls[i % calls.length]!.call, (i * 7) % 60);
    };
    await Promise.all(Array.from({ length: LANES }, (_, i) => lane(done + i)));
  }
}

async function main(path: string): Promise<void> {
  console.log(["".padEnd(32), ...["aborted", "median", "longest"].map((heading) => heading.padStart(9))].join(""));
  const load = (signal?: AbortSignal) => loadModel(path, { threads, contextSize: 4096, ...(signal && { signal }) });
  const begin = performance.now();
  await (await load()).dispose();
  await measure("load", async (signal) => (await load(signal)).dispose(), performance.now() - begin);
  const model = await load();
  for (const { name, call, span } of callsOf(model)) await measure(name, call, span);
  if (aborts > 0) await leak(model);
  await model.dispose();
}

if (positionals.length === 1) {
  await main(positionals[0]!);
} else {
  console.error("usage: aborts FILE.gguf [--threads N] [--times N] [--aborts N]");
  process.exitCode = 2;
}
