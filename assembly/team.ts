// The team joins workers that run the same program over one shared memory. It has a barrier that spins, then sleeps; the step counter
// on which followers wait; tickets, by which workers take pieces of work, their own first; and poison, which ends it all.
//
// A step may need fewer workers than there are. The first ones, the regulars, take part in every step; the others, the reserves, only
// in steps that are announced to all. They sleep through the others, on a counter of their own.
//
// Every worker instantiates this module over the same memory, so the globals below are per worker.
//
// Cost: a barrier of workers that arrive together is two contended cache lines (arrived, phase), some 100 to 500 ns.
// A worker that spins too long sleeps in memory.atomic.wait32 and costs its waker a system call.

import {
  BARRIER_POISON,
  TEAM_ARRIVED,
  TEAM_CPUS,
  TEAM_DECISION,
  TEAM_FULL_IDLE,
  TEAM_FULL_STEP,
  TEAM_IDLE,
  TEAM_PHASE,
  TEAM_POISON,
  TEAM_SLEEPERS,
  TEAM_SPIN,
  TEAM_STEP,
  TEAM_WORKER,
  TEAM_WORKER_BYTES,
  TEAM_WORKERS,
  TICKET_BYTES,
  TICKETS,
} from "./abi";

/** The control block; this worker's index; workers in the team; those in the current step; barriers that are complete. */
let control: usize = 0;
let self: i32 = 0;
let all: i32 = 1;
let size: i32 = 1;
let phase: i32 = 0;
/** How often this worker looks, in the current step, before it sleeps. */
let patience: i32 = 0;
/** Where this worker waits for a step, and counts itself when it sleeps. */
let stepWord: usize = 0;
let idleWord: usize = 0;

// Where there are more workers than processors, a worker that keeps looking keeps the others from arriving.
@inline const CROWDED_LOOKS = 50;

// No worker sleeps longer than this without looking at the poison again.
@inline const NAP: i64 = 200_000_000; // ns

/**
 * Joins the team whose control block lies at `block`, as worker `index` of `workers`. The first `regulars` of them take part in every
 * step. Worker 0 is the leader.
 */
export function teamJoin(block: usize, index: i32, workers: i32, regulars: i32): void {
  control = block;
  self = index;
  all = workers;
  setSize(workers);
  stepWord = block + (index < regulars ? TEAM_STEP : TEAM_FULL_STEP);
  idleWord = block + (index < regulars ? TEAM_IDLE : TEAM_FULL_IDLE);
  phase = atomic.load<i32>(block, TEAM_PHASE);
}

function setSize(workers: i32): void {
  const cpus = atomic.load<i32>(control, TEAM_CPUS);
  const spin = atomic.load<i32>(control, TEAM_SPIN);
  size = workers;
  patience = cpus != 0 && workers > cpus && spin > CROWDED_LOOKS ? CROWDED_LOOKS : spin;
}

/**
 * Waits until every worker of the step is here. Returns the leader's `vote` to every worker: it is written before the leader arrives, in
 * two words by turns, so that the next vote cannot overtake a slow reader of this one.
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
    // A sleeper counts itself before it compares `phase`, so either it sees the new phase or this worker sees it.
    if (atomic.load<i32>(control, TEAM_SLEEPERS) != 0) atomic.notify(control + TEAM_PHASE, -1);
  } else {
    let looks = patience;
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

/**
 * The leader announces a step for the first `workers` workers: the regulars, or all. Whoever returns from `awaitStep` sees what it wrote
 * before. All tickets are back at 0.
 */
export function announceStep(workers: i32): void {
  setSize(workers);
  atomic.store<i32>(control, workers, TEAM_WORKERS);
  for (let worker = 0; worker < workers; worker++) {
    for (let cell = 0; cell < TICKETS; cell++) atomic.store<i32>(ticketWord(cell, worker), 0);
  }
  atomic.add<i32>(control, 1, TEAM_STEP);
  if (atomic.load<i32>(control, TEAM_IDLE) != 0) atomic.notify(control + TEAM_STEP, -1);
  if (workers < all) return;
  atomic.add<i32>(control, 1, TEAM_FULL_STEP);
  if (atomic.load<i32>(control, TEAM_FULL_IDLE) != 0) atomic.notify(control + TEAM_FULL_STEP, -1);
}

/** A follower waits for its next step, after `last`; returns its number, or -1 when the team is poisoned. */
export function awaitStep(last: i32): i32 {
  let looks = patience;
  let now = atomic.load<i32>(stepWord);
  while (now == last && --looks >= 0) now = atomic.load<i32>(stepWord);
  if (now == last) now = sleepUntilStep(last);
  // Neither changes before this worker reaches the step's first barrier. A reserve has missed the barriers of other steps.
  setSize(atomic.load<i32>(control, TEAM_WORKERS));
  phase = atomic.load<i32>(control, TEAM_PHASE);
  return now;
}

function sleepUntilStep(last: i32): i32 {
  let now = last;
  atomic.add<i32>(idleWord, 1);
  for (;;) {
    if (atomic.load<i32>(control, TEAM_POISON) != 0) {
      now = -1;
      break;
    }
    now = atomic.load<i32>(stepWord);
    if (now != last) break;
    atomic.wait<i32>(stepWord, last, NAP);
  }
  atomic.sub<i32>(idleWord, 1);
  return now;
}

@inline
function ticketWord(cell: i32, worker: i32): usize {
  return control + TEAM_WORKER + <usize>(worker * TEAM_WORKER_BYTES + cell * TICKET_BYTES);
}

/**
 * Takes the next ticket of a worker's cell: 0, 1, 2, ... When all of its `count` are gone the result is `count` or more. That is looked
 * at first, because whoever looks shares the cache line, and whoever takes owns it.
 */
export function ticket(cell: i32, worker: i32, count: i32): i32 {
  const word = ticketWord(cell, worker);
  if (worker != self && atomic.load<i32>(word) >= count) return count;
  return atomic.add<i32>(word, 1);
}

/**
 * Puts this worker's cell back to 0. A barrier or the start of a step must lie between this and the last use of the cell, and the next
 * one.
 */
export function resetTickets(cell: i32): void {
  atomic.store<i32>(ticketWord(cell, self), 0);
}
