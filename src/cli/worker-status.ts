// What is told of a worker: to stderr and --log as it happens, and over HTTP to whoever watches it.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { QueueWorker, WorkerEvent } from "../adapters/bullmq/index.js";
import { UsageError } from "./failure.js";

/** What has happened to a worker so far. */
export class WorkerStatus {
  /** The worker, from when it works. */
  worker: QueueWorker | undefined;
  readonly #log: boolean;
  readonly #counts = { completed: 0, failed: 0, stalled: 0, "lost-lock": 0, error: 0 };
  #vectors = 0;
  #tokens = 0;
  #seconds = 0;
  #lastError = "";

  /** `log`: whether each event is a line of JSON on stdout. */
  constructor(log: boolean) {
    this.#log = log;
  }

  readonly event = (event: WorkerEvent): void => {
    this.#counts[event.event]++;
    if (event.event === "completed") {
      this.#vectors += event.vectors;
      this.#tokens += event.tokens;
      this.#seconds += event.seconds;
      this.#lastError = "";
    }
    if (this.#log) process.stdout.write(`${JSON.stringify({ time: new Date(), ...event })}\n`);
    if (event.event !== "error" || event.error === this.#lastError) return;
    // A server that is away answers nothing many times.
    this.#lastError = event.error;
    process.stderr.write(`cria: the queue: ${event.error}\n`);
  };

  /** Sets the metrics in turn: name, what it is, its values by labels. */
  async metrics(): Promise<string> {
    const { worker } = this;
    const lines: string[] = [];
    const metric = (
      type: "counter" | "gauge",
      name: string,
      help: string,
      values: Readonly<Record<string, number>>,
    ) => {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      for (const [labels, value] of Object.entries(values)) lines.push(`${name}${labels} ${value}`);
    };
    const byLabel = (label: string, values: Readonly<Record<string, number>>) =>
      Object.fromEntries(Object.entries(values).map(([value, count]) => [`{${label}="${value}"}`, count]));
    if (worker?.ready === true) {
      metric("gauge", "cria_queue_jobs", "Jobs of the queue, of all workers", byLabel("state", await worker.counts()));
    }
    metric("gauge", "cria_queue_running", "Jobs that this worker computes", { "": worker?.running ?? 0 });
    metric("counter", "cria_queue_events_total", "What has happened to this worker", byLabel("event", this.#counts));
    metric("counter", "cria_queue_vectors_total", "Vectors and scores that this worker has made", {
      "": this.#vectors,
    });
    metric("counter", "cria_queue_tokens_total", "Tokens that this worker's model has read", { "": this.#tokens });
    metric("counter", "cria_queue_seconds_total", "Time of its jobs, from begin to end", { "": this.#seconds });
    return `${lines.join("\n")}\n`;
  }
}

/**
 * Answers /health (the process lives), /ready (it takes jobs; 503 while it loads or ends, or Redis is away) and /metrics (Prometheus).
 *
 * @throws UsageError where the port cannot be had
 */
export async function listen(
  status: WorkerStatus,
  port: number,
  host = "127.0.0.1",
): Promise<{ close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const answer = (code: number, body: string) => {
      response.writeHead(code, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
      response.end(body);
    };
    switch (request.url) {
      case "/health":
        return answer(200, "ok\n");
      case "/ready":
        return status.worker?.ready === true ? answer(200, "ready\n") : answer(503, "not ready\n");
      case "/metrics":
        return void status.metrics().then(
          (body) => answer(200, body),
          (error: Error) => answer(500, `${error.message}\n`),
        );
      default:
        return answer(404, "there are /health, /ready and /metrics\n");
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", ({ message }) => reject(new UsageError(`--port ${port}: ${message}`)));
    server.listen(port, host, resolve);
  });
  const { address, port: bound } = server.address() as AddressInfo;
  process.stderr.write(`cria answers /health, /ready and /metrics at http://${address}:${bound}\n`);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
