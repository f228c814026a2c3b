// What a program gives to a template, as the template's values: messages, tools and documents are marked as from outside.

import { TemplateError } from "../../errors.js";
import { MarkedString } from "./marked-string.js";
import { Dict, Float, list, NONE, string, type Value } from "./values.js";

// A word: it cannot spell a control token by itself, and templates build control tokens of roles ("<|" + role + "|>").
const ROLE = /^\w+$/;

/** The messages of a conversation. Everything in them is from outside, except roles that are one word. */
export function messageValues(messages: readonly unknown[]): Value {
  return list(
    messages.map((message) => {
      const value = outsideValue(message);
      const role = value instanceof Dict ? value.get(string("role")) : undefined;
      if (value instanceof Dict && role instanceof MarkedString && ROLE.test(role.text)) {
        value.set(string("role"), string(role.text));
      }
      return value;
    }),
  );
}

/** A value of JavaScript, all its strings marked as from outside. */
export function outsideValue(input: unknown): Value {
  if (input === null || input === undefined) return NONE;
  if (typeof input === "boolean") return input;
  if (typeof input === "number") return Number.isSafeInteger(input) ? input + 0 : new Float(input);
  if (typeof input === "string") return MarkedString.outside(input);
  if (Array.isArray(input)) return list(input.map(outsideValue));
  if (typeof input === "object" && Object.getPrototypeOf(input) === Object.prototype) {
    const entries = Object.entries(input).filter(([, value]) => value !== undefined);
    return new Dict(entries.map(([key, value]) => [MarkedString.outside(key), outsideValue(value)]));
  }
  const kind = typeof input === "object" ? input.constructor.name : typeof input;
  throw new TemplateError("TEMPLATE_INPUT", `the chat template was given what is not JSON: a ${kind}`);
}
