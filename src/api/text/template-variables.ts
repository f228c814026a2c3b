// Variables of chat templates, as callers set them: whether and how hard to think, what day it is.

import { checkJson, idleOption, invalidOption } from "../../options.js";

/** Variables of a chat template by their names, such as `{ enable_thinking: false }`: values of JSON. */
export type TemplateVariables = Readonly<Record<string, unknown>>;

/** What a chat sets itself. */
const reserved = [
  "messages",
  "tools",
  "bos_token",
  "eos_token",
  "add_generation_prompt",
  "raise_exception",
  ...["bosToken", "eosToken", "addGenerationPrompt", "now"],
];

/**
 * A copy of the variables, so that they stay as they were checked.
 *
 * @throws CriaError INVALID_OPTION for what is not JSON, and for names that a chat sets itself
 */
export function checkTemplateVariables(given: unknown): TemplateVariables {
  const variables = checkJson("templateVariables", given);
  if (typeof variables !== "object" || variables === null || Array.isArray(variables)) {
    throw invalidOption("templateVariables", "an object of the template's variables", given);
  }
  const taken = reserved.find((name) => Object.hasOwn(variables, name));
  if (taken !== undefined) throw idleOption(`templateVariables.${taken}`, "a chat sets it itself");
  if ("strftime_now" in variables) timeOf(variables.strftime_now);
  return variables as TemplateVariables;
}

/** The variables as `ChatTemplate` takes them. `strftime_now`, which is a function, becomes the time that it tells. */
export function renderOptionsOf({ strftime_now: time, ...variables }: TemplateVariables): Record<string, unknown> {
  return { ...variables, ...(time !== undefined && { now: timeOf(time) }) };
}

function timeOf(time: unknown): Date {
  const date = new Date(typeof time === "string" ? time : Number.NaN);
  if (!Number.isNaN(date.getTime())) return date;
  throw invalidOption("templateVariables.strftime_now", 'a time, such as "2026-07-04T12:00"', time);
}
