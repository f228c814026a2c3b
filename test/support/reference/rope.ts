// The angles of rotary position embedding (Su et al. 2021), with the ways to stretch them that Llama files use.

import type { ReferenceModel } from "./forward.js";

/** Of one position and pair. */
export interface Angles {
  readonly cos: number;
  readonly sin: number;
}

/**
 * Cosine and sine for each position and pair: (n, ropeDim / 2).
 *
 * Plain: angle = position * base^(-2 pair / ropeDim), divided by the pair's entry of `rope_freqs` if the file has that tensor
 * (Llama 3.1). Linear: divided by the factor. YaRN (Peng et al. 2023), as llama.cpp does it: fast pairs, which turn more than
 * 32 times within the original context, as plain; slow ones, less than once, as linear; a ramp between; and both cosine and
 * sine times 1 + 0.1 ln(factor).
 *
 * @param local of Gemma's layers with a window: another base, and no stretching
 */
export function ropeTable(model: ReferenceModel, n: number, headDim: number, local = false): Angles[][] {
  const ropeDim = model.key("rope.dimension_count") ?? headDim;
  const base = model.key(local ? "rope.freq_base_swa" : "rope.freq_base") ?? 10000;
  const frequencyFactors = model.tensor("rope_freqs.weight")?.values; // (ropeDim / 2)
  const scaling = model.text("rope.scaling.type") ?? "linear";
  if (!["none", "linear", "yarn"].includes(scaling)) throw new Error(`no reference for rope scaling "${scaling}"`);
  const factor = scaling === "none" || local ? 1 : model.key("rope.scaling.factor") || 1;

  let magnitude = model.key("rope.scaling.attn_factor") ?? 1;
  let plainShare = (_pair: number): number => 0; // 1: the angle is plain, 0: divided by the factor
  if (scaling === "yarn") {
    magnitude *= 1 + 0.1 * Math.log(factor);
    const context = model.key("rope.scaling.original_context_length") ?? model.key("context_length")!;
    // the pair that turns this often within the original context
    const pairOf = (turns: number): number =>
      (ropeDim * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(base));
    const low = Math.max(0, Math.floor(pairOf(32)));
    const high = Math.min(ropeDim - 1, Math.ceil(pairOf(1)));
    plainShare = (pair) => 1 - Math.min(1, Math.max(0, (pair - low) / Math.max(0.001, high - low)));
  }

  return Array.from({ length: n }, (_, position) =>
    Array.from({ length: ropeDim / 2 }, (_, pair) => {
      const plain = (position * base ** ((-2 * pair) / ropeDim)) / (frequencyFactors?.[pair] ?? 1);
      const share = plainShare(pair);
      const angle = plain * share + (plain / factor) * (1 - share);
      return { cos: Math.cos(angle) * magnitude, sin: Math.sin(angle) * magnitude };
    }),
  );
}
