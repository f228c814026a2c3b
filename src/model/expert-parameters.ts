// What a model's metadata says about its mixture of experts.

import { GROUP_ROWS } from "#abi";
import { UnsupportedError } from "../errors.js";
import type { KeyReader } from "./key-reader.js";

/** The numbers that define a mixture of experts. */
export interface ExpertParameters {
  /** `expert_count` */
  readonly count: number;
  /** `expert_used_count`: experts of one token. */
  readonly used: number;
  /** `expert_feed_forward_length`: the width of one expert. */
  readonly ffn: number;
  /** `expert_shared_feed_forward_length`: the width of the feed-forward that all tokens take besides; 0: none. */
  readonly shared: number;
  /** `expert_weights_norm`: whether the weights of the chosen experts add up to 1. If not, those of all experts do. */
  readonly normalised: boolean;
  /** `moe_every_n_layers` n of architectures that read it: layers 1, n + 1, 2 n + 1, ... have experts. In others all have. */
  readonly every?: number;
}

/** What the keys do not say. */
export interface ExpertTraits {
  /** The key of the width of one expert. */
  readonly width: "feed_forward_length" | "expert_feed_forward_length";
  /** Whether all tokens take another feed-forward besides. */
  readonly shared: boolean;
  /** Whether the weights of the chosen experts add up to 1 in files that do not say. */
  readonly normalised: boolean;
}

/** Far beyond any real model. */
const LARGEST = { experts: 4096, ffn: 2 ** 20 };

// Values of `expert_gating_func`: not said, softmax, softmax of the chosen logits. Others (2: sigmoid) are refused.
const NOT_SAID = 0;
const SOFTMAX = 1;
const SOFTMAX_OF_CHOSEN = 3;

/** How many vectors are added for a token: one of each chosen expert, and one of what all tokens take. */
export function termsOf({ used, shared }: ExpertParameters): number {
  return used + (shared > 0 ? 1 : 0);
}

/**
 * Reads the keys of experts; undefined if the file has none and the architecture does not need them.
 * @throws GgufError for a missing or impossible value, UnsupportedError for a variant that the engine does not run
 */
export function readExperts(reader: KeyReader, dim: number, traits?: ExpertTraits): ExpertParameters | undefined {
  const needed = traits?.width === "expert_feed_forward_length";
  const count = reader.integer("expert_count", needed ? undefined : 0, needed ? 1 : 0, LARGEST.experts);
  if (count === 0) return undefined;
  const unsupported = (what: string) => {
    throw new UnsupportedError("UNSUPPORTED_ARCHITECTURE", what);
  };
  if (traits === undefined) {
    unsupported(`a mixture of ${count} experts (${reader.architecture}.expert_count); supported: dense models`);
  }
  const { width, shared, normalised } = traits!;
  const used = reader.integer("expert_used_count", undefined, 1, count);
  const ffn = reader.perLayer(width, undefined, 1, LARGEST.ffn);
  if (ffn % GROUP_ROWS !== 0 || dim % GROUP_ROWS !== 0) {
    unsupported(`experts of width ${ffn} on ${dim} elements; supported: multiples of ${GROUP_ROWS}`);
  }
  const gating = reader.integer("expert_gating_func", NOT_SAID, 0, 2 ** 31);
  if (![NOT_SAID, SOFTMAX, SOFTMAX_OF_CHOSEN].includes(gating)) {
    unsupported(`experts chosen by function ${gating} (expert_gating_func); supported: 1 and 3, softmax`);
  }
  const scale = reader.number("expert_weights_scale", 1, -1e6, 1e6);
  if (scale !== 0 && scale !== 1) {
    unsupported(`experts whose weights are multiplied by ${scale} (expert_weights_scale); supported: 1`);
  }
  const groups = reader.integer("expert_group_count", 0, 0, count);
  if (groups > 1) unsupported(`experts in ${groups} groups (expert_group_count); supported: 1 group`);
  return {
    count,
    used,
    ffn,
    shared: shared ? reader.integer("expert_shared_feed_forward_length", undefined, 1, LARGEST.ffn) : 0,
    normalised: gating === SOFTMAX_OF_CHOSEN || reader.boolean("expert_weights_norm", normalised),
  };
}
