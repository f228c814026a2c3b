// What a list of measurements comes to.

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Of two vectors' directions: 1 for the same one. NaN where one is zero, or they are not of one length. */
export function cosine(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Number.NaN;
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** How many times better ours is, pair by pair: the two of a pair ran one right after the other. */
export function pairRatios(ours: readonly number[], theirs: readonly number[], better: "more" | "less"): number[] {
  return ours.map((value, i) => (better === "more" ? value / theirs[i]! : theirs[i]! / value));
}

/** How many times the least the largest is. */
export function spread(values: readonly number[]): number {
  return Math.max(...values) / Math.min(...values);
}
