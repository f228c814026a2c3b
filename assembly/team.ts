// The team: what joins workers that run the same program over one shared memory. A barrier that spins, then sleeps; the
// step counter on which followers wait; tickets for work that is shared out as it is taken; poison, which ends it all.
//
// Every worker instantiates this module over the same memory, so the globals below are per worker.
//
// Cost: a barrier of workers that arrive together is two contended cache lines (arrived, phase): some 100 to 500 ns.
// A worker that spins too long sleeps in memory.atomic.wait32 and costs its waker a system call.

import {
  BARRIER_POISON,
  TEAM_ARRIVED,
  TEAM_DECISION,
  TEAM_IDLE,
  TEAM_PHASE,
  TEAM_POISON,
  TEAM_SLEEPERS,
  TEAM_SPIN,
  TEAM_STEP,
  TEAM_TICKETS,
} from "./abi";

/** Bytes of the control block; this worker's index; workers in the team; barriers that this worker has passed. */
let control: usize = 0;
let self: i32 = 0;
let size: i32 = 1;
let phase: i32 = 0;

// Nobody sleeps longer than this without looking at the poison again.
// @ts-ignore: decorator
@inline const NAP: i64 = 200_000_000; // ns

/** Joins the team whose control block lies at `block`, as worker `index` of `workers`. Worker 0 is the leader. */
export function teamJoin(block: usize, index: i32, workers: i32): void {
  control = block;
  self = index;
  size = workers;
  phase = atomic.load<i32>(block, TEAM_PHASE);
}

/**
 * Waits until every worker of the team is here. The leader's `vote` becomes the answer of every worker: it is written
 * before the leader arrives, in a word that alternates so that the next vote cannot overtake a slow reader of this one.
 */
export function barrier(vote: i32): i32 {
  const here = phase;
  const next = here + 1;
  phase = next;
  const decision = control + TEAM_DECISION + ((here & 1) << 2);
  if (self == 0) atomic.store<i32>(decision, vote);
  if (size == 1) {
    atomic.store<i32>(control, next, TEAM_PHASE);
    return atomic.load<i32>(control, TEAM_POISON) != 0 ? BARRIER_POISON : vote;
  }
  // Pairs with the load of `phase` below: whoever sees the new phase sees all that the team wrote before it.
  if (atomic.add<i32>(control, 1, TEAM_ARRIVED) == size - 1) {
    atomic.store<i32>(control, 0, TEAM_ARRIVED);
    atomic.store<i32>(control, next, TEAM_PHASE);
    // A sleeper counts itself before it compares `phase`, so either it sees the new phase or it is seen here.
    if (atomic.load<i32>(control, TEAM_SLEEPERS) != 0) atomic.notify(control + TEAM_PHASE, -1);
  } else {
    let looks = atomic.load<i32>(control, TEAM_SPIN);
    while (atomic.load<i32>(control, TEAM_PHASE) == here) {
      if (--looks < 0) {
        sleepAtBarrier(here);
        break;
      }
    }
  }
  if (atomic.load<i32>(control, TEAM_POISON) != 0) return BARRIER_POISON;
  return atomic.load<i32>(decision);
}

function sleepAtBarrier(here: i32): void {
  atomic.add<i32>(control, 1, TEAM_SLEEPERS);
  while (atomic.load<i32>(control, TEAM_PHASE) == here) {
    if (atomic.load<i32>(control, TEAM_POISON) != 0) break;
    atomic.wait<i32>(control + TEAM_PHASE, here, NAP);
  }
  atomic.sub<i32>(control, 1, TEAM_SLEEPERS);
}

/** The leader announces a step: what it wrote before is seen by whoever returns from `awaitStep`. */
export function announceStep(): void {
  atomic.add<i32>(control, 1, TEAM_STEP);
  if (atomic.load<i32>(control, TEAM_IDLE) != 0) atomic.notify(control + TEAM_STEP, -1);
}

/** A follower waits for a step after `last`; returns its number, or -1 when the team is poisoned. */
export function awaitStep(last: i32): i32 {
  let looks = atomic.load<i32>(control, TEAM_SPIN);
  for (;;) {
    const now = atomic.load<i32>(control, TEAM_STEP);
    if (now != last) return now;
    if (--looks < 0) break;
  }
  atomic.add<i32>(control, 1, TEAM_IDLE);
  let now = last;
  for (;;) {
    if (atomic.load<i32>(control, TEAM_POISON) != 0) {
      now = -1;
      break;
    }
    now = atomic.load<i32>(control, TEAM_STEP);
    if (now != last) break;
    atomic.wait<i32>(control + TEAM_STEP, last, NAP);
  }
  atomic.sub<i32>(control, 1, TEAM_IDLE);
  return now;
}

/** Takes the next ticket of a cell: 0, 1, 2, ... */
export function ticket(cell: i32): i32 {
  return atomic.add<i32>(control + TEAM_TICKETS + (<usize>cell << 6), 1);
}

/** Puts a cell back to 0. Only where a barrier lies between this and both the last and the next use of the cell. */
export function resetTickets(cell: i32): void {
  atomic.store<i32>(control + TEAM_TICKETS + (<usize>cell << 6), 0);
}
