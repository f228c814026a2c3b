// loadModel: from a file to a model that answers. Reads the header, plans the memory, starts the team, and waits while the workers load.

import { KV_F16, KV_F32, KV_Q8_0 } from "#abi";
import { abortable } from "../../abort.js";
import { CriaError, GgufError, MemoryError, UnsupportedError } from "../../errors.js";
import { giveWay } from "../../event-loop.js";
import { type Gguf, openGguf } from "../../gguf/index.js";
import { type DownloadProgress, downloadModel, isRemote } from "../../hub/index.js";
import { hugeBytesOf } from "../../machine/cpu/huge-pages.js";
import type { PinRequest } from "../../machine/cpu/pin-plan.js";
import { compileKernels, instantiateKernels, type KernelModule } from "../../machine/kernels.js";
import { Team } from "../../machine/team.js";
import { architectureOf, readModel } from "../../model/architectures/table.js";
import { type HeadShape, headOf } from "../../model/head.js";
import type { Hyperparameters } from "../../model/hyperparameters.js";
import type { ModelSource } from "../../model/plan/loading.js";
import { type KvPool, type Layout, type MemoryPlan, PROGRESS_UNIT, planMemory } from "../../model/plan/memory-plan.js";
import { type RopeFrequencies, ropeFrequencies } from "../../model/plan/rope.js";
import { Shard } from "../../model/plan/shard.js";
import { findWeights } from "../../model/plan/weights.js";
import { checkChoice, checkInteger, checkNames, checkSignal } from "../../options.js";
import { LeaderClient } from "../../protocol/client.js";
import type { LeaderAnswer, Program } from "../../protocol/messages.js";
import { defaultPooling } from "../../protocol/pooling.js";
import { workerEntry } from "../../protocol/worker-entry.js";
import { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";
import { Model } from "../model.js";
import type { ModelInfo } from "../model-info.js";
import { Sessions } from "../sequences/sessions.js";
import { familyOf } from "../vectors/purposes.js";
import { planWorkers, reportPinning, type WorkerPlan } from "./worker-plan.js";

/** Element types of the KV cache. */
export type KvCacheType = "f16" | "f32" | "q8_0";

const kvKinds = { f16: KV_F16, f32: KV_F32, q8_0: KV_Q8_0 } as const;

/** How to load a model. */
export interface LoadOptions {
  /**
   * Workers that compute steps of one row (decode). Default: the environment's CRIA_THREADS, else the physical cores that this process
   * may use, within its control group's quota.
   */
  readonly threads?: number;
  /** Workers that compute steps of several rows (prefill, batches). Default: `threads`. */
  readonly threadsBatch?: number;
  /**
   * Pins every worker to a processor of its own (Linux): `true`, `"physical"` (a core each), `"l3:N"` or `"node:N"` (within a group of
   * `cpuTopology()`), or a list such as `"0,2-5"`. `threads` then counts these processors only. Default false.
   */
  readonly pin?: PinRequest;
  /** Positions of one sequence. Default: the smaller of the model's context and 4096. */
  readonly contextSize?: number;
  /** Sequences of full length that the KV cache has room for. Default 1. */
  readonly sequences?: number;
  /** Element type of the KV cache. Default f16; of encoders, which keep keys and values of one layer only, f32. */
  readonly kvCache?: KvCacheType;
  /** Called with the fraction loaded, 0 to 1, some twenty times a second while the model loads. */
  readonly onProgress?: (fraction: number) => void;
  /** Called before that, some twenty times a second, while a model comes from the network. */
  readonly onDownload?: (progress: DownloadProgress) => void;
  /** Makes no request: a model of the network must be in the cache. Default: what HF_HUB_OFFLINE says. */
  readonly offline?: boolean;
  /** Ends the loading: `loadModel` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Where a copy of this package's `dist/assets/` lies (the workers and the kernels), for programs whose bundler has moved this package's
   * code. The URL ends with a slash.
   */
  readonly assets?: URL;
}

const optionNames = [
  "threads",
  "threadsBatch",
  "pin",
  "contextSize",
  "sequences",
  "kvCache",
  "onProgress",
  "onDownload",
  "offline",
  "signal",
  "assets",
];

/**
 * A path or `file:` URL; a model on the network (`hf:user/repo`, `hf:user/repo:quant`, `hf:user/repo/file.gguf`, an `https:` URL), which
 * is kept in a cache; in hosts without files, the bytes of a model. Of a split model, its first part.
 */
export type LoadSource = string | URL | Uint8Array | Blob;

/** All that is known of a model before its weights are read. */
export interface PlannedModel {
  readonly hyperparameters: Hyperparameters;
  readonly head: HeadShape;
  readonly layout: Layout;
  readonly pool: KvPool;
  readonly plan: MemoryPlan;
  readonly contextSize: number;
  readonly workers: WorkerPlan;
}

/**
 * Loads a GGUF model and starts the workers that run it.
 *
 * @throws GgufError when the file is not a well-formed model, UnsupportedError when it is one that cria does not run, MemoryError when
 * it does not fit, WorkerError when a worker fails, DownloadError when it cannot be brought from the network, CriaError INVALID_OPTION,
 * or the signal's reason
 */
export async function loadModel(source: LoadSource, options: LoadOptions = {}): Promise<Model> {
  checkNames("loadModel", options, optionNames);
  const { signal, onProgress } = options;
  checkSignal(signal);
  signal?.throwIfAborted();
  checkIsolation();
  const { offline, onDownload } = options;
  const local = isRemote(source) ? await downloadModel(source, { offline, onProgress: onDownload, signal }) : source;
  const begin = performance.now();
  // It starts while this thread reads the header, when the processors have nothing else to do.
  if ((await bytesOf(local)) >= LARGE_MODEL) BackgroundTokenizer.prepare(options.assets);
  const kernels = await compileKernels(options.assets);
  const gguf = await openGguf(local);
  try {
    const planned = await planModel(gguf, options, kernels);
    // While the workers read, the text worker makes the tokenizer's tables.
    const reading = readTokenizer(gguf, planned.hyperparameters, options.assets);
    reading.catch(() => undefined); // something else may fail before it is waited for
    const ropes = await readRopes(gguf, planned.hyperparameters);
    await giveWay(); // the header is behind, and the starts of many workers are before this thread
    const shard = new Shard(allocate(planned.plan), planned.layout);
    const client = new LeaderClient(shard.aborts);
    const program: Program = {
      blueprint: {
        hyperparameters: planned.hyperparameters,
        layout: planned.layout,
        pool: planned.pool,
        ropeMagnitudes: ropes.map(({ magnitude }) => magnitude),
      },
      head: planned.head,
      frequencies: ropes.map(({ frequencies }) => frequencies),
      source: await modelSource(gguf, local),
      contextSize: planned.contextSize,
      decodeWorkers: planned.workers.decodeWorkers,
      batchWorkers: planned.workers.threadsBatch,
    };
    signal?.throwIfAborted();
    const team = await Team.start({
      entry: workerEntry(options.assets),
      module: kernels.module,
      memory: shard.memory,
      control: planned.layout.control,
      workers: planned.workers.workers,
      regulars: Math.min(planned.workers.decodeWorkers, planned.workers.threadsBatch),
      cpus: planned.workers.cpus,
      pins: planned.workers.pin?.pins,
      program,
      onMessage: (_, message) => client.receive(message as readonly LeaderAnswer[]),
      onDeath: (error) => client.end(error),
    });
    const watch = watchProgress(shard, onProgress);
    try {
      // One of the two that fails ends both.
      const [text, [pinned]] = await Promise.all([
        reading,
        abortable(Promise.all([team.pinned, client.ready(team)]), signal),
      ]);
      onProgress?.(1);
      return new Model({
        client,
        team,
        text,
        chatTemplate: gguf.metadata.getString("tokenizer.chat_template"),
        assets: options.assets,
        pairFormat: {
          template: gguf.metadata.getString("tokenizer.chat_template.rerank"),
          separates: gguf.metadata.get("tokenizer.ggml.add_sep_token") === true,
          hasTypes: (gguf.metadata.getNumber("tokenizer.ggml.token_type_count") ?? 0) > 1,
        },
        sessions: new Sessions({
          client,
          shard,
          blueprint: program.blueprint,
          frequencies: program.frequencies,
          contextSize: planned.contextSize,
          kernels: kernels.build,
          kvCache: options.kvCache ?? "f16",
        }),
        contextSize: planned.contextSize,
        loadMilliseconds: performance.now() - begin,
        info: describe(gguf, planned, {
          kernels: kernels.build,
          pinning: reportPinning(planned.workers, pinned),
          hugePageBytes: await hugeBytesOf(planned.plan.total),
        }),
      });
    } catch (error) {
      client.end(new CriaError("DISPOSED", "the model was not loaded"));
      await team.close();
      throw error;
    } finally {
      watch.stop();
    }
  } finally {
    await gguf.close();
  }
}

/** A model of so many bytes has, most likely, a vocabulary whose tables the text worker makes. */
const LARGE_MODEL = 2 ** 26;

/** 0 where it cannot be told: opening it then says why. */
async function bytesOf(source: LoadSource): Promise<number> {
  if (source instanceof Uint8Array) return source.length;
  if (typeof Blob !== "undefined" && source instanceof Blob) return source.size;
  const { stat } = await import("node:fs/promises");
  return stat(source as string | URL).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Reads a model's shape and lays out its memory, without allocating it. */
export async function planModel(gguf: Gguf, options: LoadOptions, kernels: KernelModule): Promise<PlannedModel> {
  if (!gguf.hasData)
    throw new GgufError("GGUF_NO_DATA", "the file has a header and no tensor data: a vocabulary only?");
  const hyperparameters = readModel(gguf);
  const workers = await planWorkers(options);
  const contextSize = checkInteger(
    "contextSize",
    options.contextSize ?? Math.min(hyperparameters.context, 4096),
    1,
    2 ** 22,
  );
  const sequences = checkInteger("sequences", options.sequences ?? 1, 1, 4096);
  if (hyperparameters.ropePairs === "none" && contextSize > hyperparameters.context) {
    throw new CriaError(
      "INVALID_OPTION",
      `contextSize is ${contextSize}; the model has learned ${hyperparameters.context} positions`,
    );
  }
  const kvDefault = hyperparameters.causal ? "f16" : "f32";
  const kvCache = checkChoice("kvCache", options.kvCache ?? kvDefault, ["f16", "f32", "q8_0"]);
  if (kvCache === "q8_0" && hyperparameters.headDim % 32 !== 0) {
    throw new UnsupportedError(
      "UNSUPPORTED_KV_CACHE",
      `a q8_0 cache needs heads of a multiple of 32 dimensions, these have ${hyperparameters.headDim}; supported: f16, f32`,
    );
  }
  const sizes = instantiateKernels(kernels.module, new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }));
  const { weights } = architectureOf(hyperparameters.architecture);
  const head = headOf(gguf, hyperparameters.architecture, hyperparameters.dim);
  const specs = [...weights(hyperparameters, (name) => gguf.tensor(name) !== undefined), ...head.weights];
  const found = findWeights(gguf, specs, sizes);
  const kvKind = kvKinds[kvCache];
  const planned = planMemory(
    hyperparameters,
    found,
    { workers: workers.workers, contextSize, sequences, kvKind, headWidth: head.shape.widest },
    sizes,
  );
  return { hyperparameters, head: head.shape, ...planned, contextSize, workers };
}

