// From a template's source and what it is given to its output: what the text worker runs.

import { globals } from "./globals.js";
import { messageValues, outsideValue } from "./inputs.js";
import { runTemplate } from "./interpreter.js";
import type { MarkedString } from "./marked-string.js";
import { parseTemplate } from "./parser.js";
import type { LocalTime } from "./strftime.js";
import type { Block } from "./syntax.js";
import { string } from "./values.js";

/** A template and what it is given; it can be sent to another thread. */
export interface TemplateInput {
  readonly source: string;
  readonly messages: readonly unknown[];
  readonly bosToken: string;
  readonly eosToken: string;
  /** All other variables, by the names that templates know them by. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly now: LocalTime;
}

// A program has few templates and renders them often.
const CACHED_TEMPLATES = 8;
const parsed = new Map<string, Block>();

/** The output of a template. @throws TemplateError; RangeError where it is nested too deeply */
export function renderTemplate(input: TemplateInput): MarkedString {
  return runTemplate(parsedTemplate(input.source), [
    ...globals(input.now),
    ["bos_token", string(input.bosToken)],
    ["eos_token", string(input.eosToken)],
    ["messages", messageValues(input.messages)],
    ...Object.entries(input.variables).map(([name, value]) => [name, outsideValue(value)] as const),
  ]);
}

function parsedTemplate(source: string): Block {
  const body = parsed.get(source) ?? parseTemplate(source);
  parsed.delete(source);
  parsed.set(source, body);
  const [oldest] = parsed.keys();
  if (parsed.size > CACHED_TEMPLATES && oldest !== undefined) parsed.delete(oldest);
  return body;
}
