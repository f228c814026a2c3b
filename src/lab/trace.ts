// One token's timeline: what every worker of a model did while it decoded one token, and how long it waited for the others.
//
// The workers of a traced model are the package's own, behind trace-worker.js, which notes every call of a kernel. They lie in a folder of
// their own, with the kernels beside them, as a bundled program's do. A call costs two looks at the clock, some 0.1 us.

import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { BroadcastChannel } from "node:worker_threads";
import { WorkerError } from "../errors.js";
import { type LoadOptions, loadModel, type Model } from "../index.js";
import { type StepTrace, TELL, TRACE_CHANNEL, type WorkerTrace } from "./trace-channel.js";

/** How a worker spent a piece of time: in a kernel, or in a barrier, waiting for the others. */
export interface Span {
  readonly worker: number;
  readonly name: string;
  /** Milliseconds since the step began. */
  readonly begin: number;
  readonly end: number;
  /** Calls of the kernel, one right after another. */
  readonly calls: number;
}

/** A step of one row. */
export interface TokenTrace {
  readonly model: string;
  readonly kernels: string;
  readonly threads: number;
  /** Layers of the model. */
  readonly layers: number;
  /** Tokens that were in the cache. */
  readonly depth: number;
  /** From the first worker's beginning to the last one's end. */
  readonly milliseconds: number;
  /** Of each worker in order. What lies between them is TypeScript. */
  readonly spans: readonly Span[];
  /** Calls that the workers had no room to note, at the end of a step with very many. */
  readonly lost: number;
}

export interface TraceOptions extends Pick<LoadOptions, "threads" | "kvCache" | "kernels" | "signal"> {
  /** Tokens that are in the cache before. Default: 128. */
  readonly depth?: number;
}

/** Calls of one kernel with less between them (ms) are one span: pieces of the same matrix. */
const GAP = 0.004;
const WARM_UP_TOKENS = 48;

/**
 * Loads a model, decodes some tokens, and returns the one of median length among the last.
 *
 * @throws as loadModel, createSequence and evaluate do
 */
