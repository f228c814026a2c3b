// Marks: words by which a model divides its answer, such as </think> or [TOOL_CALLS]. Often a mark is one control token, which is not text.
// Grammars work on bytes, so a control token stands for bytes that no text has:
//
//   FF  id >> 14  id >> 7 & 127  id & 127

import {
  alternatives,
  type CodePointRange,
  complement,
  type Expression,
  empty,
  literal,
  machine,
  nothing,
  rule,
  sequence,
  set,
} from "./syntax.js";

/** The id of the control token with this text, if there is one. */
export type ControlIds = (text: string) => number | undefined;

/** The bytes for which a control token stands in a grammar. */
export function controlBytes(id: number): Uint8Array {
  return Uint8Array.of(0xff, (id >> 14) & 127, (id >> 7) & 127, id & 127);
}

/** A control token, as an expression. */
function control(id: number): Expression {
  const edges = [...controlBytes(id)].map((byte, i) => ({
    edges: [{ low: byte, high: byte, target: i + 1 }],
    accepts: false,
  }));
  return machine([...edges, { edges: [], accepts: true }]);
}

/** The control tokens in a text, and the texts between them: at each place the longest. */
export function controlsIn(
  text: string,
  controlIds: ControlIds,
): readonly { readonly text: string; readonly id?: number }[] {
  const pieces: { text: string; id?: number }[] = [];
  for (let at = 0; at < text.length; ) {
    let end = text.length;
    while (end > at && controlIds(text.slice(at, end)) === undefined) end--;
    const last = pieces.at(-1);
    if (end > at) pieces.push({ text: text.slice(at, end), id: controlIds(text.slice(at, end))! });
    else if (last !== undefined && last.id === undefined) last.text += text[at]!;
    else pieces.push({ text: text[at]! });
    at = Math.max(end, at + 1);
  }
  return pieces;
}

/** A mark with its control tokens; undefined: it has none. */
function withControls(text: string, controlIds: ControlIds): Expression | undefined {
  const pieces = controlsIn(text, controlIds);
  if (pieces.every(({ id }) => id === undefined)) return undefined;
  return sequence(...pieces.map((piece) => (piece.id === undefined ? literal(piece.text) : control(piece.id))));
}

/** A mark as a model may write it: with control tokens, or in letters. */
export function mark(text: string, controlIds: ControlIds): Expression {
  const controls = withControls(text, controlIds);
  return controls === undefined ? literal(text) : alternatives(controls, literal(text));
}

/** A mark that ends a text, and what follows it. */
export interface TextEnd {
  readonly mark: string;
  readonly next: Expression;
}

/**
 * Adds the rules of free text up to the first of some marks: the text, the mark and what follows it. `name` is the first rule's.
 *
 * @param mayEnd whether the answer may end in the text
 * @param forbidden marks that may not come
 */
export function addTextUntil(
  rules: Map<string, Expression>,
  name: string,
  ends: readonly TextEnd[],
  { mayEnd, controlIds, forbidden = [] }: { mayEnd: boolean; controlIds: ControlIds; forbidden?: readonly string[] },
): void {
  // The states of an Aho-Corasick automaton: each is the longest beginning of a mark that the text ends with.
  const marks = [...ends.map(({ mark }) => mark), ...forbidden].map((text) => Array.from(text));
  const beginnings = new Set([""]);
  for (const symbols of marks) for (let k = 1; k < symbols.length; k++) beginnings.add(symbols.slice(0, k).join(""));
  const isWhole = new Map(marks.map((symbols) => [symbols.join(""), true]));
  const stateOf = (text: string): string => {
    for (let rest = Array.from(text); ; rest = rest.slice(1)) {
      const joined = rest.join("");
      if (isWhole.has(joined) || beginnings.has(joined)) return joined;
    }
  };
  const named = (state: string) => (state === "" ? name : `${name} ${state}`);
  const after = new Map(ends.map(({ mark, next }) => [mark, next]));
  const symbols = [...new Set(marks.flat())];
  const ranges = (some: readonly string[]): CodePointRange[] =>
    some.map((symbol) => [symbol.codePointAt(0)!, symbol.codePointAt(0)!]);
  const controls = ends.flatMap(({ mark, next }) => {
    const written = withControls(mark, controlIds);
    return written === undefined ? [] : [sequence(written, next)];
  });
  for (const state of beginnings) {
    const targets = new Map<string, string[]>();
    for (const symbol of symbols) {
      const target = stateOf(state + symbol);
      if (target !== "") targets.set(target, [...(targets.get(target) ?? []), symbol]);
    }
    const ways = [...targets].map(([target, some]) => {
      const next = isWhole.has(target) ? (after.get(target) ?? nothing) : rule(named(target));
      return sequence(set(ranges(some)), next);
    });
    const others = complement(ranges([...targets.values()].flat()));
    rules.set(
      named(state),
      alternatives(...(mayEnd ? [empty] : []), sequence(set(others), rule(name)), ...ways, ...controls),
    );
  }
}