/** What is known once the team runs. */
type Started = Pick<ModelInfo, "kernels" | "pinning" | "hugePageBytes">;

function describe(gguf: Gguf, planned: PlannedModel, started: Started): ModelInfo {
  const { hyperparameters: h, head, plan, contextSize, workers } = planned;
  let parameters = 0;
  const elements = new Map<string, number>();
  for (const tensor of gguf.tensors) {
    const count = tensor.shape.reduce((product, n) => product * n, 1);
    parameters += count;
    elements.set(tensor.type, (elements.get(tensor.type) ?? 0) + count);
  }
  const [format] = [...elements].reduce((most, one) => (one[1] > most[1] ? one : most));
  const name = gguf.metadata.getString("general.name");
  return {
    architecture: h.architecture,
    name,
    parameters,
    format,
    contextSize,
    trainedContextSize: h.context,
    vocabularySize: h.vocab,
    dim: h.dim,
    layers: h.layers,
    heads: h.heads,
    kvHeads: h.kvHeads,
    generates: h.causal,
    embedding: {
      dimensions: head.dimensions,
      reranks: head.scores > 0,
      pooling: defaultPooling(gguf.metadata.getNumber(`${h.architecture}.pooling_type`)),
      family: familyOf(name, h.architecture),
    },
    threads: workers.threads,
    threadsBatch: workers.threadsBatch,
    threadsReason: workers.reason,
    memory: plan,
    ...started,
  };
}

