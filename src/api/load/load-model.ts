// loadModel: from a file to a model that answers. Reads the header, plans the memory, starts the team, and waits while the workers load.

import { CriaError } from "../../errors.js";
import { giveWay } from "../../event-loop.js";
import { availableMemory } from "../../machine/cpu/available-memory.js";
import { hugeBytesOf } from "../../machine/cpu/huge-pages.js";
import type { PinResult } from "../../machine/cpu/pin.js";
import { kernelNameOf } from "../../machine/kernels.js";
import { optionsOf } from "../../options.js";
import type { ModelClient } from "../../protocol/client.js";
import type { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";
import { Model, type ModelParts } from "../model.js";
import type { TunedOptions } from "../model-info.js";
import { Sessions } from "../sequences/sessions.js";
import { pairFormatOf } from "../vectors/reranking.js";
import { describe, draftInfo } from "./describe.js";
import { planOpened } from "./draft-plan.js";
import { blueprintOf, Instance, type InstanceParts, readParts } from "./instance.js";
import { type LoadOptions, type LoadSource, loadOptionNames } from "./load-options.js";
import { checkMemory } from "./memory-check.js";
import { copiedBytesOf } from "./model-source.js";
import { type OpenedModel, withOpenedModel } from "./open-model.js";
import type { PlannedModel } from "./plan-model.js";
import { readTokenizer } from "./read-tokenizer.js";
import { reportPinning } from "./worker-plan.js";

/**
 * Loads a GGUF model and starts the workers that run it.
 *
 * @throws GgufError when the file is not a well-formed model, UnsupportedError when it is one that cria does not run, MemoryError when
 * it does not fit, WorkerError when a worker fails, DownloadError when it cannot be brought from the network, CriaError INVALID_OPTION,
 * or the signal's reason
 */
export async function loadModel(source: LoadSource, given: LoadOptions = {}): Promise<Model> {
  const options = optionsOf("loadModel", given, loadOptionNames);
  return withOpenedModel(source, options, (opened) => {
    const tuned = opened.tuning?.settings;
    return loadOpened(opened, { ...tuned, ...options }, tuned);
  });
}

async function loadOpened(opened: OpenedModel, options: LoadOptions, tuned?: TunedOptions): Promise<Model> {
  const { gguf, draft, begin } = opened;
  const { signal, onProgress } = options;
  const planned = await planOpened(opened, options);
  if (options.ignoreMemory !== true) {
    const copied = copiedBytesOf(gguf) + (draft === undefined ? 0 : copiedBytesOf(draft.gguf));
    checkMemory(planned, await availableMemory(), copied + planned.lora.bytes);
  }
  // While the workers read, the text worker makes the tokenizer's tables.
  const reading = readTokenizer(gguf, planned.hyperparameters, options.assets);
  reading.catch(() => undefined); // something else may fail before this is awaited
  const parts = await readParts(opened, planned, options.assets);
  await giveWay(); // the header is read, and starting many workers holds this thread again
  signal?.throwIfAborted();
  const instance = await Instance.start(parts, planned, { onDisturbance: options.onDisturbance });
  const { client, team, board } = instance;
  try {
    // When one of them fails, all end.
    const [text, pinned] = await Promise.all([reading, instance.loaded({ signal, onProgress })]);
    return new Model({
      ...modelParts(opened, planned, parts, { client, sample: () => client.sample(), text }),
      client,
      team,
      close: (reason) => instance.close(reason),
      load: () => instance.monitor.load(),
      table: { reads: () => board.tableReads },
      loadMilliseconds: performance.now() - begin,
      info: await infoOf(opened, planned, text, pinned, tuned),
    });
  } catch (error) {
    await instance.close(new CriaError("DISPOSED", "the model was not loaded"));
    throw error;
  }
}

/** What a model is made of, besides its teams. */
export function modelParts(
  { gguf }: OpenedModel,
  planned: PlannedModel,
  { kernels, ropes, assets }: InstanceParts,
  {
    client,
    sample,
    text,
  }: {
    readonly client: ModelClient;
    readonly sample: () => Promise<Uint8Array>;
    readonly text: BackgroundTokenizer;
  },
): Pick<
  ModelParts,
  "text" | "chatTemplate" | "toolTemplate" | "assets" | "pairFormat" | "sessions" | "contextSize" | "speculation"
> {
  return {
    text,
    chatTemplate:
      gguf.metadata.getString("tokenizer.chat_template") ?? gguf.metadata.getString("tokenizer.chat_template.default"),
    toolTemplate: gguf.metadata.getString("tokenizer.chat_template.tool_use"),
    assets,
    pairFormat: pairFormatOf(gguf.metadata, planned.head),
    sessions: new Sessions({
      client,
      sample,
      blueprint: blueprintOf(planned, ropes),
      frequencies: ropes.map(({ frequencies }) => frequencies),
      contextSize: planned.contextSize,
      kernels: kernels.build,
      kvCache: planned.kvCache,
    }),
    contextSize: planned.contextSize,
    speculation: planned.speculation,
  };
}

/** `model.info`, once a team runs. */
export async function infoOf(
  { gguf, loras, draft, kernels }: OpenedModel,
  planned: PlannedModel,
  text: BackgroundTokenizer,
  pinned: readonly PinResult[],
  tuned: TunedOptions | undefined,
) {
  return describe(gguf, planned, loras, text.tokenizer, {
    draft: draft && draftInfo(draft.gguf, planned.draft!),
    kernels: kernelNameOf(kernels),
    kernelsProblem: kernels.problem,
    tuned,
    pinning: reportPinning(planned.workers, pinned),
    hugePageBytes: await hugeBytesOf(planned.plan.shards.map(({ total }) => total)),
  });
}
