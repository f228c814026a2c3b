// The grammar of answers that may call tools: free text, and from the moment a call begins its notation, with arguments that the tool's
// schema finds valid.

import type { SchemaGrammar } from "../json-schema/compile-schema.js";
import { space } from "../json-schema/text.js";
import { addTextUntil, type ControlIds, mark } from "../marks.js";
import {
  alternatives,
  complement,
  type Expression,
  empty,
  literal,
  optional,
  repeat,
  rule,
  sequence,
  set,
} from "../syntax.js";
import {
  type AddressedNotation,
  type CallCount,
  isText,
  type MarkedNotation,
  openingOf,
  type Part,
  type ToolNotation,
  type ToolSignature,
} from "./notation.js";
import { argumentsOf, type Rules } from "./tool-arguments.js";

const ROOT = "answer";

/**
 * The grammar of answers that may call tools.
 *
 * @param controlIds the ids of control tokens, by their texts
 * @throws UnsupportedError UNSUPPORTED_SCHEMA, GrammarError SCHEMA_INVALID, with the tool's name
 */
export function toolGrammar(
  tools: readonly ToolSignature[],
  notation: ToolNotation,
  count: CallCount,
  controlIds: ControlIds,
): SchemaGrammar {
  const into: Rules = { rules: new Map(), ignored: new Map(), controlIds };
  const { rules, ignored } = into;
  const tags = notation.kind === "marked" ? notation.tags : undefined;
  const signed = tools.map((tool) => ({ tool, body: argumentsOf(into, tool, tags) }));
  const callIn = (parts: readonly Part[]) =>
    alternatives(...signed.map(({ tool, body }) => written(parts, controlIds, { name: tool.name, body })));
  if (notation.kind === "addressed") {
    rules.set("call", alternatives(...notation.call.map(callIn)));
    addMessages(into, notation, count);
  } else {
    rules.set("call", callIn(notation.call));
    const opening = openingOf(notation);
    const after = (parts: readonly Part[]) => parts.slice(parts.indexOf(opening) + 1);
    const first = notation.begin.includes(opening)
      ? sequence(written(after(notation.begin), controlIds), rule("call"))
      : callIn(after(notation.call));
    addTextAndCalls(into, notation, { opening, first }, count);
  }
  return { grammar: { root: ROOT, rules }, ignored };
}

/** Parts as an expression. */
function written(
  parts: readonly Part[],
  controlIds: ControlIds,
  call: { readonly name: string; readonly body: Expression } = { name: "", body: empty },
): Expression {
  const alphanumeric = set([
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x61, 0x7a],
  ]);
  const slots = {
    gap: space,
    name: literal(call.name),
    quotedName: literal(JSON.stringify(call.name)),
    id: repeat(alphanumeric, 9, 9),
    index: repeat(set([[0x30, 0x39]]), 1, 3),
    arguments: call.body,
  };
  return sequence(...parts.map((part) => (isText(part) ? mark(part, controlIds) : slots[part.slot])));
}

/** Free text up to the opening mark, and calls from there on. `first` is what comes after the mark, with the first call. */
function addTextAndCalls(
  { rules, controlIds }: Rules,
  { between, end, replacesText }: MarkedNotation,
  { opening, first }: { readonly opening: string; readonly first: Expression },
  { least, most }: CallCount,
): void {
  const more = between !== undefined && most === "any";
  if (more) rules.set("more", optional(sequence(written(between, controlIds), rule("call"), rule("more"))));
  rules.set("calls", sequence(first, more ? rule("more") : empty, written(end, controlIds)));
  const calls = sequence(mark(opening, controlIds), rule("calls"));
  if (least === 1) rules.set(ROOT, calls);
  else if (replacesText) {
    const begins = opening.codePointAt(0)!;
    const text = optional(sequence(set(complement([[begins, begins]])), repeat(set(complement([])), 0)));
    rules.set(ROOT, most === 0 ? text : alternatives(calls, text));
  } else {
    const ends = most === 0 ? [] : [{ mark: opening, next: rule("calls") }];
    addTextUntil(rules, ROOT, ends, { mayEnd: true, controlIds, forbidden: most === 0 ? [opening] : [] });
  }
}

/** Messages one after another: thoughts, texts, then calls. */
function addMessages({ rules, controlIds }: Rules, notation: AddressedNotation, { least, most }: CallCount): void {
  const { text, thoughts, messageEnd, callEnd, next, parallel, bareText } = notation;
  const onward = sequence(written(next, controlIds), rule(ROOT));
  const last = callEnd === undefined ? empty : optional(mark(callEnd, controlIds));
  const again = parallel && most === "any";
  const goesOn = sequence(space, mark(messageEnd, controlIds), written(next, controlIds), rule("calls"));
  rules.set("after call", again ? alternatives(empty, goesOn) : last);
  rules.set("calls", sequence(rule("call"), rule("after call")));
  const ways: Expression[] = [];
  if (most !== 0) ways.push(rule("calls"));
  if (least === 0) ways.push(...text.map((header) => sequence(written(header, controlIds), rule("text"))));
  if (thoughts !== undefined) ways.push(sequence(written(thoughts, controlIds), rule("thoughts")));
  rules.set(ROOT, alternatives(...ways));
  const mayGoOn = bareText !== true && (most !== 0 || thoughts !== undefined);
  const ends = mayGoOn ? [{ mark: messageEnd, next: onward }] : [];
  const forbidden = mayGoOn ? [] : [messageEnd];
  addTextUntil(rules, "text", ends, { mayEnd: true, controlIds, forbidden });
  if (thoughts !== undefined)
    addTextUntil(rules, "thoughts", [{ mark: messageEnd, next: onward }], { mayEnd: false, controlIds });
}

/**
 * A grammar that holds for the text of an answer in messages: thoughts, if the notation has them, and one text.
 *
 * @param controlIds the ids of control tokens, by their texts
 */
export function messageGrammar(
  { grammar, ignored }: SchemaGrammar,
  { text, thoughts, messageEnd, next }: AddressedNotation,
  controlIds: ControlIds,
): SchemaGrammar {
  const root = "messages";
  const rules = new Map(grammar.rules);
  const answer = sequence(written(text[0]!, controlIds), rule(grammar.root));
  const ways = [answer];
  if (thoughts !== undefined) {
    const after = sequence(written(next, controlIds), rule(root));
    addTextUntil(rules, "thoughts", [{ mark: messageEnd, next: after }], { mayEnd: false, controlIds });
    ways.push(sequence(written(thoughts, controlIds), rule("thoughts")));
  }
  rules.set(root, alternatives(...ways));
  return { grammar: { root, rules }, ignored };
}
