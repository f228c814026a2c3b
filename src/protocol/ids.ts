// Joins token ids that come in several arrays.

/** One array after another. Spreading a long text into the arguments of a call would overflow the stack. */
export function joinIds(parts: readonly ArrayLike<number>[]): Int32Array {
  const joined = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
