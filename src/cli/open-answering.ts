// Which of the two answers (answering.ts), by the options of a command.

import type { Model } from "../index.js";
import { idleOption } from "../options.js";
import type { Answering } from "./answering.js";
import type { OptionTable, OptionValues } from "./command.js";
import { modelOptions, openModel } from "./model-options.js";
import { ServerAnswering } from "./server-answering.js";
import { ServerClient, serverOptions } from "./server-client.js";
import { speculationOptions, toSpeculation } from "./speculation-options.js";

/** The options of commands that a model or a server answers. */
export const answeringOptions = {
  ...modelOptions,
  ...speculationOptions,
  ...serverOptions,
} as const satisfies OptionTable;

/** Loads the model that the options name, or finds the server. */
export async function openAnswering(
  values: OptionValues<typeof answeringOptions>,
  signal: AbortSignal,
): Promise<Answering> {
  if (values.url === undefined) {
    if (values.apiKey !== undefined) throw idleOption("--api-key", "it does nothing without --url");
    const speculate = await toSpeculation(values, values.offline, signal);
    return answeringOf(await openModel(values, signal, { speculate }));
  }
  const loading = { ...modelOptions, ...speculationOptions };
  for (const [name, { flags }] of Object.entries(loading)) {
    // There, -m is what the server calls its model.
    if (name === "model" || values[name as keyof typeof loading] === undefined) continue;
    throw idleOption(flags.find((flag) => flag.startsWith("--"))!, "with --url the server has loaded the model");
  }
  return ServerAnswering.open(new ServerClient(values.url, values.apiKey), values.model, signal);
}

/** A model of this process. */
function answeringOf(model: Model): Answering {
  const { threadsReason, kernels, kernelsProblem } = model.info;
  return {
    about: [
      `load    ${model.loadMilliseconds.toFixed(1).padStart(10)} ms  ${kernels} kernels; ${threadsReason}`,
      ...(kernelsProblem === undefined ? [] : [`        ${kernelsProblem}`]),
    ],
    contextSize: model.info.contextSize,
    generate: (prompt, options) => model.generate(prompt, options),
    chat: (options) => model.chat(options),
    dispose: () => model.dispose(),
  };
}
