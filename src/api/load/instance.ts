// One team with a model of its own memory: what `loadModel` starts once, and a pool several times.

import { abortable } from "../../abort.js";
import type { CriaError } from "../../errors.js";
import type { PinResult } from "../../machine/cpu/pin.js";
import type { Disturbance } from "../../machine/disturbance/disturbance.js";
import { Monitor } from "../../machine/disturbance/monitor.js";
import { METER_BYTES } from "../../machine/disturbance/step-meter.js";
import { setProcessors, takePlace } from "../../machine/gate-place.js";
import type { KernelModule } from "../../machine/kernels.js";
import { allocateBuffer } from "../../machine/shared-memory.js";
import { Team } from "../../machine/team.js";
import type { Blueprint } from "../../model/blueprint.js";
import type { ModelSource } from "../../model/plan/loading.js";
import { type Layout, PROGRESS_UNIT } from "../../model/plan/memory-plan.js";
import type { RopeFrequencies } from "../../model/plan/rope.js";
import { Shard } from "../../model/plan/shard.js";
import { LeaderClient } from "../../protocol/client.js";
import type { BoardNotice, LeaderAnswer } from "../../protocol/messages.js";
import type { Program } from "../../protocol/program.js";
import { workerEntry } from "../../protocol/worker-entry.js";
import { sharesMemory } from "../../sharing.js";
import { allocate, boardMemory } from "./host-memory.js";
import { readLora } from "./lora-files.js";
import { modelSource } from "./model-source.js";
import type { OpenedModel } from "./open-model.js";
import type { PlannedModel } from "./plan-model.js";
import { readRopes } from "./rope-factors.js";
import { whereWorkersRun } from "./worker-plan.js";

/** What all instances of a model are made of, besides their plans. It is read once. */
export interface InstanceParts {
  readonly kernels: KernelModule;
  readonly ropes: readonly RopeFrequencies[];
  readonly source: ModelSource;
  readonly lora: Program["lora"];
  readonly assets: URL | undefined;
  readonly draft: { readonly ropes: readonly RopeFrequencies[]; readonly source: ModelSource } | undefined;
}

/** Reads what the workers are given besides the weights, which they read themselves. */
export async function readParts(
  { gguf, source, kernels, draft }: OpenedModel,
  planned: PlannedModel,
  assets: URL | undefined,
): Promise<InstanceParts> {
  return {
    kernels,
    ropes: await readRopes(gguf, planned.hyperparameters, planned.contextSize),
    source: await modelSource(gguf, source),
    lora: await readLora(planned.lora, kernels),
    assets,
    draft: draft && {
      ropes: await readRopes(draft.gguf, planned.draft!.hyperparameters, planned.contextSize),
      source: await modelSource(draft.gguf, draft.source),
    },
  };
}

/** What the workers and saved sessions need to know of a plan. */
export function blueprintOf(
  { hyperparameters, layout, pool, states }: PlannedModel,
  ropes: readonly RopeFrequencies[],
): Blueprint {
  return { hyperparameters, layout, pool, states, ropeMagnitudes: ropes.map(({ magnitude }) => magnitude) };
}

/** How an instance is waited for. */
interface Loading {
  readonly signal: AbortSignal | undefined;
  /** Told the fraction loaded, about twenty times a second. */
  readonly onProgress: ((fraction: number) => void) | undefined;
}

/** Who hears of what happens to an instance. */
export interface InstanceEvents {
  /** Called once if the team is lost, after its calls were rejected. */
  readonly onDeath?: (error: CriaError) => void;
  readonly onDisturbance: ((disturbance: Disturbance) => void) | undefined;
}

export class Instance {
  readonly client: LeaderClient;
  readonly team: Team;
  /** The first shard. Where threads share no memory, a copy of its beginning, up to the step. */
  readonly board: Shard;
  readonly monitor: Monitor;
  /** What the workers load. */
  readonly #loaded: readonly Layout[];

