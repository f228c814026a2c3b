// Log probabilities of the model's own distribution: log softmax of the raw logits, before bias, penalties, truncation and
// temperature. So they say what the model thinks, whatever the sampling options are.

import { notNumbers } from "./candidates.js";
import { exp, log } from "./exponential.js";

/** A token and the natural logarithm of its probability. */
export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}

/** exp(-50) is 2e-22: even 2^18 tokens that far below the best do not change the last bit of the sum. */
const NEGLIGIBLE = -50;

/**
 * The log probability of token `id`, and the `count` most likely tokens in descending order (ties: the lowest id first).
 *
 * @param logits raw logits, (vocab)
 * @throws CriaError NAN_LOGITS
 */
export function logprobsOf(
  logits: Float32Array,
  id: number,
  count: number,
): { readonly logprob: number; readonly top: readonly TokenLogprob[] } {
  const best: number[] = []; // ids, most likely first
  let largest = Number.NEGATIVE_INFINITY;
  let threshold = Number.NEGATIVE_INFINITY; // what a token must be above to be among them
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]!;
    if (logit <= threshold) continue;
    if (!(logit < Number.POSITIVE_INFINITY)) throw notNumbers(i, logit);
    if (logit > largest) largest = logit;
    if (count === 0) {
      threshold = largest;
      continue;
    }
    let place = best.length;
    while (place > 0 && logits[best[place - 1]!]! < logit) place--;
    best.splice(place, 0, i);
    if (best.length > count) best.pop();
    if (best.length === count) threshold = logits[best[count - 1]!]!;
  }
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const below = logits[i]! - largest;
    if (below > NEGLIGIBLE) sum += exp(below);
  }
  const logSum = largest + log(sum);
  return { logprob: logits[id]! - logSum, top: best.map((token) => ({ id: token, logprob: logits[token]! - logSum })) };
}
