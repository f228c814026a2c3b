// loadModel: from a file to a model that answers. Reads the header, plans the memory, starts the team, and waits while the workers load.

import { abortable } from "../../abort.js";
import { CriaError } from "../../errors.js";
import { giveWay } from "../../event-loop.js";
import { type Gguf, openGguf } from "../../gguf/index.js";
import { downloadModel, isRemote } from "../../hub/index.js";
import { availableMemory } from "../../machine/cpu/available-memory.js";
import { hugeBytesOf } from "../../machine/cpu/huge-pages.js";
import type { GatePlace } from "../../machine/gate.js";
import { setProcessors, takePlace } from "../../machine/gate-place.js";
import { type KernelModule, kernelChoices, kernelNameOf } from "../../machine/kernels.js";
import { loadKernels } from "../../machine/load-kernels.js";
import { Team } from "../../machine/team.js";
import type { Lora } from "../../model/plan/lora.js";
import { PROGRESS_UNIT } from "../../model/plan/memory-plan.js";
import { Shard } from "../../model/plan/shard.js";
import { checkBoolean, checkCallback, checkChoice, checkFolderUrl, checkSignal, optionsOf } from "../../options.js";
import { LeaderClient } from "../../protocol/client.js";
import type { LeaderAnswer } from "../../protocol/messages.js";
import type { Program } from "../../protocol/program.js";
import { workerEntry } from "../../protocol/worker-entry.js";
import { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";
import { Model } from "../model.js";
import { Sessions } from "../sequences/sessions.js";
import { pairFormatOf } from "../vectors/reranking.js";
import { describe } from "./describe.js";
import { allocate, checkByteOrder, checkIsolation } from "./host-memory.js";
import { type LoadOptions, type LoadSource, loadOptionNames } from "./load-options.js";
import { checkLora, closeLoras, openLoras, readLora } from "./lora-files.js";
import { checkMemory } from "./memory-check.js";
import { bytesOf, copiedBytesOf, modelSource } from "./model-source.js";
import { type PlannedModel, planModel } from "./plan-model.js";
import { readTokenizer } from "./read-tokenizer.js";
import { readRopes } from "./rope-factors.js";
import { reportPinning, whereWorkersRun } from "./worker-plan.js";

/**
 * Loads a GGUF model and starts the workers that run it.
 *
 * @throws GgufError when the file is not a well-formed model, UnsupportedError when it is one that cria does not run, MemoryError when
 * it does not fit, WorkerError when a worker fails, DownloadError when it cannot be brought from the network, CriaError INVALID_OPTION,
 * or the signal's reason
 */
export async function loadModel(source: LoadSource, given: LoadOptions = {}): Promise<Model> {
  const options = optionsOf("loadModel", given, loadOptionNames);
  const { signal } = options;
  checkSignal(signal);
  checkCallback("onProgress", options.onProgress);
  checkCallback("onDownload", options.onDownload);
  if (options.offline !== undefined) checkBoolean("offline", options.offline);
  if (options.ignoreMemory !== undefined) checkBoolean("ignoreMemory", options.ignoreMemory);
  checkFolderUrl("assets", options.assets);
  if (options.kernels !== undefined) checkChoice("kernels", options.kernels, kernelChoices);
  const adapters = checkLora(options.lora);
  signal?.throwIfAborted();
  checkIsolation();
  checkByteOrder();
  const { offline, onDownload } = options;
  const local = isRemote(source) ? await downloadModel(source, { offline, onProgress: onDownload, signal }) : source;
  const begin = performance.now();
  // It starts while this thread reads the header, because the processors are idle then.
  if ((await bytesOf(local)) >= LARGE_MODEL) BackgroundTokenizer.prepare(options.assets);
  const kernels = await abortable(loadKernels(options.assets, options.kernels), signal);
  const gguf = await openGguf(local);
  let loras: readonly Lora[] = [];
  try {
    loras = await openLoras(adapters, options);
    return await loadOpened(gguf, local, loras, options, kernels, begin);
  } finally {
    await Promise.all([gguf.close(), closeLoras(loras)]);
  }
}

/** A model of this many bytes most likely has a vocabulary so large that the text worker makes its tables. */
const LARGE_MODEL = 2 ** 26;

async function loadOpened(
  gguf: Gguf,
  source: LoadSource,
  loras: readonly Lora[],
  options: LoadOptions,
  kernels: KernelModule,
  begin: number,
): Promise<Model> {
  const { signal, onProgress } = options;
  const planned = await planModel(gguf, options, kernels, loras);
  if (options.ignoreMemory !== true) {
    checkMemory(planned, await availableMemory(), copiedBytesOf(gguf) + planned.lora.bytes);
  }
  // While the workers read, the text worker makes the tokenizer's tables.
  const reading = readTokenizer(gguf, planned.hyperparameters, options.assets);
  reading.catch(() => undefined); // something else may fail before this is awaited
  const ropes = await readRopes(gguf, planned.hyperparameters, planned.contextSize);
  await giveWay(); // the header is read, and starting many workers holds this thread again
  const shards = allocate(planned.plan).map((memory, index) => new Shard(memory, planned.layout, index));
  const [first] = shards;
  const client = new LeaderClient(first!.aborts);
  const program: Program = {
    blueprint: {
      hyperparameters: planned.hyperparameters,
      layout: planned.layout,
      pool: planned.pool,
      states: planned.states,
      ropeMagnitudes: ropes.map(({ magnitude }) => magnitude),
    },
    memories: shards.map(({ memory }) => memory),
    head: planned.head,
    frequencies: ropes.map(({ frequencies }) => frequencies),
    source: await modelSource(gguf, source),
    lora: await readLora(planned.lora, kernels),
    contextSize: planned.contextSize,
    decodeWorkers: planned.workers.decodeWorkers,
    batchWorkers: planned.workers.threadsBatch,
    batchRows: planned.workers.batchRows,
  };
  signal?.throwIfAborted();
  const gate = await takePlace(planned.workers.allowed);
  const team = await startTeam(planned, first!, client, program, kernels, gate, options.assets);
  const watch = watchProgress(first!, onProgress);
  try {
    // When one of them fails, all end.
    const [text, [pinned]] = await Promise.race([
      Promise.all([reading, abortable(Promise.all([team.pinned, client.ready(team)]), signal)]),
      watch.failed,
    ]);
    if (gate !== undefined) setProcessors(gate, whereWorkersRun(planned.workers, pinned));
    onProgress?.(1);
    return new Model({
      client,
      team,
      shard: first!,
      text,
      chatTemplate: gguf.metadata.getString("tokenizer.chat_template"),
      assets: options.assets,
      pairFormat: pairFormatOf(gguf.metadata, planned.head),
      sessions: new Sessions({
        client,
        shards,
        blueprint: program.blueprint,
        frequencies: program.frequencies,
        contextSize: planned.contextSize,
        kernels: kernels.build,
        kvCache: planned.kvCache,
      }),
      contextSize: planned.contextSize,
      loadMilliseconds: performance.now() - begin,
      info: describe(gguf, planned, loras, text.tokenizer, {
        kernels: kernelNameOf(kernels),
        kernelsProblem: kernels.problem,
        pinning: reportPinning(planned.workers, pinned),
        hugePageBytes: await hugeBytesOf(planned.plan.shards.map(({ total }) => total)),
      }),
    });
  } catch (error) {
    client.end(new CriaError("DISPOSED", "the model was not loaded"));
    await team.close();
    throw error;
  } finally {
    watch.stop();
  }
}

function startTeam(
  { layout, workers }: PlannedModel,
  { memory }: Shard,
  client: LeaderClient,
  program: Program,
  { module, wide }: KernelModule,
  gate: GatePlace | undefined,
  assets: URL | undefined,
): Promise<Team> {
  return Team.start({
    entry: workerEntry(assets),
    module,
    wide,
    memory,
    control: layout.control,
    workers: workers.workers,
    regulars: Math.min(workers.decodeWorkers, workers.threadsBatch),
    cpus: workers.cpus,
    pins: workers.pin?.pins,
    gate,
    program,
    onMessage: (_, message) => client.receive(message as readonly LeaderAnswer[]),
    onDeath: (error) => client.end(error),
  });
}

/** Tells how far the workers have come. What `report` throws is what `failed` rejects with. */
function watchProgress({ progress, layout }: Shard, report?: (fraction: number) => void) {
  let timer: ReturnType<typeof setInterval> | undefined;
  const stop = () => clearInterval(timer);
  const failed = new Promise<never>((_, reject) => {
    if (report === undefined) return;
    const loaded = layout.weights.filter(({ role }) => role !== "table");
    const bytes = loaded.map(({ rows, rowBytes, encodedFrom }) => rows * (encodedFrom?.rowBytes ?? rowBytes));
    const total = bytes.reduce((sum, one) => sum + one, 0) / PROGRESS_UNIT;
    const tell = () => {
      try {
        report(Math.min(1, Atomics.load(progress, 0) / total));
      } catch (error) {
        stop();
        reject(error);
      }
    };
    timer = setInterval(tell, 50);
    tell();
  });
  failed.catch(() => undefined); // the load may have ended before
  return { failed, stop };
}
