// Token ids that come in several arrays, as one.

/** One array after another. Spreading them into a call would overflow the stack of a long text. */
export function joinIds(parts: readonly ArrayLike<number>[]): Int32Array {
  const joined = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
