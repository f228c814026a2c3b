// cria worker: computes the jobs of a queue until it is asked to end.

import type { Model } from "../index.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { loadOptions, modelOptions, openModel } from "./model-options.js";
import { modelPath } from "./model-source.js";
import { identityOf, queueModule, queueOptions, queuePlace } from "./queue-options.js";
import { listen, WorkerStatus } from "./worker-status.js";

export const worker = command({
  usage: "--queue URL [options]",
  about: `Computes the jobs of a queue of BullMQ: texts to vectors, and documents to scores. Any number of workers share a queue;
cria embed --queue submits files. Ctrl-C and SIGTERM: no more jobs, and those that run come to their end.`,
  options: {
    ...queueOptions,
    concurrency: {
      flags: ["--concurrency"],
      type: "number",
      value: "N",
      help: "jobs that are computed at once, in the same steps (default: 2)",
    },
    lock: {
      flags: ["--lock"],
      type: "number",
      value: "SECONDS",
      help: "how long after its last word a worker counts as gone, and its job is another's (default: 30)",
    },
    drain: {
      flags: ["--drain"],
      type: "number",
      value: "SECONDS",
      help: "how long jobs may go on at the end, before they are given back (default: 30)",
    },
    answers: {
      flags: ["--answers"],
      type: "boolean",
      help: "rank by the answers yes and no of a Qwen3 without a ranking head",
    },
    host: { flags: ["--host"], type: "string", value: "ADDRESS", help: "where to listen (default: 127.0.0.1)" },
    port: {
      flags: ["--port"],
      type: "number",
      value: "N",
      help: "answer /health, /ready and /metrics (default: no port)",
    },
    log: { flags: ["--log"], type: "boolean", help: "a line of JSON on stdout for each job; never a text" },
    ...modelOptions,
  },
  async run(values, positionals) {
    if (positionals.length > 0) throw new UsageError(`"${positionals[0]}": a worker takes its texts from the queue`);
    const { queue: url } = values;
    if (url === undefined) throw new UsageError("a queue is missing: --queue redis://host:6379");
    if (values.host !== undefined && values.port === undefined) throw new UsageError("--host needs a --port");
    const { startWorker } = await queueModule();
    const end = askedToEnd();
    const begin = new AbortController(); // until it works, there is nothing to drain
    void end.then(() => begin.abort());
    const { signal } = begin;
    const status = new WorkerStatus(values.log === true);
    const health = values.port === undefined ? undefined : await listen(status, values.port, values.host);
    let model: Model | undefined;
    try {
      const path = await modelPath(values, signal);
      const identity = await identityOf(path, await loadOptions(path, values), signal);
      model = await openModel(values, signal, { rerank: values.answers });
      const { concurrency, lock: lockSeconds } = values;
      const place = queuePlace(url, values);
      const onEvent = status.event;
      const worker = await startWorker(model, { ...place, model: identity, concurrency, lockSeconds, onEvent, signal });
      status.worker = worker;
      process.stderr.write(`cria works on the queue ${worker.place}, with model ${identity}\n`);
      const lost = await Promise.race([end, worker.lost]);
      process.stderr.write("closing: jobs that run come to their end; once more to end at once\n");
      await worker.close({ drainSeconds: values.drain });
      if (lost !== undefined) throw lost;
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) throw error;
    } finally {
      await model?.dispose();
      await health?.close();
      // What is left of a connection to a server that is away does not keep the process.
      setTimeout(() => process.exit(), 2000).unref();
    }
  },
});

/** Resolves when the process is asked to end, by Ctrl-C or SIGTERM. Asked again, it ends at once. */
function askedToEnd(): Promise<void> {
  return new Promise((resolve) => {
    let times = 0;
    const end = () => (times++ === 0 ? resolve() : process.exit(130));
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  });
}
