// What a sampler is: one step of the chain from logits to a token, and all that is to be known about it. A new one is one file here and
// one row in table.ts.

import type { TokenBreakers } from "../../tokenizer/sequence-breakers.js";
import type { Candidates } from "../candidates.js";
import type { OptionRows, Resolved } from "../option-rows.js";
import type { Random } from "../random.js";

export interface SamplerStep {
  /** Changes the logits of candidates, or drops some of them; at least one stays. */
  apply(candidates: Candidates): void;
  /** Takes note of a token of the prompt or of the answer. */
  accept?(id: number): void;
}

/** What a step is made from, beside its options. */
export interface StepContext {
  /** The sequence's stream of random numbers. */
  readonly random: Random;
  /** The `sequenceBreakers` of DRY, in tokens. */
  readonly breakers: TokenBreakers;
  /** The `leastRatio` of the sampler that comes next; 0: none. */
  readonly nextLeastRatio: number;
}

/**
 * What a sampler does to the candidates.
 *
 * - edits: changes the logits of single tokens and drops none. Greedy choice and mirostat keep it. At the beginning of the chain it
 *   edits the logits of all tokens.
 * - scales: changes logits, but not their order. Greedy choice does without it; mirostat keeps it.
 * - drops: drops tokens. Greedy choice does without it; mirostat takes its place.
 */
export type SamplerEffect = "edits" | "scales" | "drops";

/** How a sampler works. */
export interface SamplerSteps<Options> {
  readonly effect: SamplerEffect;
  /** The step with these options; undefined: they turn it off. */
  readonly step: (options: Resolved<Options>, context: StepContext) => SamplerStep | undefined;
  /** Of a sampler that keeps just the most likely tokens: how many. At the beginning of the chain no list of all tokens is made then. */
  readonly keeps?: (options: Resolved<Options>) => number;
  /** Of a sampler that keeps just the tokens that are at least so likely, relative to the most likely one: how likely. */
  readonly leastRatio?: (options: Resolved<Options>) => number;
}

/** A sampler, with the interface of its options. */
export interface SamplerDefinition<Name extends string, Options> extends SamplerSteps<Options> {
  readonly name: Name;
  /** What `--samplers` calls it: llama.cpp's name first. Dashes may stand for underscores. */
  readonly spellings: readonly string[];
  readonly options: OptionRows<Options>;
}

/** The most tokens that a sampler may look back at. They are kept: 4 MiB. */
export const MOST_RECENT = 2 ** 20;