export async function traceToken(path: string, { depth = 128, ...options }: TraceOptions = {}): Promise<TokenTrace> {
  const folder = tracedAssets();
  try {
    const contextSize = depth + 4 * WARM_UP_TOKENS;
    const model = await loadModel(path, { ...options, contextSize, assets: pathToFileURL(`${folder}/`) });
    try {
      return await traced(model, path, depth, options.signal);
    } finally {
      await model.dispose();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A copy of the package's assets, in which the workers note what they do. */
function tracedAssets(): string {
  const folder = mkdtempSync(join(tmpdir(), "cria-trace-"));
  cpSync(fileURLToPath(new URL("../assets/", import.meta.url)), folder, { recursive: true });
  cpSync(join(folder, "worker.js"), join(folder, "untraced-worker.js"));
  const inOrder = ["./trace-worker.js", "./untraced-worker.js"].map(
    (name) => `await import(${JSON.stringify(name)});\n`,
  );
  writeFileSync(join(folder, "worker.js"), inOrder.join(""));
  return folder;
}

async function traced(model: Model, path: string, depth: number, signal: AbortSignal | undefined): Promise<TokenTrace> {
  const { info } = model;
  const id = (n: number) => 3 + ((n * 7919) % (info.vocabularySize - 3));
  const sequence = model.createSequence();
  if (depth > 0)
    await sequence.evaluate(
      Int32Array.from({ length: depth }, (_, n) => id(n)),
      { signal },
    );
  let token = depth;
  const decode = async () => void (await sequence.evaluate([id(token++)], { signal }));
  for (let n = 0; n < WARM_UP_TOKENS; n++) await decode();

  const channel = new BroadcastChannel(TRACE_CHANNEL);
  const traces: WorkerTrace[] = [];
  channel.onmessage = (event: unknown) => traces.push((event as { readonly data: WorkerTrace }).data);
  channel.postMessage(TELL);
  // Workers that no step of one row needs do not answer.
  for (let n = 0; n < WARM_UP_TOKENS && traces.length < info.threads; n++) {
    await decode();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  channel.close();
  sequence.dispose();
  return tokenOf(traces, {
    model: path,
    kernels: info.kernels,
    threads: info.threads,
    layers: info.layers,
    depth: token,
  });
}

/**
 * The step of median length, and what the other workers did in its time. Workers tell their last steps when they see that they were asked,
 * some a few steps later than others: the step is one of those that most of them have told.
 */
export function tokenOf(
  traces: readonly WorkerTrace[],
  about: Pick<TokenTrace, "model" | "kernels" | "threads" | "layers" | "depth">,
): TokenTrace {
  const leader = traces.find(({ worker }) => worker === 0);
  const inOrder = [...traces].sort((a, b) => a.worker - b.worker);
  const steps = (leader?.steps ?? []).map((step) => {
    const parts = inOrder.flatMap((trace) => {
      const own = duringStep(step, trace.steps);
      return own === undefined ? [] : [{ ...trace, ...own }];
    });
    const begin = Math.min(...parts.map((part) => part.begin));
    return { parts, begin, milliseconds: Math.max(...parts.map((part) => part.end)) - begin };
  });
  const most = Math.max(...steps.map(({ parts }) => parts.length));
  const whole = steps.filter(({ parts }) => parts.length === most).sort((a, b) => a.milliseconds - b.milliseconds);
  const step = whole[whole.length >> 1];
  if (step === undefined) throw new WorkerError("NO_TRACE", "the leader told nothing of its steps");
  const spans = step.parts.flatMap(({ worker, names, calls }) => joined(worker, names, calls));
  const begin = Math.min(...spans.map((span) => span.begin));
  const end = Math.max(...spans.map((span) => span.end));
  const moved = spans.map((span) => ({ ...span, begin: span.begin - begin, end: span.end - begin }));
  const lost = step.parts.reduce((sum, part) => sum + part.lost, 0);
  return { ...about, milliseconds: end - begin, spans: moved, lost };
}

/** Of a worker's steps the one that shares most of its time with the leader's: a worker may have begun late. */
function duringStep(leaders: StepTrace, steps: readonly StepTrace[]): StepTrace | undefined {
  const shared = ({ begin, end }: StepTrace) => Math.min(end, leaders.end) - Math.max(begin, leaders.begin);
  const best = steps.reduce<StepTrace | undefined>(
    (a, b) => (a === undefined || shared(b) > shared(a) ? b : a),
    undefined,
  );
  return best !== undefined && shared(best) > 0 ? best : undefined;
}

function joined(worker: number, names: readonly string[], calls: Float64Array): Span[] {
  const spans: Span[] = [];
  for (let at = 0; at < calls.length; at += 3) {
    const name = names[calls[at]!] === "barrier" ? BARRIER : names[calls[at]!]!;
    const [begin, end] = [calls[at + 1]!, calls[at + 2]!];
    const last = spans.at(-1);
    if (last?.name === name && name !== BARRIER && begin - last.end < GAP) {
      spans[spans.length - 1] = { ...last, end, calls: last.calls + 1 };
    } else spans.push({ worker, name, begin, end, calls: 1 });
  }
  return spans;
}

/** The name of spans in which a worker waits for the others. */
export const BARRIER = "waiting at a barrier";

/** A trace as chrome://tracing and https://ui.perfetto.dev read it: JSON of the Trace Event Format, times in microseconds. */
export function chromeTrace({ model, kernels, threads, depth, spans }: TokenTrace): string {
  const workers = [...new Set(spans.map(({ worker }) => worker))];
  return JSON.stringify({
    displayTimeUnit: "ms",
    otherData: { model, kernels, threads, depth },
    traceEvents: [
      { ph: "M", pid: 1, name: "process_name", args: { name: `cria: one token of ${model}` } },
      ...workers.map((worker) => ({
        ph: "M",
        pid: 1,
        tid: worker,
        name: "thread_name",
        args: { name: worker === 0 ? "worker 0 (leader)" : `worker ${worker}` },
      })),
      ...spans.map(({ worker, name, begin, end, calls }) => ({
        ph: "X",
        pid: 1,
        tid: worker,
        name,
        cat: name === BARRIER ? "barrier" : "kernel",
        ts: Number((1000 * begin).toFixed(3)),
        dur: Number((1000 * (end - begin)).toFixed(3)),
        args: { calls },
      })),
    ],
  });
}