  private constructor(
    client: LeaderClient,
    team: Team,
    board: Shard,
    monitor: Monitor,
    { layout, draft }: Pick<PlannedModel, "layout" | "draft">,
  ) {
    this.client = client;
    this.team = team;
    this.board = board;
    this.monitor = monitor;
    this.#loaded = draft === undefined ? [layout] : [layout, draft.layout];
  }

  /**
   * Allocates the memory, and starts the workers, which begin to load.
   */
  static async start(
    { kernels, ropes, source, lora, assets, draft }: InstanceParts,
    planned: PlannedModel,
    { onDeath, onDisturbance }: InstanceEvents,
  ): Promise<Instance> {
    const { layout, workers } = planned;
    const memories = allocate(planned.plan);
    const board = new Shard(boardMemory(memories, layout), layout, 0);
    const drafting = planned.draft;
    const meter = allocateBuffer(METER_BYTES, "a meter");
    const monitor: Monitor = new Monitor({
      ...{ meter, tokenBytes: planned.tokenBytes, onDisturbance },
      isBusy: () => client.isBusy,
    });
    const client: LeaderClient = new LeaderClient(board.aborts, () => monitor.wake(), sharesMemory());
    const program: Program = {
      blueprint: blueprintOf(planned, ropes),
      memories,
      head: planned.head,
      frequencies: ropes.map(({ frequencies }) => frequencies),
      source,
      lora,
      contextSize: planned.contextSize,
      meter,
      decodeWorkers: workers.decodeWorkers,
      batchWorkers: workers.threadsBatch,
      batchRows: workers.batchRows,
      draft: draft && {
        blueprint: blueprintOf(drafting!, draft.ropes),
        memories: allocate(drafting!.plan),
        frequencies: draft.ropes.map(({ frequencies }) => frequencies),
        source: draft.source,
      },
    };
    const gate = await takePlace(workers.allowed);
    const team = await Team.start({
      entry: workerEntry(assets),
      module: kernels.module,
      wide: kernels.wide,
      memory: board.memory,
      control: layout.control,
      workers: workers.workers,
      regulars: Math.min(workers.decodeWorkers, workers.threadsBatch),
      cpus: workers.cpus,
      pins: workers.pin?.pins,
      gate,
      program,
      onMessage: (_, message) => {
        if (Array.isArray(message)) return client.receive(message as readonly LeaderAnswer[]);
        const { words, meter: read } = message as BoardNotice;
        board.bytes.set(words);
        new Uint8Array(meter).set(read);
      },
      onDeath: (error) => {
        monitor.close();
        client.end(error);
        onDeath?.(error);
      },
    });
    if (gate !== undefined) {
      void team.pinned.then((results) => setProcessors(gate, whereWorkersRun(workers, results)));
    }
    return new Instance(client, team, board, monitor, planned);
  }

  /** Waits until the workers have loaded the model. Returns the outcome of pinning them. @throws what ends the loading */
  async loaded({ signal, onProgress }: Loading): Promise<readonly PinResult[]> {
    const watch = watchProgress(this.board, this.#loaded, onProgress);
    try {
      const ready = Promise.all([this.team.pinned, this.client.ready(this.team)]);
      const [pinned] = await Promise.race([abortable(ready, signal), watch.failed]);
      onProgress?.(1);
      return pinned;
    } finally {
      watch.stop();
    }
  }

  /** Ends the workers, and rejects all calls with `reason`. */
  async close(reason: CriaError): Promise<void> {
    this.monitor.close();
    this.client.end(reason);
    await this.team.close();
  }
}

/** Tells how far the workers have come with these models. What `report` throws is what `failed` rejects with. */
function watchProgress(
  { progress }: Shard,
  layouts: readonly Layout[],
  report: ((fraction: number) => void) | undefined,
) {
  let timer: ReturnType<typeof setInterval> | undefined;
  const stop = () => clearInterval(timer);
  const failed = new Promise<never>((_, reject) => {
    if (report === undefined) return;
    const loaded = layouts.flatMap(({ weights }) => weights.filter(({ role }) => role !== "table"));
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
