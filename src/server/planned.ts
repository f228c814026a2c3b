// What a model takes when it is loaded as it is served: the plan of each of its instances, from the file's header.

import { planOpened } from "../api/load/draft-plan.js";
import { type LoadOptions, type LoadSource, loadOptionNames } from "../api/load/load-options.js";
import { checkLora, closeLoras, openLoras } from "../api/load/lora-files.js";
import { besidesBytes } from "../api/load/memory-check.js";
import { copiedBytesOf } from "../api/load/model-source.js";
import { openDraft } from "../api/load/open-draft.js";
import type { PlannedModel } from "../api/load/plan-model.js";
import { neededTuning } from "../api/load/tunings.js";
import { instanceRequests, type PoolOptions } from "../api/pool/pool-options.js";
import { openGguf } from "../gguf/index.js";
import { downloadModel, isRemote, withoutAlias } from "../hub/index.js";
import { loadKernels } from "../machine/load-kernels.js";
import { optionsOf } from "../options.js";

export interface ServedPlan {
  /** Of each instance. */
  readonly plans: readonly PlannedModel[];
  /** Of all instances together, with what their workers and the tokenizer take besides. */
  readonly bytes: number;
}

/** What loading it so would take. A model on the network is downloaded. @throws what `loadModel` throws before it allocates */
export async function planServed({
  source: named,
  options: given = {},
  instances,
}: {
  readonly source: LoadSource;
  readonly options?: LoadOptions;
  readonly instances?: PoolOptions["instances"];
}): Promise<ServedPlan> {
  const options = optionsOf("loadModel", given, loadOptionNames);
  const adapters = checkLora(options.lora);
  const source = await withoutAlias(named);
  const local = isRemote(source) ? await downloadModel(source, { offline: options.offline }) : source;
  const gguf = await openGguf(local);
  const loras = await openLoras(adapters, options);
  const draft = await openDraft(options);
  try {
    const tuning = options.tune === true ? await neededTuning(gguf, options.quantize) : undefined;
    const { threads, threadsBatch, pin, ...tuned } = tuning?.settings ?? {};
    const kernels = await loadKernels(options.assets, options.kernels ?? tuned.kernels);
    // Threads and pins of a tuning are for one instance alone.
    const alone = { ...(threads && { threads }), ...(threadsBatch && { threadsBatch }), ...(pin && { pin }) };
    const requests =
      instances === undefined
        ? [{ options: { ...alone, ...tuned, ...options } }]
        : await instanceRequests({
            ...{ ...tuned, ...options },
            instances: instances === "auto" ? (tuning?.instances ?? instances) : instances,
          });
    const plans: PlannedModel[] = [];
    for (const request of requests) plans.push(await planOpened({ gguf, kernels, loras, draft }, request.options));
    const each = plans.map(({ plan, workers }) => plan.total + besidesBytes(workers.workers));
    return { plans, bytes: each.reduce((sum, one) => sum + one, copiedBytesOf(gguf) + plans[0]!.lora.bytes) };
  } finally {
    await Promise.all([gguf.close(), closeLoras(loras), draft?.gguf.close()]);
  }
}
