// A worker's entry. All workers load the model together; then the leader serves requests, and the followers wait for steps.

import { CriaError } from "../errors.js";
import { pinThread } from "../machine/cpu/pin.js";
import { BarrierClock, tellThread } from "../machine/disturbance/step-meter.js";
import { instantiateKernels } from "../machine/kernels.js";
import { Member, type Membership, StepAborted, TeamPoisoned } from "../machine/member.js";
import { allocateMemory } from "../machine/shared-memory.js";
import type { DeathNotice, PinNotice, WorkerData } from "../machine/team.js";
import { architectureOf } from "../model/architectures/table.js";
import type { Blueprint } from "../model/blueprint.js";
import { Pass } from "../model/pass.js";
import { alibiSlopes } from "../model/plan/alibi.js";
import { type LoadWatch, loadShare } from "../model/plan/loading.js";
import { ropeBytes } from "../model/plan/memory-plan.js";
import { WorkerShard } from "../model/plan/shard.js";
import { Step } from "../model/step.js";
import { type PostedError, posted } from "../posted-error.js";
import type { Program } from "../protocol/program.js";
import { type ParentPort, workerStart } from "../worker-handle.js";
import { BoardCopy } from "./board-copy.js";
import { Leader } from "./leader.js";
import { TableReader } from "./table-reader.js";
import type { TeamModel } from "./team-model.js";

void begin();

// There is no `await` at the top level: bundlers copy this file as it is, and some hosts then read it as a script.
async function begin(): Promise<void> {
  const { data, port } = await workerStart();
  const { membership, pin, program } = data as WorkerData & { readonly program: Program };
  // This comes first, so that memory that this worker is the first to touch lies near its processor.
  if (pin !== undefined) port.postMessage({ type: "pin", ...(await pinThread(pin)) } satisfies PinNotice);
  let memories: readonly WebAssembly.Memory[];
  try {
    memories = program.memories.map(memoryOf);
  } catch (error) {
    const { message } = error as CriaError;
    port.postMessage({ type: "death", message, error: posted(error as CriaError) } satisfies DeathNotice);
    return;
  }
  const member = new Member({ ...membership, memory: memories[0]! });
  const leave = leaver(member, port);
  try {
    await work(member, membership, memories, program, port, leave);
  } catch (error) {
    leave(error);
  }
}

/** A memory of the team, or one that this worker, which is alone, makes for itself. @throws MemoryError MEMORY_REFUSED */
function memoryOf(given: WebAssembly.Memory | number): WebAssembly.Memory {
  return typeof given === "number" ? allocateMemory(given, "a model", false) : given;
}

async function work(
  member: Member,
  { module, wide }: Membership,
  memories: readonly WebAssembly.Memory[],
  program: Program,
  parent: ParentPort,
  leave: Leave,
): Promise<void> {
  const { decodeWorkers } = program;
  const isAlone = program.memories.every((one) => typeof one === "number");
  let port = parent;
  let model: TeamModel;
  let draft: TeamModel | undefined;
  try {
    const shards = shardsOf(member, program, memories, { module, wide });
    const board = isAlone ? new BoardCopy(shards[0]!, program.meter, parent) : undefined;
    port = board ?? parent;
    const watch = { progress: shards[0]!.progress, onPiece: () => board?.post() };
    model = await load(member, program, shards, decodeWorkers, watch);
    if (program.draft !== undefined) {
      const ofDraft = shardsOf(member, program.draft, program.draft.memories.map(memoryOf), { module, wide });
      member.barrier(); // its tickets are none of the model's
      draft = await load(member, { ...program.draft, lora: undefined }, ofDraft, decodeWorkers, watch);
    }
  } catch (error) {
    if (error instanceof TeamPoisoned) throw error;
    leave(error, error instanceof CriaError ? posted(error) : undefined);
    return;
  }
  program.lora = undefined;
  await tellThread(program.meter, member.index);
  member.barrier();

  if (member.index === 0) {
    new Leader(member, model, program, port, leave, draft).start();
    return;
  }
  const clock = new BarrierClock(program.meter, member.index);
  const step = new Step(model.shards[0]!.step);
  for (;;) {
    member.awaitStep();
    try {
      // Where the leader has written a step without rows, it is the draft model's.
      const { forward } = step.rows === 0 ? draft! : model;
      member.timesBarriers = clock.next();
      if (member.timesBarriers) timed(member, clock, forward);
      else forward();
    } catch (error) {
      if (!(error instanceof StepAborted)) throw error;
    }
  }
}

/** Runs a step, and writes down how long this worker waited in it for the others. */
function timed(member: Member, clock: BarrierClock, step: () => void): void {
  member.barrierMilliseconds = 0;
  const begin = performance.now();
  step();
  clock.add({ sampled: performance.now() - begin, atBarriers: member.barrierMilliseconds });
}

/** The shards of a model as this worker sees them. */
function shardsOf(
  member: Member,
  { blueprint }: Pick<Program, "blueprint">,
  memories: readonly WebAssembly.Memory[],
  { module, wide }: Pick<Membership, "module" | "wide">,
): readonly WorkerShard[] {
  return memories.map((memory, index) => {
    const kernels = memory === member.memory ? member.kernels : instantiateKernels(module, memory, wide);
    return new WorkerShard(memory, blueprint.layout, index, kernels, member.index);
  });
}

/** Loads this worker's part of a model. The caller lets the others come to a barrier before the model is used. */
async function load(
  member: Member,
  program: Pick<Program, "blueprint" | "frequencies" | "source" | "lora">,
  shards: readonly WorkerShard[],
  decodeWorkers: number,
  watch: LoadWatch,
): Promise<TeamModel> {
  const { blueprint, frequencies } = program;
  await loadShare(member, shards, program, decodeWorkers, watch);
  const isLeader = member.index === 0;
  if (isLeader) writeConstants(shards, blueprint, frequencies);
  const pass = new Pass(member, shards, blueprint);
  const { forward } = architectureOf(blueprint.hyperparameters.architecture);
  return {
    shards,
    forward: () => forward(pass),
    tables: isLeader ? await TableReader.open(shards, program.source) : undefined,
  };
}

/** What the forward pass reads besides weights. */
function writeConstants(
  shards: readonly WorkerShard[],
  { hyperparameters, layout }: Blueprint,
  frequencies: readonly Float64Array[],
): void {
  for (const [rope, each] of frequencies.entries()) {
    const address = layout.frequencies + rope * ropeBytes(hyperparameters);
    for (const shard of shards) shard.doubles(address, each.length).set(each);
  }
  if (hyperparameters.alibi) {
    const slopes = alibiSlopes(hyperparameters.heads);
    for (const shard of shards) shard.floats(layout.slopes, slopes.length).set(slopes);
  }
  if (hyperparameters.attention.some(({ valueNorm }) => valueNorm)) {
    for (const shard of shards) shard.floats(layout.ones, hyperparameters.headDim).fill(1);
  }
}

/** Ends a worker that cannot go on. `wrong`: the model is at fault, and the worker is not. */
type Leave = (error: unknown, wrong?: PostedError) => void;

/** A worker that cannot go on takes the team with it, and says why. */
function leaver(member: Member, port: ParentPort): Leave {
  return (error, wrong) => {
    if (error instanceof TeamPoisoned) return; // another worker was first, and has said why
    member.poison();
    const message = error instanceof Error ? error.message : String(error);
    port.postMessage({ type: "death", message, op: member.op, error: wrong } satisfies DeathNotice);
  };
}
