// Looks for leaks: many lives of a model, and many aborted calls. Memory, handles and listeners must stay as they were. Writes what it
// measures to docs/reliability.json.
//
//   npm run leaks                 500 cycles of load, generate, embed, dispose; 10,000 aborted calls
//   npm run leaks -- --check      fewer of both; only fails where something grows

import { getEventListeners } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadModel } from "cria";
import { microBytes, microModel } from "../support/micro-model.js";
import { addLeaks, type Leak } from "./report.js";

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const CYCLES = values.check ? 60 : 500;
const ABORTS = values.check ? 1000 : 10_000;
const SAMPLES = 25;
// A leaked model would be some hundred KB, a leaked call about 1 KB and more.
const MOST_BYTES = { cycle: 4000, abort: 100 };

/** What is looked at after each part of the work. */
interface Sample {
  readonly done: number;
  /** Bytes of JavaScript's heap, and of the whole process in memory. */
  readonly heap: number;
  readonly resident: number;
}

async function measured(name: string, times: number, once: (i: number) => Promise<unknown>): Promise<Leak> {
  const warm = Math.ceil(times / 5);
  for (let i = 0; i < warm; i++) await once(i);
  const handles = await handlesNow();
  const listeners = listenersNow();
  const samples: Sample[] = [];
  for (let i = 1; i <= times; i++) {
    await once(warm + i);
    if (i % Math.ceil(times / SAMPLES) !== 0) continue;
    await handlesNow();
    const { heapUsed: heap, rss: resident } = process.memoryUsage();
    samples.push({ done: i, heap, resident });
  }
  return {
    what: name,
    times,
    bytesEach: Math.round(slopeOf(samples, ({ heap }) => heap)),
    residentEach: Math.round(slopeOf(samples, ({ resident }) => resident)),
    handles: (await handlesNow()) - handles,
    listeners: listenersNow() - listeners,
  };
}

/** The number of handles once the event loop has had its turn and garbage is collected. */
async function handlesNow(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return process.getActiveResourcesInfo().filter((name) => name !== "Timeout").length;
}

function listenersNow(): number {
  return process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
}

/** Bytes for each time, by the median of the slopes between all pairs of samples (Theil 1950): a burst of other memory does not move it. */
function slopeOf(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const slopes = samples.flatMap((a, i) => samples.slice(i + 1).map((b) => (of(b) - of(a)) / (b.done - a.done)));
  return slopes.sort((a, b) => a - b)[slopes.length >> 1]!;
}

const decoder = await microBytes(await microModel("llama"));
const encoder = await microBytes(await microModel("bert"));

const cycles = await measured("load, generate, embed, dispose", CYCLES, async (i) => {
  const model = await loadModel(i % 2 === 0 ? decoder : encoder, { threads: 1 });
  if (model.info.generates) await model.complete("ab a", { maxTokens: 4 });
  else await model.embed(["ab", "a"]);
  await model.dispose();
});

const model = await loadModel(decoder, { threads: 1, sequences: 2 });
const aborts = await measured("a call that is aborted", ABORTS, async (i) => {
  const controller = new AbortController();
  const call = model.complete("ab a", { signal: controller.signal, maxTokens: 40 });
  if (i % 3 === 0) controller.abort();
  else setImmediate(() => controller.abort());
  await call.then(
    () => undefined,
    (error: unknown) => {
      if (error !== controller.signal.reason) throw error;
    },
  );
});
// A signal that outlives its calls has none of their listeners.
const { signal } = new AbortController();
for (let i = 0; i < 20; i++) await model.complete("ab a", { signal, maxTokens: 2 });
const left = getEventListeners(signal, "abort").length;
await model.dispose();

for (const [leak, most] of [
  [cycles, MOST_BYTES.cycle],
  [aborts, MOST_BYTES.abort],
] as const) {
  console.log(
    `${leak.what}: ${leak.times} times, ${leak.bytesEach} bytes of heap and ${leak.residentEach} of the process each, ${leak.handles} handles, ${leak.listeners} listeners more`,
  );
  if (leak.bytesEach > most || leak.handles > 0 || leak.listeners > 0) process.exitCode = 1;
}
if (left > 0) process.exitCode = 1;
if (!values.check) addLeaks(fileURLToPath(new URL("../..", import.meta.url)), [cycles, aborts]);
