// A lab worker's entry: times one kernel at a time, all workers of the team together, each on its part of the shape and in a memory of
// its own. What is timed goes through shared memory, because only the leader gets messages.

import type { KernelBuild } from "../machine/kernels.js";
import { Member, TeamPoisoned } from "../machine/member.js";
import type { DeathNotice, WorkerData } from "../machine/team.js";
import { workerStart } from "../worker-handle.js";
import { Blackboard, type Task, type Timing } from "./blackboard.js";
import type { PreparedCase } from "./kernels/declaration.js";
import { KernelLab } from "./kernels/index.js";
import { type KernelCase, kernelRows } from "./kernels/table.js";

// A kernel runs this long before it is timed: V8 optimises it only after it has run for a while.
const WARM_UP_MILLISECONDS = 100;
// A repetition takes at least this long, so that barriers and clocks do not count.
const REPETITION_MILLISECONDS = 2;

/** This worker's part of a case; undefined where there are more workers than parts. */
interface Prepared {
  readonly part: PreparedCase | undefined;
  /** Of the first run; NaN: nothing to compare with. */
  readonly error: number;
  warm: boolean;
}

const { data, port } = await workerStart();
const { membership, program } = data as WorkerData;
const member = new Member(membership);
const lab = new KernelLab({ ...membership, ...(program as { build: KernelBuild }) });
const board = new Blackboard(membership.memory);
// The limits are measured again and again, between the runs of the kernel that is compared with them.
const limits = new Map<string, Prepared>();
let latest: { readonly key: string; readonly prepared: Prepared } | undefined;

if (member.index === 0) {
  port.onMessage((message) => {
    try {
      for (const task of message as readonly Task[]) {
        board.task = task;
        member.announceStep(member.workers);
        port.postMessage(perform());
      }
    } catch (error) {
      leave(error);
    }
  });
} else {
  try {
    for (;;) {
      member.awaitStep();
      perform();
    }
  } catch (error) {
    leave(error);
  }
}

function perform(): Timing {
  const { case: what, repetitions } = board.task;
  const prepared = recall(what);
  const { part, error } = prepared;
  board.report(member.index, part?.bytes ?? 0, part?.operations ?? 0, error);
  const run = part === undefined ? () => undefined : () => part.run();
  if (!prepared.warm) {
    for (const end = performance.now() + WARM_UP_MILLISECONDS; performance.now() < end; ) run();
    prepared.warm = true;
  }
  member.barrier();
  if (member.index === 0) {
    const begin = performance.now();
    run();
    board.calls = Math.ceil(REPETITION_MILLISECONDS / Math.max(1e-4, performance.now() - begin));
  }
  member.barrier();
  const { calls } = board;
  const seconds: number[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    member.barrier();
    const begin = performance.now();
    for (let call = 0; call < calls; call++) run();
    member.barrier();
    seconds.push((performance.now() - begin) / 1000 / calls);
  }
  return { seconds, ...board.total(member.workers) };
}

function recall(what: KernelCase): Prepared {
  const key = JSON.stringify(what);
  const isLimit = what.kernel === "read" || what.kernel === "peak";
  const known = isLimit ? limits.get(key) : latest?.key === key ? latest.prepared : undefined;
  if (known !== undefined) return known;
  const prepared = prepare(what);
  if (isLimit) limits.set(key, prepared);
  else latest = { key, prepared };
  return prepared;
}

function prepare({ kernel, format, shape }: KernelCase): Prepared {
  const row = kernelRows[kernel];
  const share = row.share(shape, member.index, member.workers);
  if (share === undefined) return { part: undefined, error: Number.NaN, warm: true };
  const part = row.prepare(lab, format, share);
  part.run();
  return { part, error: part.error?.() ?? Number.NaN, warm: false };
}

/** A worker that cannot go on takes the team with it, and says why. */
function leave(error: unknown): void {
  if (error instanceof TeamPoisoned) return; // another worker was first, and has said why
  member.poison();
  const notice: DeathNotice = { type: "death", message: error instanceof Error ? error.message : String(error) };
  port.postMessage(notice);
}
