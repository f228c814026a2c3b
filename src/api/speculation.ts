// The option `speculate`: where guesses at the next tokens come from.

import { type CriaError, UnsupportedError } from "../errors.js";
import { checkChoice, checkText, groupOf, idleOption, invalidOption } from "../options.js";
import type { Speculation } from "../protocol/messages.js";

const choices: readonly Speculation[] = ["off", "lookup", "draft"];

/** What a model can do, and does unless a call says otherwise. */
export interface SpeculationDefaults {
  readonly byDefault: Speculation;
  /** Whether it was loaded with a draft model. */
  readonly hasDraft: boolean;
  /** Why it cannot speculate; undefined: it can. */
  readonly obstacle: CriaError | undefined;
}

/**
 * How a call speculates, which may have a prediction.
 *
 * @throws CriaError INVALID_OPTION, UnsupportedError UNSUPPORTED_SPECULATION
 */
export function speculationOf(
  wanted: unknown,
  prediction: unknown,
  { byDefault, hasDraft, obstacle }: SpeculationDefaults,
): Speculation {
  if (prediction !== undefined) {
    checkText("prediction", prediction);
    if (wanted === undefined) return obstacle === undefined ? "lookup" : "off";
    if (wanted !== "lookup") throw idleOption("prediction", `speculate is ${wanted}`);
  }
  if (wanted === undefined) return byDefault;
  const choice = checkChoice("speculate", wanted, choices);
  if (choice !== "off" && obstacle !== undefined) throw obstacle;
  if (choice === "draft" && !hasDraft) throw idleOption("speculate", "the model was loaded without a draft model");
  return choice;
}

/** What the option of `loadModel` says: "lookup", "off", or a draft model. @throws CriaError INVALID_OPTION */
export function loadedSpeculation<Source>(wanted: unknown): { readonly draft: Source } | "lookup" | "off" {
  if (wanted === undefined) return "off";
  if (typeof wanted === "string") return checkChoice<"off" | "lookup">("speculate", wanted, ["off", "lookup"]);
  const { draft } = groupOf<{ readonly draft: Source }>("speculate", wanted, ["draft"]);
  if (draft === undefined) throw invalidOption("speculate.draft", "a model", draft);
  return { draft };
}

/** The obstacle of models of some shape. */
export function recurrentObstacle(): UnsupportedError {
  return new UnsupportedError(
    "UNSUPPORTED_SPECULATION",
    "speculate: the model keeps recurrent state, which cannot go back behind a wrong guess",
  );
}
