// Typed arrays in memory that threads share: to send one to another thread costs nothing. Where threads share none, it is copied.

import { bufferForThreads } from "../sharing.js";

interface ArrayOf<Result> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike): Result;
}

/** An array of these values, or of so many zeros. */
export function shared<Result extends { set(values: ArrayLike<number>): void }>(
  Class: ArrayOf<Result>,
  values: ArrayLike<number> | number,
): Result {
  const length = typeof values === "number" ? values : values.length;
  const array = new Class(bufferForThreads(Class.BYTES_PER_ELEMENT * length));
  if (typeof values !== "number") array.set(values);
  return array;
}
