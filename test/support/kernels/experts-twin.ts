// The plain version of chooseExperts and addWeightedRows, in f64.

/** A choice among experts. */
export interface Choice {
  readonly ids: readonly number[];
  readonly weights: readonly number[];
}

/** The largest logits, the first of equal ones first; their softmax among all or among themselves. */
export function choose(logits: ArrayLike<number>, used: number, amongChosen: boolean): Choice {
  const all = Array.from(logits);
  const ids = all.map((_, id) => id).sort((a, b) => all[b]! - all[a]! || a - b);
  const chosen = ids.slice(0, used);
  const top = all[ids[0]!]!;
  const share = (id: number) => Math.exp(all[id]! - top);
  const sum = (amongChosen ? chosen : ids).reduce((total, id) => total + share(id), 0);
  return { ids: chosen, weights: chosen.map((id) => share(id) / sum) };
}

/** y plus the weighted sum of rows. */
export function weightedSum(
  y: Float32Array,
  rows: readonly Float32Array[],
  indices: readonly number[],
  weights: ArrayLike<number>,
): Float64Array {
  return Float64Array.from(y, (value, i) =>
    indices.reduce((sum, index, term) => sum + weights[term]! * rows[index]![i]!, value),
  );
}
