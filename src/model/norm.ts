// The norm of a row. A model has one kind for all its norms.

import type { Kernels } from "../machine/kernels.js";
import type { Hyperparameters } from "./hyperparameters.js";

/**
 * to = norm(from), (columns) f32; all are addresses, and `to` may be `from`. Only the full norm has a bias, and may be without: 0.
 */
export function normalise(
  kernels: Kernels,
  h: Hyperparameters,
  from: number,
  to: number,
  columns: number,
  weight: number,
  bias = 0,
): void {
  if (h.norm === "rms") kernels.rmsNorm(from, weight, to, columns, h.normEpsilon);
  else kernels.layerNorm(from, weight, bias, to, columns, h.normEpsilon);
}
