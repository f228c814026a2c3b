// How far an engine's answers are from the exact ones.

/** Of logits against exact logits, over all positions. */
export interface Divergence {
  /** Mean over positions of KL(exact || ours) = sum over tokens of p_exact (log p_exact - log p_ours), in nats. */
  readonly klMean: number;
  readonly klMax: number;
  /** Share of positions at which the most likely token is the same. */
  readonly top1: number;
  /** Greatest absolute difference of a logit. */
  readonly maxAbs: number;
}

/**
 * Compares logits, both (n, vocab).
 *
 * @throws Error where the sizes do not match: a comparison of nothing would agree with everything
 */
export function divergence(exact: Float32Array, ours: Float32Array, vocab: number): Divergence {
  if (exact.length !== ours.length || exact.length === 0 || exact.length % vocab !== 0) {
    throw new Error(`cannot compare ${exact.length} with ${ours.length} logits in rows of ${vocab}`);
  }
  const n = exact.length / vocab;
  let klSum = 0;
  let klMax = 0;
  let same = 0;
  for (let position = 0; position < n; position++) {
    const rowOf = (logits: Float32Array) => logits.subarray(position * vocab, (position + 1) * vocab);
    const exactLog = logSoftmax(rowOf(exact));
    const oursLog = logSoftmax(rowOf(ours));
    let kl = 0;
    for (let id = 0; id < vocab; id++) kl += Math.exp(exactLog[id]!) * (exactLog[id]! - oursLog[id]!);
    klSum += kl;
    klMax = Math.max(klMax, kl);
    if (argmax(exactLog) === argmax(oursLog)) same++;
  }
  // NaN must not pass for agreement: Math.max hands it on, and so does the sum
  const maxAbs = exact.reduce((largest, value, i) => Math.max(largest, Math.abs(value - ours[i]!)), 0);
  return { klMean: klSum / n, klMax, top1: same / n, maxAbs };
}

function logSoftmax(logits: Float32Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return Float64Array.from(logits, (logit) => logit - largest - Math.log(sum));
}

function argmax(values: Float64Array): number {
  return values.reduce((best, value, index) => (value > values[best]! ? index : best), 0);
}
