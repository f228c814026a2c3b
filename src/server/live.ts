// What the page draws of the models while they run. No text of a prompt or an answer is in it.

import type { CachePages, WorkerLoad } from "../index.js";
import type { ModelState } from "./catalog.js";
import type { Service } from "./service.js";

/** How a model is now. */
export interface LiveModel {
  readonly name: string;
  readonly state: ModelState;
  /** Requests. */
  readonly running: number;
  readonly waiting: number;
  /** undefined: it is not loaded. */
  readonly info: LiveInfo | undefined;
  readonly load: LiveLoad | undefined;
}

/** What a model is. */
export interface LiveInfo {
  readonly architecture: string;
  readonly parameters: number;
  readonly format: string;
  readonly contextSize: number;
  readonly generates: boolean;
  readonly reranks: boolean;
  readonly dimensions: number;
  readonly threads: number;
  readonly threadsReason: string;
  readonly kernels: string;
  /** How many there are, each with threads and memory of its own; undefined: the model is one. */
  readonly instances: number | undefined;
  /** Bytes. */
  readonly memory: { readonly total: number; readonly weights: number; readonly kvCache: number };
}

/** How it runs: `model.load()`. Rates are per second, times are ms. */
export interface LiveLoad {
  /** Since it was loaded. */
  readonly total: { readonly steps: number; readonly rows: number; readonly milliseconds: number };
  readonly tokenBytes: number;
  readonly bestBandwidth: number | undefined;
  readonly lost: number | undefined;
  readonly cache: CachePages;
  readonly workers: readonly WorkerLoad[];
  /** What disturbed it in the last seconds, in words. */
  readonly disturbance: string | undefined;
}

/** All models, in their order. */
export function liveModels(service: Service): readonly LiveModel[] {
  return service.catalog.names.map((name) => {
    const model = service.catalog.loaded(name);
    const load = model?.load();
    const last = load?.disturbances.at(-1);
    return {
      ...{ name, state: service.catalog.state(name), ...service.counts(name) },
      info: model && {
        architecture: model.info.architecture,
        parameters: model.info.parameters,
        format: model.info.format,
        contextSize: model.info.contextSize,
        generates: model.info.generates,
        reranks: model.info.embedding.reranks,
        dimensions: model.info.embedding.dimensions,
        threads: Math.max(model.info.threads, model.info.threadsBatch),
        threadsReason: model.info.threadsReason,
        kernels: model.info.kernels,
        instances: service.catalog.instances(name)?.length,
        memory: {
          total: model.info.memory.total,
          weights: model.info.memory.weights,
          kvCache: model.info.memory.kvCache,
        },
      },
      load: load && {
        total: load.total,
        tokenBytes: load.tokenBytes,
        bestBandwidth: load.bestBandwidth,
        lost: load.lost,
        cache: load.cache,
        workers: load.workers,
        disturbance: last && `${last.kind}: ${last.signs.join("; ")}`,
      },
    };
  });
}

const encoder = new TextEncoder();

/** The models' state as a stream of events, the first at once, then one every so many ms, until the client goes or the server closes. */
export function liveEvents(service: Service, milliseconds: number): ReadableStream<Uint8Array> {
  let told = false;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (told) await after(milliseconds);
        told = true;
        if (service.draining) return controller.close();
        controller.enqueue(encoder.encode(`data: ${JSON.stringify({ models: liveModels(service) })}\n\n`));
      },
    },
    { highWaterMark: 0 },
  );
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}
