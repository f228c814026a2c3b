// Statistics of repeated measurements.

/** The middle one, or the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function mean(samples: readonly number[]): number {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
}

/** Of a sample: divided by n - 1; 0 for a single one. */
export function standardDeviation(samples: readonly number[]): number {
  if (samples.length < 2) return 0;
  const middle = mean(samples);
  return Math.sqrt(samples.reduce((sum, sample) => sum + (sample - middle) ** 2, 0) / (samples.length - 1));
}