/** The frequencies of each of a model's ways to rotate; rope_freqs.weight divides them. */
async function readRopes(gguf: Gguf, h: Hyperparameters): Promise<readonly RopeFrequencies[]> {
  const tensor = gguf.tensor("rope_freqs.weight");
  if (tensor === undefined) return h.ropes.map((rope) => ropeFrequencies(rope));
  const pairs = h.ropes[0]!.dimensions / 2;
  if (tensor.type !== "F32" || tensor.shape[0] !== pairs || tensor.bytes !== pairs * 4) {
    throw new GgufError("GGUF_TENSOR_SHAPE", `${tensor.type} (${tensor.shape.join(", ")}), expected F32 (${pairs})`, {
      subject: tensor.name,
    });
  }
  const bytes = await gguf.readTensor(tensor);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const factors = Float32Array.from({ length: pairs }, (_, i) => view.getFloat32(4 * i, true));
  if (!factors.every((factor) => factor > 0 && Number.isFinite(factor))) {
    throw new GgufError("GGUF_TENSOR_VALUE", "a factor is not a positive number", { subject: tensor.name });
  }
  return h.ropes.map((rope) => ropeFrequencies(rope, factors));
}

async function readTokenizer(gguf: Gguf, h: Hyperparameters, assets: URL | undefined): Promise<BackgroundTokenizer> {
  const text = await BackgroundTokenizer.from(gguf.metadata, assets);
  const { vocabularySize } = text.tokenizer;
  if (vocabularySize > h.vocab) {
    throw new GgufError(
      "GGUF_TENSOR_SHAPE",
      `the vocabulary has ${vocabularySize} tokens, the embedding ${h.vocab} rows`,
      { subject: "token_embd.weight" },
    );
  }
  return text;
}

