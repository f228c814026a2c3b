// What a grammar is before it is an automaton: rules, and how their texts are put together. Both notations, GBNF and JSON Schema, become
// this. Characters are Unicode code points here; bytes come with the automaton.

/** A range of code points, both ends included: [first, last]. */
export type CodePointRange = readonly [number, number];

export type Expression =
  /** Exactly this text. */
  | { readonly kind: "literal"; readonly text: string }
  /** One character of these ranges, which are in order and apart. */
  | { readonly kind: "set"; readonly ranges: readonly CodePointRange[] }
  | { readonly kind: "sequence"; readonly items: readonly Expression[] }
  /** One of these; none at all matches nothing. */
  | { readonly kind: "alternatives"; readonly items: readonly Expression[] }
  /** `most` may be Infinity. */
  | { readonly kind: "repeat"; readonly item: Expression; readonly least: number; readonly most: number }
  | { readonly kind: "rule"; readonly name: string }
  /** One token of the vocabulary as a whole: one of these ids, or (`negated`) any other. */
  | { readonly kind: "token"; readonly ids: readonly number[]; readonly negated: boolean }
  /**
   * The same, after the `[` of a JSON array: the rule reads on up to its `]`, and the array's items differ. `reserve`: how many more
   * tokens than by the grammar alone the items may need that must come, because the shortest can come only once.
   */
  | { readonly kind: "distinct"; readonly name: string; readonly reserve: number }
  /** What an automaton over bytes accepts. */
  | { readonly kind: "machine"; readonly machine: Machine }
  /** What both match, or what `left` matches and `right` does not; neither may call a rule that is part of itself. */
  | { readonly kind: "both" | "except"; readonly left: Expression; readonly right: Expression }
  /**
   * Members in order with a separator between those that are there: the members of a JSON object. The last one may come again and again.
   * In all there are `least` to `most` of them, and at least `least` - 1 that are not repeated.
   */
  | {
      readonly kind: "members";
      readonly items: readonly { readonly item: Expression; readonly required: boolean }[];
      readonly repeated: Expression | undefined;
      readonly separator: Expression;
      /** Whether the members, and those that are repeated, may come in any order. */
      readonly inAnyOrder?: boolean;
      readonly least: number;
      readonly most: number;
    };

/** A state of an automaton without choices: where each byte of low .. high leads. */
export interface MachineState {
  readonly edges: readonly { readonly low: number; readonly high: number; readonly target: number }[];
  /** The text may end here. */
  readonly accepts: boolean;
}

/** An automaton without choices, state 0 its first. Edges of state s: firstEdge[s] .. firstEdge[s + 1], in order of their bytes. */
export interface Machine {
  readonly firstEdge: number[];
  readonly low: number[];
  readonly high: number[];
  readonly target: number[];
  /** Of states, 1: the text may end here. */
  readonly accepts: number[];
}

/** A grammar: its texts are those of the rule `root`. */
export interface Grammar {
  readonly root: string;
  readonly rules: ReadonlyMap<string, Expression>;
}

export const nothing: Expression = { kind: "alternatives", items: [] };
export const empty: Expression = { kind: "sequence", items: [] };

export function literal(text: string): Expression {
  return text === "" ? empty : { kind: "literal", text };
}

export function rule(name: string): Expression {
  return { kind: "rule", name };
}

/** One character of any of the ranges, which may overlap and come in any order. */
export function set(ranges: Iterable<CodePointRange>): Expression {
  const merged = normalized(ranges);
  return merged.length === 0 ? nothing : { kind: "set", ranges: merged };
}

export function sequence(...items: readonly Expression[]): Expression {
  if (items.includes(nothing)) return nothing;
  const flat: Expression[] = [];
  for (const item of items) {
    if (item.kind === "sequence") for (const one of item.items) flat.push(one);
    else flat.push(item);
  }
  if (flat.length === 0) return empty;
  return flat.length === 1 ? flat[0]! : { kind: "sequence", items: flat };
}

export function alternatives(...items: readonly Expression[]): Expression {
  const flat: Expression[] = [];
  for (const item of items) {
    if (item.kind === "alternatives") for (const one of item.items) flat.push(one);
    else flat.push(item);
  }
  if (flat.length === 0) return nothing;
  return flat.length === 1 ? flat[0]! : { kind: "alternatives", items: flat };
}

export function repeat(item: Expression, least: number, most = Number.POSITIVE_INFINITY): Expression {
  if (most === 0 || item === empty) return empty;
  if (item === nothing) return least === 0 ? empty : nothing;
  return least === 1 && most === 1 ? item : { kind: "repeat", item, least, most };
}

export function machine(states: readonly MachineState[]): Expression {
  return { kind: "machine", machine: machineOf(states) };
}

export function machineOf(states: readonly MachineState[]): Machine {
  const made: Machine = { firstEdge: [0], low: [], high: [], target: [], accepts: [] };
  for (const { edges, accepts } of states) {
    for (const { low, high, target } of [...edges].sort((one, other) => one.low - other.low)) {
      made.low.push(low);
      made.high.push(high);
      made.target.push(target);
    }
    made.firstEdge.push(made.low.length);
    made.accepts.push(Number(accepts));
  }
  return made;
}

export function both(left: Expression, right: Expression): Expression {
  return left === nothing || right === nothing ? nothing : { kind: "both", left, right };
}

export function except(left: Expression, right: Expression): Expression {
  return left === nothing || right === nothing ? left : { kind: "except", left, right };
}

export function optional(item: Expression): Expression {
  return repeat(item, 0, 1);
}

/** The ranges in order, with those that touch or overlap made one. */
export function normalized(ranges: Iterable<CodePointRange>): CodePointRange[] {
  const sorted = [...ranges].sort(([a], [b]) => a - b);
  const merged: [number, number][] = [];
  for (const [first, last] of sorted) {
    const previous = merged.at(-1);
    if (previous !== undefined && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

const LAST_CODE_POINT = 0x10ffff;

/** Every code point that the ranges leave out. */
export function complement(ranges: Iterable<CodePointRange>): CodePointRange[] {
  const rest: CodePointRange[] = [];
  let next = 0;
  for (const [first, last] of normalized(ranges)) {
    if (first > next) rest.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST_CODE_POINT) rest.push([next, LAST_CODE_POINT]);
  return rest;
}
