// What is wrong with a weight that a format cannot hold.

import { GgufError, printable } from "./errors.js";

/**
 * @param tensor its name
 * @param index the weight's, within the tensor
 * @param format the name of the format that cannot hold it
 * @param largest the largest magnitude that it can hold
 */
export function weightValueError(
  tensor: string,
  index: number,
  value: number,
  format: string,
  largest: number,
): GgufError {
  const why = Number.isFinite(value) ? `beyond the largest that ${format} can hold: ${largest}` : "not a finite number";
  return new GgufError("GGUF_TENSOR_VALUE", `weight ${index} is ${value}, ${why}`, { subject: printable(tensor) });
}