/** In a browser only isolated pages have shared memory. */
function checkIsolation(): void {
  if (globalThis.crossOriginIsolated !== false) return;
  throw new UnsupportedError(
    "UNSUPPORTED_HOST",
    "this page is not cross-origin isolated, so it has no shared memory; serve it with Cross-Origin-Opener-Policy: same-origin " +
      "and Cross-Origin-Embedder-Policy: require-corp",
  );
}

function allocate(plan: MemoryPlan): WebAssembly.Memory {
  const pages = plan.total / 65536;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new MemoryError(
      "MEMORY_REFUSED",
      `the host refused ${plan.total} bytes of shared memory (weights ${plan.weights} + KV cache ${plan.kvCache} + activations ` +
        `${plan.activations} + scratch ${plan.scratch}); an address space limit (ulimit -v) is a common cause`,
      { cause },
    );
  }
}

/** Bytes of a model in memory that are copied before the event loop has its turn. */
const COPIED_AT_ONCE = 2 ** 22;

async function modelSource(gguf: Gguf, source: LoadSource): Promise<ModelSource> {
  const paths = gguf.parts.map((part) => part.path);
  if (paths.every((path) => path !== undefined)) return { kind: "files", paths };
  const part = new SharedArrayBuffer(gguf.parts[0]!.size);
  const bytes = new Uint8Array(part);
  for (let at = 0; at < part.byteLength; at += COPIED_AT_ONCE) {
    if (source instanceof Uint8Array) {
      bytes.set(source.subarray(at, at + COPIED_AT_ONCE), at);
      await giveWay();
    } else {
      bytes.set(new Uint8Array(await (source as Blob).slice(at, at + COPIED_AT_ONCE).arrayBuffer()), at);
    }
  }
  return { kind: "bytes", parts: [part] };
}

function watchProgress({ progress, layout }: Shard, report?: (fraction: number) => void) {
  if (report === undefined) return { stop: () => undefined };
  const total = layout.weights.reduce((sum, weight) => sum + weight.rows * weight.rowBytes, 0) / PROGRESS_UNIT;
  report(0);
  const timer = setInterval(() => report(Math.min(1, Atomics.load(progress, 0) / total)), 50);
  return { stop: () => clearInterval(timer) };
}
