// The caller's side of the gate: the process has one, and each team a place at it.

import { sharesMemory } from "../sharing.js";
import {
  clearTicket,
  GATE_WORDS,
  type GatePlace,
  MOST_PLACES,
  PROCESSOR_WORDS,
  PROCESSORS,
  placeWord,
  TAKEN,
  USED_PLACES,
} from "./gate.js";
import { allocateBuffer } from "./shared-memory.js";

const KEY = "cria.gate.1";

/**
 * The gate of this process: found by other copies of this package, and in Node by all worker threads that are started from now on by this
 * thread. Threads that were started before cannot know it; if they load models, they have a gate of their own.
 */
async function processGate(): Promise<Int32Array<SharedArrayBuffer>> {
  const inNode = typeof process !== "undefined" && process.versions?.node !== undefined;
  const threads = inNode ? await import("node:worker_threads") : undefined;
  const here = globalThis as unknown as Record<symbol, unknown>;
  const key = Symbol.for(KEY);
  const known = here[key] ?? threads?.getEnvironmentData(KEY);
  const words = known instanceof Int32Array ? known : new Int32Array(allocateBuffer(4 * GATE_WORDS, "the gate"));
  here[key] = words;
  threads?.setEnvironmentData(KEY, words as never);
  return words as Int32Array<SharedArrayBuffer>;
}

/**
 * Takes a place for a team whose workers may run on these processors. undefined: MOST_PLACES are taken, or threads share nothing, and the
 * team does without. It is
 * to be given back when the team's threads have ended.
 */
export async function takePlace(processors: readonly number[]): Promise<GatePlace | undefined> {
  if (!sharesMemory()) return undefined;
  const words = await processGate();
  for (let place = 0; place < MOST_PLACES; place++) {
    if (Atomics.compareExchange(words, placeWord(place) + TAKEN, 0, 1) !== 0) continue;
    setProcessors({ words, place }, processors);
    clearTicket(words, place);
    for (let used = Atomics.load(words, USED_PLACES); used <= place; used = Atomics.load(words, USED_PLACES)) {
      Atomics.compareExchange(words, USED_PLACES, used, place + 1);
    }
    return { words, place };
  }
  if (typeof process !== "undefined") {
    const message = `${MOST_PLACES} models are loaded: another one does not share the processors with them in turns`;
    process.emitWarning?.(message, { code: "CRIA_GATE" });
  }
  return undefined;
}

/** The processors that a team's workers may run on: while it computes nothing. */
export function setProcessors({ words, place }: GatePlace, processors: readonly number[]): void {
  const first = placeWord(place) + PROCESSORS;
  for (let i = 0; i < PROCESSOR_WORDS; i++) Atomics.store(words, first + i, 0);
  for (const processor of processors) {
    const bit = Math.min(processor, 32 * PROCESSOR_WORDS - 1);
    Atomics.or(words, first + (bit >> 5), 1 << (bit & 31));
  }
}

/** Gives a place back. */
export function givePlaceBack({ words, place }: GatePlace): void {
  clearTicket(words, place);
  Atomics.store(words, placeWord(place) + TAKEN, 0);
}
