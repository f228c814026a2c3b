// The options of commands that generate text with a model of their own: where guesses at the next tokens come from.

import type { LoadOptions } from "../index.js";
import { idleOption } from "../options.js";
import type { OptionTable, OptionValues } from "./command.js";
import { localPath } from "./model-source.js";

export const speculationOptions = {
  speculate: {
    flags: ["--speculate"],
    type: "string",
    value: "HOW",
    help: "lookup: guess what followed the same words earlier in the text, check several at once; off (default: off)",
  },
  draft: {
    flags: ["-md", "--model-draft", "--draft"],
    type: "string",
    value: "FILE",
    help: "a smaller model with the same vocabulary that guesses, as -m",
  },
} as const satisfies OptionTable;

/** The library's option, unchecked: it checks it. A draft model from the network is downloaded first. */
export async function toSpeculation(
  { speculate, draft }: OptionValues<typeof speculationOptions>,
  offline: boolean | undefined,
  signal: AbortSignal,
): Promise<LoadOptions["speculate"]> {
  if (draft === undefined) return speculate as LoadOptions["speculate"];
  if (speculate !== undefined) throw idleOption("--speculate", "the draft model guesses");
  return { draft: await localPath(draft, offline, signal) };
}
