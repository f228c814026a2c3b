// ALiBi's slopes (Press et al. 2021). They are computed with * and sqrt only, which are the same on every V8.

/**
 * How fast the scores of each head fall with the distance, (heads): 2^(-8 / n), its square, its cube, ..., where n is the largest power of two
 * that is not above `heads`; for the heads that are left the odd powers of 2^(-4 / n), which lie between those.
 */
export function alibiSlopes(heads: number): Float32Array {
  let n = 1;
  let root = 2 ** -8; // 2^(-8 / n)
  for (; 2 * n <= heads; n *= 2) root = Math.sqrt(root);
  const between = Math.sqrt(root);
  const slopes = new Float32Array(heads);
  let slope = 1;
  for (let head = 0; head < n; head++) slopes[head] = slope *= root;
  slope = 1 / between;
  for (let head = n; head < heads; head++) slopes[head] = slope *= root;
  return slopes;
}
