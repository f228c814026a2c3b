// What completions and embeddings are of: a text or several, ids or several lists of them.

import type { Prompt } from "../../index.js";
import type { Fields } from "./fields.js";

/** @throws RequestError when the field is missing, empty, or of another type */
export function promptsOf(fields: Fields, field: string): readonly [Prompt, ...Prompt[]] {
  const value = fields.need(field, "string", "array");
  fields.notes.fieldOf.set("prompt", field);
  if (typeof value === "string") return [value];
  const [first, ...others] = value;
  if (first === undefined) throw fields.invalid(field, "must not be empty");
  if (isIds(value)) return [value];
  if (isPrompt(first) && others.every(isPrompt)) return [first, ...others];
  throw fields.invalid(field, "must be a text, an array of token ids, or an array of these");
}

const isIds = (value: unknown): value is number[] => {
  return Array.isArray(value) && value.every((id) => typeof id === "number");
};

const isPrompt = (value: unknown): value is Prompt => typeof value === "string" || isIds(value);
