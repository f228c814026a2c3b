// Which of cria's kernels run: what is asked for, and what is said of it.

import type { KernelChoice, ModelInfo } from "../../../dist/index.js";
import { Unavailable } from "./peer.js";

/** @throws Unavailable when wide kernels were asked for and others run: figures of those belong into another row */
export function detailsOf({ kernels, kernelsProblem }: ModelInfo, asked: KernelChoice | undefined): string {
  if (asked === "wide" && !kernels.startsWith("wide-")) throw new Unavailable(kernelsProblem);
  return `kernels: ${kernels}`;
}
