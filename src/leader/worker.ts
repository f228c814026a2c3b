// A worker's entry. All workers load the model together; then the leader serves requests, and the followers wait for steps.

import { CriaError } from "../errors.js";
import { pinThread } from "../machine/cpu/pin.js";
import { BarrierClock, tellThread } from "../machine/disturbance/step-meter.js";
import { instantiateKernels } from "../machine/kernels.js";
import { Member, type Membership, StepAborted, TeamPoisoned } from "../machine/member.js";
import { allocateMemory } from "../machine/shared-memory.js";
import type { DeathNotice, PinNotice, WorkerData } from "../machine/team.js";
import { architectureOf } from "../model/architectures/table.js";
import { Pass } from "../model/pass.js";
import { alibiSlopes } from "../model/plan/alibi.js";
import { loadShare } from "../model/plan/loading.js";
import { ropeBytes } from "../model/plan/memory-plan.js";
import { WorkerShard } from "../model/plan/shard.js";
import { type PostedError, posted } from "../posted-error.js";
import type { Program } from "../protocol/program.js";
import { type ParentPort, workerStart } from "../worker-handle.js";
import { BoardCopy } from "./board-copy.js";
import { Leader } from "./leader.js";
import { TableReader } from "./table-reader.js";

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
  const { blueprint } = program;
  const { hyperparameters, layout } = blueprint;
  const shards = memories.map((memory, index) => {
    const kernels = index === 0 ? member.kernels : instantiateKernels(module, memory, wide);
    return new WorkerShard(memory, layout, index, kernels, member.index);
  });
  const isAlone = program.memories.every((one) => typeof one === "number");
  const board = isAlone ? new BoardCopy(shards[0]!, program.meter, parent) : undefined;
  const port = board ?? parent;
  let tables: TableReader | undefined;
  try {
    await loadShare(member, shards, program, program.decodeWorkers, () => board?.post());
    if (member.index === 0) tables = await TableReader.open(shards, program.source);
  } catch (error) {
    leave(error, error instanceof CriaError ? posted(error) : undefined);
    return;
  }
  program.lora = undefined;
  await tellThread(program.meter, member.index);
  if (member.index === 0) {
    for (const [rope, frequencies] of program.frequencies.entries()) {
      const address = layout.frequencies + rope * ropeBytes(hyperparameters);
      for (const shard of shards) shard.doubles(address, frequencies.length).set(frequencies);
    }
    if (hyperparameters.alibi) {
      const slopes = alibiSlopes(hyperparameters.heads);
      for (const shard of shards) shard.floats(layout.slopes, slopes.length).set(slopes);
    }
  }
  if (member.index === 0 && hyperparameters.attention.some(({ valueNorm }) => valueNorm)) {
    for (const shard of shards) shard.floats(layout.ones, hyperparameters.headDim).fill(1);
  }
  member.barrier();

  const pass = new Pass(member, shards, blueprint);
  const { forward } = architectureOf(hyperparameters.architecture);
  if (member.index === 0) {
    new Leader(member, shards, () => forward(pass), program, port, leave, tables).start();
    return;
  }
  const clock = new BarrierClock(program.meter, member.index);
  for (;;) {
    member.awaitStep();
    try {
      member.timesBarriers = clock.next();
      if (member.timesBarriers) timed(member, clock, () => forward(pass));
      else forward(pass);
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

/** Ends a worker that cannot go on. `wrong`: the model is at fault, and the worker is not. */
type Leave = (error: unknown, wrong?: PostedError) => void;

/** A worker that cannot go on takes the team with it, and says why. */
function leaver(member: Member, port: ParentPort): Leave {
  return (error, wrong) => {
    if (error instanceof TeamPoisoned) return; // another worker was first, and has said why
    member.poison();
    const message = error instanceof Error ? error.message : String(error);
    port.postMessage({ type: "death", message, error: wrong } satisfies DeathNotice);
  };
}
