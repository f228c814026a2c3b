// Builds the automaton of a grammar: expressions become states and edges, small rules are written out where they are called.

import { GrammarError } from "../errors.js";
import { type Automaton, EDGE_BYTES, EDGE_CALL, EDGE_EMPTY, NO_RETURN } from "./automaton.js";
import { combination, type Network } from "./intersection.js";
import type { Expression, Grammar, MachineState } from "./syntax.js";
import { type ByteSequence, utf8Sequences } from "./utf8-ranges.js";

/** States of the largest automaton, and how many parts of expressions are unrolled at most on the way there. */
const MOST_STATES = 2 ** 17;
const MOST_PARTS = 2 ** 20;
/** States of what two expressions have in common. */
const MOST_JOINT_STATES = 2 ** 14;
/** A rule without loops of up to so many parts is written out where it is called: tokens then seldom cross its border. */
const INLINE_PARTS = 48;
const INLINE_DEPTH = 16;
/** Counts from which a repetition gets an endless twin. */
const TWIN_COUNT = 8;

/** The automaton of a grammar, and how its rules are called. @throws GrammarError GRAMMAR_TOO_LARGE */
export function buildAutomaton(grammar: Grammar): { automaton: Automaton; ruleNames: readonly string[] } {
  return new Builder(grammar).build();
}

class Builder {
  readonly #grammar: Grammar;
  readonly #encoder = new TextEncoder();
  readonly #ruleNumbers = new Map<string, number>();
  readonly #ruleNames: string[] = [];
  readonly #inlineParts = new Map<string, number>();
  readonly #edges: { readonly kind: number; readonly data: number; target: number }[][] = [];
  readonly #final: boolean[] = [];
  readonly #twins: { readonly state: number; readonly twin: number; readonly left: number }[] = [];
  readonly #inlinesAll: boolean;
  /** What each rule of an array of distinct items keeps back. */
  readonly #distinct = new Map<string, number>();
  #parts = 0;
  #inlineDepth = 0;

  /** @param inlinesAll writes all rules out where they are called; only for expressions whose rules do not contain themselves */
  constructor(grammar: Grammar, inlinesAll = false) {
    this.#grammar = grammar;
    this.#inlinesAll = inlinesAll;
  }

