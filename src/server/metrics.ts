// What a server counts, as Prometheus reads it. Names that begin with `llamacpp:` are those of llama.cpp's server, for the dashboards that
// exist; those with `vllm:` are what Kubernetes' inference gateway reads by default (gateway-api-inference-extension, model server
// protocol). All others begin with `cria_`, and have the model as a label.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { GenerationSummary } from "../index.js";
import type { Observer } from "./observed.js";

/** Seconds. */
const LATENCIES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const TOKEN_TIMES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** What is asked when the metrics are read. */
export interface Gauges {
  /** For each model: requests that run and that wait, and the share of its KV cache in use; undefined: it is not loaded. */
  models(): readonly {
    readonly name: string;
    readonly running: number;
    readonly waiting: number;
    readonly bytes: number | undefined;
  }[];
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = this.#counter("cria_requests_total", "Requests that have been answered", ["route", "status"]);
  readonly #requestSeconds = this.#histogram(
    "cria_request_seconds",
    "From a request to the end of its answer",
    ["route"],
    LATENCIES,
  );
  readonly #promptTokens = this.#counter("cria_prompt_tokens_total", "Tokens of prompts, cached ones included", [
    "model",
  ]);
  readonly #cachedTokens = this.#counter("cria_cached_tokens_total", "Tokens of prompts found in the KV cache", [
    "model",
  ]);
  readonly #generatedTokens = this.#counter("cria_generated_tokens_total", "Tokens that were generated", ["model"]);
  readonly #embeddedTokens = this.#counter("cria_embedded_tokens_total", "Tokens that were embedded or reranked", [
    "model",
  ]);
  readonly #failures = this.#counter("cria_failures_total", "Calls of a model that have failed", ["model"]);
  readonly #firstToken = this.#histogram(
    "cria_time_to_first_token_seconds",
    "From a streaming call to its first token",
    ["model"],
    LATENCIES,
  );
  readonly #tokenTimes = this.#histogram(
    "cria_time_per_output_token_seconds",
    "Between the tokens of a stream",
    ["model"],
    TOKEN_TIMES,
  );
  readonly #loads = this.#counter("cria_model_loads_total", "How often a model was loaded", ["model"]);
  readonly #llamaPrompt = this.#counter("llamacpp:prompt_tokens_total", "Number of prompt tokens processed.");
  readonly #llamaPromptSeconds = this.#counter("llamacpp:prompt_seconds_total", "Prompt process time");
  readonly #llamaPredicted = this.#counter("llamacpp:tokens_predicted_total", "Number of generation tokens processed.");
  readonly #llamaPredictedSeconds = this.#counter("llamacpp:tokens_predicted_seconds_total", "Predict process time");
  #promptRate = 0;
  #predictedRate = 0;

  constructor(gauges: Gauges) {
    const perModel = (name: string, help: string, value: (model: ReturnType<Gauges["models"]>[number]) => number) =>
      this.#gauge(name, help, ["model"], (gauge) => {
        for (const model of gauges.models()) gauge.set({ model: model.name }, value(model));
      });
    const sum = (name: string, help: string, value: (model: ReturnType<Gauges["models"]>[number]) => number) =>
      this.#gauge(name, help, [], (gauge) => gauge.set(gauges.models().reduce((total, one) => total + value(one), 0)));
    perModel("cria_requests_running", "Requests that a model computes", ({ running }) => running);
    perModel("cria_requests_waiting", "Requests that wait for a model", ({ waiting }) => waiting);
    perModel("cria_model_loaded", "1 where a model is loaded", ({ bytes }) => (bytes === undefined ? 0 : 1));
    perModel("cria_model_bytes", "Shared memory of a loaded model", ({ bytes }) => bytes ?? 0);
    sum("llamacpp:requests_processing", "Number of requests processing.", ({ running }) => running);
    sum("llamacpp:requests_deferred", "Number of requests deferred.", ({ waiting }) => waiting);
    sum("vllm:num_requests_running", "Number of requests in model execution batches.", ({ running }) => running);
    sum("vllm:num_requests_waiting", "Number of requests waiting to be processed.", ({ waiting }) => waiting);
    this.#gauge("llamacpp:prompt_tokens_seconds", "Average prompt throughput in tokens/s.", [], (gauge) => {
      gauge.set(this.#promptRate);
    });
    this.#gauge("llamacpp:predicted_tokens_seconds", "Average generation throughput in tokens/s.", [], (gauge) => {
      gauge.set(this.#predictedRate);
    });
  }

  /** The content type of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  request(route: string, status: number, seconds: number): void {
    this.#requests.inc({ route, status });
    this.#requestSeconds.observe({ route }, seconds);
  }

  loaded(model: string): void {
    this.#loads.inc({ model });
  }

  /** Counts the calls of one model. `failed` is also told. */
  observer(model: string, failed: (error: unknown) => void): Observer {
    return {
      firstToken: (seconds) => this.#firstToken.observe({ model }, seconds),
      token: (seconds) => this.#tokenTimes.observe({ model }, seconds),
      generated: (summary) => this.#generated(model, summary),
      evaluated: (tokens) => this.#embeddedTokens.inc({ model }, tokens),
      failed: (error) => {
        this.#failures.inc({ model });
        failed(error);
      },
    };
  }

  #generated(model: string, { usage, timings }: GenerationSummary): void {
    const { promptTokens, cachedTokens, completionTokens } = usage;
    this.#promptTokens.inc({ model }, promptTokens);
    this.#cachedTokens.inc({ model }, cachedTokens);
    this.#generatedTokens.inc({ model }, completionTokens);
    this.#llamaPrompt.inc(promptTokens - cachedTokens);
    this.#llamaPromptSeconds.inc(timings.prefillMilliseconds / 1000);
    this.#llamaPredicted.inc(completionTokens);
    this.#llamaPredictedSeconds.inc(timings.decodeMilliseconds / 1000);
    this.#promptRate = timings.prefillTokensPerSecond;
    this.#predictedRate = timings.decodeTokensPerSecond;
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    buckets: readonly number[],
  ) {
    return new Histogram({ name, help, labelNames, buckets: [...buckets], registers: [this.#registry] });
  }

  #gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (gauge: Gauge<Label>) => void,
  ) {
    new Gauge({
      ...{ name, help, labelNames, registers: [this.#registry] },
      collect() {
        this.reset();
        read(this);
      },
    });
  }
}
