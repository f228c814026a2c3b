// What a server counts, as Prometheus reads it. Names that begin with `llamacpp:` are those of llama.cpp's server, for the dashboards that
// exist; those with `vllm:` are what Kubernetes' inference gateway reads by default (gateway-api-inference-extension, model server
// protocol). All others begin with `cria_`, and have the model as a label.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Disturbance, GenerationSummary, InstanceStats, LoadFigures, Model } from "../index.js";
import type { Observer } from "./observed.js";

/** Seconds. */
const LATENCIES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const TOKEN_TIMES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Positions of a page of the KV cache. */
const PAGE = 64;

/** A model when the metrics are read: its requests that run and that wait. */
export interface ModelNow {
  readonly name: string;
  readonly running: number;
  readonly waiting: number;
  /** undefined: it is not loaded. */
  readonly model: Model | undefined;
  /** Of a model that is loaded in several. */
  readonly instances: readonly InstanceStats[] | undefined;
}

type Cache = LoadFigures["cache"];

/** The same, with what is read of it once for all gauges. */
interface Snapshot extends ModelNow {
  /** In pages. */
  readonly cache: Cache;
  readonly load: LoadFigures | undefined;
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
  readonly #draftedTokens = this.#counter("cria_drafted_tokens_total", "Tokens that speculation has guessed", [
    "model",
  ]);
  readonly #acceptedTokens = this.#counter("cria_accepted_tokens_total", "Guesses that were right", ["model"]);
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
  readonly #disturbances = this.#counter(
    "cria_disturbances_total",
    "How often it was told that something takes time from a model (docs/machine.md)",
    ["model", "kind"],
  );
  readonly #lostSeconds = this.#counter("cria_lost_seconds_total", "Computing time that was lost to it", [
    "model",
    "kind",
  ]);
  readonly #models: () => readonly ModelNow[];
  /** While the metrics are read. */
  #now: readonly Snapshot[] = [];
  #promptRate = 0;
  #predictedRate = 0;

  constructor(models: () => readonly ModelNow[]) {
    this.#models = models;
    const perModel = (name: string, help: string, value: (model: Snapshot) => number | undefined) =>
      this.#gauge(name, help, ["model"], (gauge) => {
        for (const model of this.#now) {
          const known = value(model);
          if (known !== undefined) gauge.set({ model: model.name }, known);
        }
      });
    const sumOf = (value: (model: Snapshot) => number) => this.#now.reduce((total, one) => total + value(one), 0);
    const sum = (name: string, help: string, value: (model: Snapshot) => number) =>
      this.#gauge(name, help, [], (gauge) => gauge.set(sumOf(value)));
    perModel("cria_requests_running", "Requests that a model computes", ({ running }) => running);
    perModel("cria_requests_waiting", "Requests that wait for a model", ({ waiting }) => waiting);
    perModel("cria_model_loaded", "1 where a model is loaded", ({ model }) => (model === undefined ? 0 : 1));
    perModel("cria_model_bytes", "Shared memory of a loaded model, in all its instances", bytesOf);

    const positions = (name: keyof Cache) => (one: Snapshot) => one.model && one.cache[name] * PAGE;
    perModel("cria_kv_cache_positions", "Positions that the KV cache has room for", positions("pages"));
    perModel("cria_kv_cache_used_positions", "Positions of texts that are being evaluated", positions("used"));
    perModel("cria_kv_cache_cached_positions", "Positions kept for texts that begin alike", positions("cached"));
    perModel(
      "cria_kv_cache_usage_ratio",
      "The used share of the KV cache",
      ({ model, cache }) => model && shareOf(cache),
    );

    perModel(
      "cria_tokens_per_second",
      "Tokens of prompts and answers a second, while it computes; 0: nothing runs",
      ({ running, load }) => load && (running === 0 ? 0 : load.rowsPerSecond),
    );
    perModel("cria_lost_ratio", "The share of its work that a model has lost lately", ({ load }) => load?.lost);

    perModel(
      "cria_instances",
      "Instances of a loaded model",
      ({ model, instances }) => model && (instances?.length ?? 1),
    );
    const perInstance = (name: string, help: string, value: (one: InstanceStats) => number) =>
      this.#gauge(name, help, ["model", "instance"], (gauge) => {
        for (const { name: model, instances = [] } of this.#now) {
          for (const [instance, one] of instances.entries()) gauge.set({ model, instance }, value(one));
        }
      });
    perInstance("cria_instance_ready", "1 where an instance takes calls", ({ state }) => (state === "ready" ? 1 : 0));
    perInstance("cria_instance_calls", "Calls that an instance computes", ({ calls }) => calls);
    perInstance("cria_instance_deaths", "How often an instance was lost, and started again", ({ deaths }) => deaths);

    // Of all models together.
    const all = () => ({
      pages: sumOf(({ cache }) => cache.pages),
      used: sumOf(({ cache }) => cache.used),
      cached: sumOf(({ cache }) => cache.cached),
    });
    sum("llamacpp:requests_processing", "Number of requests processing.", ({ running }) => running);
    sum("llamacpp:requests_deferred", "Number of requests deferred.", ({ waiting }) => waiting);
    this.#gauge("llamacpp:kv_cache_usage_ratio", "KV-cache usage. 1 means 100 percent usage.", [], (gauge) => {
      gauge.set(shareOf(all()));
    });
    sum("llamacpp:kv_cache_tokens", "KV-cache tokens.", ({ cache }) => cache.used * PAGE);
    sum("vllm:num_requests_running", "Number of requests in model execution batches.", ({ running }) => running);
    sum("vllm:num_requests_waiting", "Number of requests waiting to be processed.", ({ waiting }) => waiting);
    this.#gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", [], (gauge) => {
      gauge.set(shareOf(all()));
    });
    this.#gauge("vllm:cache_config_info", "Pages of the KV cache.", ["block_size", "num_gpu_blocks"], (gauge) => {
      gauge.set({ block_size: PAGE, num_gpu_blocks: all().pages }, 1);
    });
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

  async text(): Promise<string> {
    this.#now = this.#models().map((one) => {
      const load = one.model?.load();
      return { ...one, load, cache: load?.cache ?? { pages: 0, used: 0, cached: 0 } };
    });
    return this.#registry.metrics();
  }

  /** Something takes time from a model. */
  disturbed(model: string, { kind, lost, seconds }: Disturbance): void {
    this.#disturbances.inc({ model, kind });
    this.#lostSeconds.inc({ model, kind }, lost * seconds);
  }

  request(route: string, status: number, seconds: number): void {
    this.#requests.inc({ route, status });
    this.#requestSeconds.observe({ route }, seconds);
  }

  loaded(model: string): void {
    this.#loads.inc({ model });
  }

  /** Counts the calls of one model. */
  observer(model: string): Omit<Observer, "instance"> {
    return {
      firstToken: (seconds) => this.#firstToken.observe({ model }, seconds),
      token: (seconds) => this.#tokenTimes.observe({ model }, seconds),
      tokens: (count) => this.#generatedTokens.inc({ model }, count),
      generated: (summary, told) => this.#generated(model, summary, told),
      evaluated: (tokens) => this.#embeddedTokens.inc({ model }, tokens),
      failed: () => this.#failures.inc({ model }),
    };
  }

  #generated(model: string, { usage, timings }: GenerationSummary, told: number): void {
    const { promptTokens, cachedTokens, completionTokens, draftedTokens = 0, acceptedTokens = 0 } = usage;
    this.#promptTokens.inc({ model }, promptTokens);
    this.#cachedTokens.inc({ model }, cachedTokens);
    this.#generatedTokens.inc({ model }, Math.max(0, completionTokens - told));
    this.#draftedTokens.inc({ model }, draftedTokens);
    this.#acceptedTokens.inc({ model }, acceptedTokens);
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

const shareOf = ({ pages, used }: Cache) => (pages === 0 ? 0 : used / pages);

function bytesOf({ model, instances }: ModelNow): number {
  return instances?.reduce((sum, { memory }) => sum + memory, 0) ?? model?.info.memory.total ?? 0;
}
