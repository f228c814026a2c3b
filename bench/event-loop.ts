// How long the calling thread is kept from its event loop while cria loads a model and works:
//
//   npx tsc -p bench/tsconfig.json
//   node build/bench/event-loop.js FILE.gguf [--threads 2] [--seconds 5]
//
// The delay of the event loop is what perf_hooks' monitorEventLoopDelay({ resolution: 1 }) tells: a timer of one millisecond that comes
// late, so an idle loop has about one. `busy` is the time that this thread computed. Each kind of work ends after so many seconds.

import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { type ChatMessage, loadModel } from "cria";

const { values, positionals } = parseArgs({
  options: { threads: { type: "string", default: "2" }, seconds: { type: "string", default: "5" } },
  allowPositionals: true,
});
const threads = Number(values.threads);
const seconds = Number(values.seconds);

/** Does the work until it ends, or its time is over, and prints what the event loop went through. */
async function measure<Result>(
  name: string,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | undefined> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const signal = AbortSignal.timeout(1000 * seconds);
  delay.enable();
  const begin = performance.now();
  const before = performance.eventLoopUtilization();
  let result: Result | undefined;
  try {
    result = await work(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  const { active } = performance.eventLoopUtilization(before);
  const columns = [
    performance.now() - begin,
    active,
    delay.percentile(50) / 1e6,
    delay.percentile(99) / 1e6,
    delay.max / 1e6,
  ];
  delay.disable();
  console.log([name.padEnd(32), ...columns.map((value) => value.toFixed(1).padStart(9))].join(""));
  return result;
}

const SENTENCE = "A small llama walked over the hill, counted 17 sheep, and said: “Good morning, everyone!”\n";

async function main(path: string): Promise<void> {
  const headings = ["ms", "busy", "p50", "p99", "max"].map((heading) => heading.padStart(9));
  console.log(["".padEnd(32), ...headings].join(""));
  // The script itself must be compiled and warm.
  await measure("nothing", () => new Promise((resolve) => setTimeout(resolve, 300)));
  const model = await measure("load", () => loadModel(path, { threads, contextSize: 4096 }));
  if (model === undefined) throw new Error(`loading took more than ${seconds} s`);
  const perSentence = model.tokenizer.encode(SENTENCE, { bos: false }).length;
  for (const tokens of [512, 3000]) {
    const prompt = SENTENCE.repeat(Math.floor(tokens / perSentence));
    await measure(`generate, prompt of ${tokens} tokens`, (signal) =>
      model.complete(prompt, { maxTokens: 32, signal }),
    );
  }
  const messages: ChatMessage[] = Array.from({ length: 81 }, (_, i) => ({
    role: i % 2 === 0 ? "user" : "assistant",
    content: SENTENCE,
  }));
  await measure("chat, 81 messages", (signal) => model.completeChat(messages, { maxTokens: 32, signal }));
  await measure("DRY, first use", (signal) => model.complete("Once", { maxTokens: 4, dry: {}, signal }));
  const texts = Array.from({ length: 1000 }, (_, i) => `${i}: ${SENTENCE}`);
  await measure("embed 1000 texts", (signal) => model.embed(texts, { signal }));
  await measure("embed a text too long, 1 MB", (signal) =>
    model.embed([SENTENCE.repeat(11_000)], { signal }).catch(() => undefined),
  );
  await model.dispose();
}

if (positionals.length === 1) {
  await main(positionals[0]!);
} else {
  console.error("usage: event-loop FILE.gguf [--threads N] [--seconds N]");
  process.exitCode = 2;
}