  /** An expression alone. */
  network(expression: Expression): Network {
    const start = this.#state();
    const end = this.#add(expression, start);
    const edges = this.#edges.map((list) =>
      list.map(({ kind, data, target }) => {
        return { bytes: kind === EDGE_BYTES ? ([data >> 8, data & 0xff] as const) : undefined, target };
      }),
    );
    return { edges, start, end };
  }

  build(): { automaton: Automaton; ruleNames: readonly string[] } {
    const starts: number[] = [];
    this.#numberOf(this.#grammar.root);
    for (let number = 0; number < this.#ruleNames.length; number++) {
      const start = this.#state();
      starts.push(start);
      const end = this.#add(this.#grammar.rules.get(this.#ruleNames[number]!)!, start);
      this.#final[end] = true;
    }
    this.#markLastCalls();
    return { automaton: this.#pack(starts), ruleNames: this.#ruleNames };
  }

  #numberOf(name: string): number {
    let number = this.#ruleNumbers.get(name);
    if (number === undefined) {
      number = this.#ruleNames.push(name) - 1;
      this.#ruleNumbers.set(name, number);
    }
    return number;
  }

  #state(): number {
    if (this.#edges.length === MOST_STATES) throw tooLarge(`${MOST_STATES} states`);
    this.#final.push(false);
    return this.#edges.push([]) - 1;
  }

  #edge(from: number, kind: number, data: number, target: number): void {
    this.#edges[from]!.push({ kind, data, target });
  }

  /** Adds an expression after `from`, to which it adds no way back, and returns the state after it. */
  #add(expression: Expression, from: number): number {
    if (++this.#parts > MOST_PARTS) throw tooManyParts();
    switch (expression.kind) {
      case "literal":
        return this.#addLiteral(expression.text, from);
      case "set": {
        const end = this.#state();
        this.#addSequences(expression.ranges.flatMap(utf8Sequences), from, end);
        return end;
      }
      case "sequence":
        return expression.items.reduce((at, item) => this.#add(item, at), from);
      case "alternatives": {
        const end = this.#state();
        const texts = expression.items.map((item) => this.#textOf(item)).filter((text) => text !== undefined);
        this.#addTexts(texts, from, end);
        for (const item of expression.items) {
          if (this.#textOf(item) === undefined) this.#edge(this.#add(item, from), EDGE_EMPTY, 0, end);
        }
        return end;
      }
      case "repeat":
        return this.#addRepeat(expression, from);
      case "rule": {
        if (this.#inlinesAll || this.#inlineCost(expression.name) <= INLINE_PARTS) {
          return this.#add(this.#grammar.rules.get(expression.name)!, from);
        }
        const end = this.#state();
        this.#edge(from, EDGE_CALL, this.#numberOf(expression.name), end);
        return end;
      }
      case "distinct": {
        this.#distinct.set(expression.name, expression.reserve);
        const end = this.#state();
        this.#edge(from, EDGE_CALL, this.#numberOf(expression.name), end);
        return end;
      }
      case "both":
      case "except":
        return this.#addCombination(expression, from);
      case "members":
        return this.#addMembers(expression, from);
      case "machine":
        return this.#addMachine(expression.states, from);
    }
  }

  #addLiteral(text: string, from: number): number {
    let at = from;
    for (const byte of this.#encoder.encode(text)) {
      const next = this.#state();
      this.#edge(at, EDGE_BYTES, (byte << 8) | byte, next);
      at = next;
    }
    return at;
  }

  /** What an expression says if it is one text only. */
  #textOf(expression: Expression): string | undefined {
    const said = expression.kind === "rule" ? this.#grammar.rules.get(expression.name)! : expression;
    return said.kind === "literal" ? said.text : undefined;
  }

  /** Texts from one state to another; what is the same at their beginnings is shared, so that long lists of words are one thread. */
  #addTexts(texts: readonly string[], from: number, end: number): void {
    const after = new Map<string, number>();
    const ends = new Set<number>();
    for (const text of texts) {
      if (++this.#parts > MOST_PARTS) throw tooManyParts();
      let at = from;
      for (const byte of this.#encoder.encode(text)) {
        const key = `${at} ${byte}`;
        let next = after.get(key);
        if (next === undefined) {
          next = this.#state();
          after.set(key, next);
          this.#edge(at, EDGE_BYTES, (byte << 8) | byte, next);
        }
        at = next;
      }
      ends.add(at);
    }
    for (const state of ends) this.#edge(state, EDGE_EMPTY, 0, end);
  }

  /** Byte sequences from one state to another; what is the same at their ends is shared. */
  #addSequences(sequences: readonly ByteSequence[], from: number, end: number): void {
    const rests = new Map<string, number>();
    const stateBefore = (rest: ByteSequence): number => {
      if (rest.length === 0) return end;
      const key = rest.join();
      let state = rests.get(key);
      if (state === undefined) {
        state = this.#state();
        rests.set(key, state);
        const [low, high] = rest[0]!;
        this.#edge(state, EDGE_BYTES, (low << 8) | high, stateBefore(rest.slice(1)));
      }
      return state;
    };
    for (const sequence of sequences) {
      const [low, high] = sequence[0]!;
      this.#edge(from, EDGE_BYTES, (low << 8) | high, stateBefore(sequence.slice(1)));
    }
  }

  #addRepeat({ item, least, most }: Extract<Expression, { kind: "repeat" }>, from: number): number {
    let at = from;
    for (let i = 0; i < least; i++) at = this.#add(item, at);
    if (most === Number.POSITIVE_INFINITY) {
      const loop = this.#state();
      this.#edge(at, EDGE_EMPTY, 0, loop);
      this.#edge(this.#add(item, loop), EDGE_EMPTY, 0, loop);
      return loop;
    }
    if (most === least) return at;
    const end = this.#state();
    let twin: number | undefined;
    if (most - least >= TWIN_COUNT && this.#readsBytes(item)) {
      twin = this.#state();
      this.#edge(this.#add(item, twin), EDGE_EMPTY, 0, twin);
      this.#edge(twin, EDGE_EMPTY, 0, end);
    }
    for (let i = least; i < most; i++) {
      if (twin !== undefined) this.#twins.push({ state: at, twin, left: most - i });
      this.#edge(at, EDGE_EMPTY, 0, end);
      at = this.#add(item, at);
    }
    this.#edge(at, EDGE_EMPTY, 0, end);
    return end;
  }

  /** Whether every text of an expression has a byte; false where that takes more than a look. */
  #readsBytes(expression: Expression): boolean {
    switch (expression.kind) {
      case "literal":
      case "set":
        return true;
      case "sequence":
        return expression.items.some((item) => this.#readsBytes(item));
      case "alternatives":
        return expression.items.every((item) => this.#readsBytes(item));
      case "repeat":
        return expression.least > 0 && this.#readsBytes(expression.item);
      case "rule": // one that is written out here calls no more than a few others
        return (
          this.#inlineCost(expression.name) <= INLINE_PARTS &&
          this.#readsBytes(this.#grammar.rules.get(expression.name)!)
        );
      case "distinct":
      case "both":
      case "except":
      case "members":
      case "machine":
        return false;
    }
  }

  #addCombination({ kind, left, right }: Extract<Expression, { kind: "both" | "except" }>, from: number): number {
    const [one, other] = [left, right].map((part) => new Builder(this.#grammar, true).network(part));
    const joints = combination(kind, one!, other!, MOST_JOINT_STATES);
    if (joints === undefined) throw tooLarge(`${MOST_JOINT_STATES} states for what two patterns have in common`);
    return this.#addMachine(joints, from);
  }

  #addMachine(machine: readonly MachineState[], from: number): number {
    const states = machine.map(() => this.#state());
    const end = this.#state();
    this.#edge(from, EDGE_EMPTY, 0, states[0]!);
    for (const [i, { edges, accepts }] of machine.entries()) {
      for (const { low, high, target } of edges) {
        this.#edge(states[i]!, EDGE_BYTES, (low << 8) | high, states[target]!);
      }
      if (accepts) this.#edge(states[i]!, EDGE_EMPTY, 0, end);
    }
    return end;
  }

  /**
   * Between members there is a state for every number of them that have come, as far as it matters: where nothing is counted, none and
   * some, so that a separator goes before all but the first.
   */
  #addMembers(expression: Extract<Expression, { kind: "members" }>, from: number): number {
    const { items, repeated, separator, least, most } = expression;
    // Beyond `counted` all numbers are alike.
    const counted = Math.max(1, least, most === Number.POSITIVE_INFINITY ? 0 : most);
    /** The states in which 0, 1, 2, ... members have come. */
    let states: (number | undefined)[] = [this.#state()];
    this.#edge(from, EDGE_EMPTY, 0, states[0]!);
    const enter = (count: number): number => {
      const start = this.#state();
      this.#edge(count > 0 ? this.#add(separator, states[count]!) : states[0]!, EDGE_EMPTY, 0, start);
      return start;
    };
    const next = (count: number) => Math.min(count + 1, counted);
    for (const { item, required } of items) {
      const after: (number | undefined)[] = [];
      const joined = (count: number) => {
        after[count] ??= this.#state();
        return after[count];
      };
      for (const [count, state] of states.entries()) {
        if (state === undefined) continue;
        if (count < most) this.#edge(this.#add(item, enter(count)), EDGE_EMPTY, 0, joined(next(count)));
        if (!required) this.#edge(state, EDGE_EMPTY, 0, joined(count));
      }
      states = after;
    }
    if (repeated !== undefined) {
      const last = most === Number.POSITIVE_INFINITY ? counted : most - 1;
      for (let count = 0; count <= last; count++) {
        // Names could come again: of all that may be repeated, one counts towards the least.
        if (states[count] === undefined || count + 1 < least) continue;
        states[next(count)] ??= this.#state();
        this.#edge(this.#add(repeated, enter(count)), EDGE_EMPTY, 0, states[next(count)]!);
      }
    }
    const end = this.#state();
    for (const [count, state] of states.entries()) {
      if (state !== undefined && count >= least) this.#edge(state, EDGE_EMPTY, 0, end);
    }
    return end;
  }

  /** Parts of a rule with what it calls written out; Infinity for a rule that has a loop, is part of itself, or calls too deep. */
  #inlineCost(name: string): number {
    const known = this.#inlineParts.get(name);
    if (known !== undefined) return known;
    this.#inlineParts.set(name, Number.POSITIVE_INFINITY); // should it meet itself
    const fits = ++this.#inlineDepth <= INLINE_DEPTH && name !== this.#grammar.root;
    const cost = fits ? this.#partsOf(this.#grammar.rules.get(name)!) : Number.POSITIVE_INFINITY;
    this.#inlineDepth--;
    this.#inlineParts.set(name, cost);
    return cost;
  }

  #partsOf(expression: Expression): number {
    switch (expression.kind) {
      case "literal":
        return expression.text.length;
      case "set":
        return 4;
      case "sequence":
      case "alternatives":
        return expression.items.reduce((sum, item) => sum + this.#partsOf(item), 1);
      case "repeat":
        return expression.most * this.#partsOf(expression.item);
      case "rule":
        return this.#inlineCost(expression.name);
      case "distinct":
      case "both":
      case "except":
      case "members":
      case "machine":
        return Number.POSITIVE_INFINITY;
    }
  }

  /** A call whose rule ends right after it needs no place to return to: a list that calls itself last takes no stack. */
  #markLastCalls(): void {
    const over = this.#edges.map((edges, state) => this.#final[state]! && edges.length === 0);
    // So is a state with one empty edge to such a state. Ends of groups are numbered before what is in the group.
    for (const [state, [only, ...others]] of this.#edges.entries()) {
      if (only?.kind === EDGE_EMPTY && others.length === 0 && over[only.target]) over[state] = true;
    }
    for (const edges of this.#edges) {
      for (const edge of edges) if (edge.kind === EDGE_CALL && over[edge.target]) edge.target = NO_RETURN;
    }
  }

  #pack(starts: readonly number[]): Automaton {
    const edges = this.#edges.flat();
    const firstEdge = new Int32Array(this.#edges.length + 1);
    for (const [state, { length }] of this.#edges.entries()) firstEdge[state + 1] = firstEdge[state]! + length;
    const endlessTwin = new Int32Array(this.#edges.length).fill(-1);
    const repetitionsLeft = new Int32Array(this.#edges.length);
    for (const { state, twin, left } of this.#twins) {
      endlessTwin[state] = twin;
      repetitionsLeft[state] = left;
    }
    // A class begins where some range begins or has just ended.
    const begins = new Uint8Array(257);
    begins[0] = 1;
    for (const { kind, data } of edges) if (kind === EDGE_BYTES) begins[data >> 8] = begins[(data & 0xff) + 1] = 1;
    const classOfByte = new Uint8Array(256);
    const byteOfClass: number[] = [];
    for (let byte = 0; byte < 256; byte++) {
      if (begins[byte] === 1) byteOfClass.push(byte);
      classOfByte[byte] = byteOfClass.length - 1;
    }
    const distinct = new Uint8Array(this.#edges.length);
    for (const [rule, name] of this.#ruleNames.entries()) {
      if (this.#distinct.has(name)) distinct.fill(1, starts[rule], starts[rule + 1] ?? this.#edges.length);
    }
    return {
      distinct,
      reserve: [...this.#distinct.values()].reduce((sum, reserve) => sum + reserve, 0),
      starts: Int32Array.from(starts),
      firstEdge,
      edgeKind: Uint8Array.from(edges, ({ kind }) => kind),
      edgeData: Int32Array.from(edges, ({ data }) => data),
      edgeTarget: Int32Array.from(edges, ({ target }) => target),
      final: Uint8Array.from(this.#final, Number),
      endlessTwin,
      repetitionsLeft,
      classOfByte,
      byteOfClass: Uint8Array.from(byteOfClass),
    };
  }
}

function tooManyParts(): GrammarError {
  return tooLarge(`${MOST_PARTS} parts when its repetitions are written out`);
}

function tooLarge(what: string): GrammarError {
  return new GrammarError("GRAMMAR_TOO_LARGE", `the grammar is too large: more than ${what}`);
}
