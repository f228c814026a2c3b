// How long a step takes on a machine whose profile is known, and what follows for one instance of a model or several.
//
//   matrices   (memory^p + arithmetic^p)^(1/p): what is read and what is multiplied overlap, but not wholly where both take as long
//              memory      bytes / the bandwidth that is left for this instance; 0 where the weights fit into the caches
//              arithmetic  products / (the rate of the format for so many rows, of one thread) / threads
//   attention  products in f32, at a half of their peak
//   elements   between the matrices, each at its cost
//   texts      of several side by side: sampling and handing on, each at its cost
//   layers     barriers and calls, each at its cost

import { type MachineProfile, rateOf, threadsOf } from "./machine-profile.js";
import type { ModelCost, StepCost } from "./model-cost.js";

const OVERLAP = 2;
const ATTENTION_SHARE = 0.5;

/**
 * Seconds of a step's matrices.
 *
 * @param instances that read from memory at the same time, each with as many threads
 */
export function matrixSeconds(cost: StepCost, threads: number, profile: MachineProfile, instances: number): number {
  const all = threadsOf(profile, threads * instances);
  const one = profile.threads[0]!;
  // The arithmetic of cores does not add up where they share units, or lower their clock together.
  const scale = (all.int8 / one.int8 / (threads * instances)) * threads;
  let arithmetic = 0;
  for (const [format, products] of Object.entries(cost.products)) {
    if (products > 0) arithmetic += products / rateOf(profile.formats[format]!, cost.rows) / scale;
  }
  const memory = instances * cost.bytes > profile.cacheBytes ? cost.bytes / (all.bandwidth / instances) : 0;
  return (memory ** OVERLAP + arithmetic ** OVERLAP) ** (1 / OVERLAP);
}

/** Seconds of a whole step. */
export function stepSeconds(cost: StepCost, threads: number, profile: MachineProfile, instances: number): number {
  const { f32, layerSeconds, elementSeconds } = threadsOf(profile, threads);
  return (
    matrixSeconds(cost, threads, profile, instances) +
    cost.attention / (ATTENTION_SHARE * f32) +
    cost.elements * elementSeconds +
    cost.layers * layerSeconds
  );
}

/** How an instance is loaded. */
export interface Instance {
  /** Workers of steps of few rows, and of steps of `batchRows` or more. */
  readonly threads: number;
  readonly threadsBatch: number;
  readonly batchRows: number;
}

/** Tokens per second of all clients together, each of which generates at a depth, on so many instances. */
export function decodeRate(
  cost: ModelCost,
  profile: MachineProfile,
  { threads, threadsBatch, batchRows }: Instance,
  { instances, clients, depth }: { readonly instances: number; readonly clients: number; readonly depth: number },
): number {
  const busy = Math.min(instances, clients);
  let rate = 0;
  for (let instance = 0; instance < busy; instance++) {
    const texts = Math.floor(clients / busy) + (instance < clients % busy ? 1 : 0);
    const step = cost.step({ rows: 1, texts, depth, logits: texts });
    const workers = texts < batchRows ? threads : threadsBatch;
    const beside = texts > 1 ? texts * threadsOf(profile, workers).textSeconds : 0;
    rate += texts / (stepSeconds(step, workers, profile, busy) + beside);
  }
  return rate;
}

/** Tokens per second of prompts of so many tokens behind `depth` others, one on each of the instances. */
export function prefillRate(
  cost: ModelCost,
  profile: MachineProfile,
  { threadsBatch }: Pick<Instance, "threadsBatch">,
  { instances, tokens, depth = 0 }: { readonly instances: number; readonly tokens: number; readonly depth?: number },
): number {
  let seconds = 0;
  for (let first = 0; first < tokens; first += cost.stepRows) {
    const rows = Math.min(cost.stepRows, tokens - first);
    const step = cost.step({ rows, texts: 1, depth: depth + first, logits: first + rows === tokens ? 1 : 0 });
    seconds += stepSeconds(step, threadsBatch, profile, instances);
  }
  return (instances * tokens) / seconds;
}

/** Tokens per second of an encoder that embeds so many texts of so many tokens in one call: as many in a step as it has room for. */
export function embedRate(
  cost: ModelCost,
  profile: MachineProfile,
  threads: number,
  { texts, tokens }: { readonly texts: number; readonly tokens: number },
): number {
  const room = Math.max(1, Math.floor(cost.stepRows / tokens));
  let seconds = 0;
  for (let first = 0; first < texts; first += room) {
    const step = cost.step({ rows: tokens, texts: Math.min(room, texts - first), depth: 0, logits: 0 });
    seconds += stepSeconds(step, threads, profile, 1);
  }
  return (texts * tokens) / seconds;
}
