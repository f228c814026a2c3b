// Tools that run by themselves: the options of `chat.run`, and what it gives.

import { checkCallback, checkInteger, groupOf, invalidOption, namesOf, readable } from "../../options.js";
import type { Tool } from "../tool.js";
import type { Completion, GeneratedPart } from "./generation.js";
import { type ToolCall, type ToolSet, toolSetOf } from "./tools.js";

/** A tool, with the function that a call of it runs. */
export interface RunnableTool extends Omit<Tool, "name"> {
  /** Gives the result: a text, or a value that is sent as JSON. What it throws ends the run. */
  run(given: Readonly<Record<string, unknown>>, more: { readonly signal?: AbortSignal | undefined }): unknown;
}

/** What a run needs besides how to answer. */
export interface ToolRunOptions {
  /** What the model may call, by name. */
  readonly tools: Readonly<Record<string, RunnableTool>>;
  /** How many answers may call tools; the one after them may not, so a run ends. Default 10. */
  readonly maxRounds?: number;
  /** Is told each part of each answer as it comes. */
  readonly onPart?: (part: GeneratedPart) => void;
}

export const toolRunOptionNames = namesOf<ToolRunOptions>({ tools: true, maxRounds: true, onPart: true });

/** A call that was run. */
export interface RanCall {
  readonly call: ToolCall;
  readonly result: unknown;
}

/** The answer at the end of a run. */
export interface RunCompletion extends Completion {
  /** What was called on the way, in order. */
  readonly ran: readonly RanCall[];
}

/** A run's tools and bounds, checked. */
export interface ToolRun {
  readonly tools: ToolSet;
  readonly maxRounds: number;
  readonly onPart: ((part: GeneratedPart) => void) | undefined;
  readonly runOf: (name: string) => RunnableTool["run"];
}

const MOST_ROUNDS = 1000;
const DEFAULT_ROUNDS = 10;
const fields = namesOf<RunnableTool>({ description: true, parameters: true, run: true });

/** @throws CriaError INVALID_OPTION */
export function toolRunOf({ tools, maxRounds = DEFAULT_ROUNDS, onPart }: Partial<ToolRunOptions>): ToolRun {
  checkCallback("onPart", onPart);
  const runs = new Map<string, RunnableTool["run"]>();
  const given = readable("tools", tools, () => {
    if (typeof tools !== "object" || tools === null || Array.isArray(tools)) {
      throw invalidOption("tools", "an object of tools { description, parameters, run } by their names", tools);
    }
    return Object.entries(tools).map(([name, tool]): Tool => {
      const { run, ...described } = groupOf<RunnableTool>(`tools.${name}`, tool, fields);
      if (typeof run !== "function") throw invalidOption(`tools.${name}.run`, "a function", run);
      runs.set(name, run);
      return { name, ...described };
    });
  });
  return {
    tools: toolSetOf(given),
    maxRounds: checkInteger("maxRounds", maxRounds, 1, MOST_ROUNDS),
    onPart,
    runOf: (name) => runs.get(name)!,
  };
}
