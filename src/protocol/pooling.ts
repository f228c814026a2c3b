// How the hidden states of a text become its vector.

import { UnsupportedError } from "../errors.js";

/**
 * mean: the mean of all tokens' hidden states; cls: the first token's; last: the last token's; none: every token's, one vector each;
 * rank: the scores that a reranker gives a text.
 */
export type Pooling = "mean" | "cls" | "last" | "none" | "rank";

/** `<architecture>.pooling_type` of a file, as llama.cpp numbers them. */
const poolingTypes: readonly Pooling[] = ["none", "mean", "cls", "last", "rank"];

/**
 * The pooling where the caller does not choose one: the file's. A file that says "none", or nothing, gets mean, because a caller who
 * gives texts wants one vector for each. In that case llama.cpp gives the vectors of all tokens.
 */
export function defaultPooling(type: number | undefined): Exclude<Pooling, "none"> {
  if (type === undefined) return "mean";
  const pooling = poolingTypes[type];
  if (pooling === undefined) {
    throw new UnsupportedError(
      "UNSUPPORTED_POOLING",
      `the file asks for pooling type ${type}; supported: ${poolingTypes.map((name, i) => `${i} (${name})`).join(", ")}`,
    );
  }
  return pooling === "none" ? "mean" : pooling;
}
