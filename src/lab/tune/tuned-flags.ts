// The settings of a tuning as flags of the commands that load models.

import type { TunedOptions } from "../../index.js";

/** "-t 2 -tb 2"; empty: the defaults. */
export function tunedFlags({ threads, threadsBatch, kernels, prefillChunk, pin }: TunedOptions): string {
  const flags = [
    ...(threads === undefined ? [] : [`-t ${threads}`]),
    ...(threadsBatch === undefined ? [] : [`-tb ${threadsBatch}`]),
    ...(kernels === undefined ? [] : [`--kernels ${kernels}`]),
    ...(prefillChunk === undefined ? [] : [`-ub ${prefillChunk}`]),
    ...(pin === undefined ? [] : [`--pin ${pin}`]),
  ];
  return flags.join(" ");
}
