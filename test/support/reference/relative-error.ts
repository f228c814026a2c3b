// How far two vectors are apart, relative to the size of the exact one.

/**
 * Root mean square of the difference over that of the exact values.
 *
 * @throws Error where the sizes do not match
 */
export function relativeError(exact: ArrayLike<number>, ours: ArrayLike<number>): number {
  if (exact.length !== ours.length || exact.length === 0) {
    throw new Error(`cannot compare ${exact.length} with ${ours.length} values`);
  }
  let difference = 0;
  let whole = 0;
  for (let i = 0; i < exact.length; i++) {
    difference += (exact[i]! - ours[i]!) ** 2;
    whole += exact[i]! ** 2;
  }
  return Math.sqrt(difference / whole);
}
