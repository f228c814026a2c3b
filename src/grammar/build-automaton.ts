// Builds the automaton of a grammar: expressions become parts.

import {
  type Automaton,
  BOTH,
  ENDLESS,
  EXCEPT,
  MEMBER_WORDS,
  MEMBERS_FIRST,
  PART_ALTERNATIVES,
  PART_CALL,
  PART_LITERAL,
  PART_MACHINE,
  PART_MEMBERS,
  PART_PRODUCT,
  PART_REPEAT,
  PART_SEQUENCE,
  PART_TOKEN,
} from "./automaton.js";
import { tooLarge } from "./limits.js";
import { shared } from "./shared-array.js";
import {
  type CodePointRange,
  type Expression,
  type Grammar,
  type Machine,
  type MachineState,
  machineOf,
} from "./syntax.js";
import { machineOfRanges } from "./utf8-ranges.js";

/** Parts of the largest grammar, and states of its machines. */
const MOST_PARTS = 2 ** 20;
const MOST_MACHINE_STATES = 2 ** 20;
/** Bytes of all literals, and of one. */
const MOST_BYTES = 2 ** 24;
const LONGEST_LITERAL = 2 ** 17;
/** Counts beyond it count no more: no text is so long. */
const MOST_COUNT = 2 ** 30;
/** A rule of up to so many parts is written out where it is called: the shortest way then crosses its border. */
const INLINE_PARTS = 48;
const INLINE_DEPTH = 16;
/** More texts than these become a tree of their bytes. */
const FEW_TEXTS = 4;

/** What is built before lengths are known. */
export interface Built {
  readonly automaton: Automaton;
  readonly ruleNames: readonly string[];
  /** The parts of rule r: firstPart[r] .. firstPart[r + 1]. */
  readonly firstPart: readonly number[];
}

/** @throws GrammarError GRAMMAR_TOO_LARGE */
export function buildAutomaton(grammar: Grammar): Built {
  return new Builder(grammar).build();
}

class Builder {
  readonly #grammar: Grammar;
  readonly #encoder = new TextEncoder();
  readonly #ruleNumbers = new Map<string, number>();
  readonly #ruleNames: string[] = [];
  readonly #inlineParts = new Map<string, number>();
  /** What each rule of an array of distinct items keeps back. */
  readonly #distinct = new Map<string, number>();
  /** The parts of the expressions of the rule under way. */
  #partOf = new Map<Expression, number>();
  readonly #kind: number[] = [];
  readonly #a: number[] = [];
  readonly #b: number[] = [];
  readonly #c: number[] = [];
  readonly #list: number[] = [];
  readonly #bytes: number[] = [];
  readonly #literals = new Map<string, readonly [offset: number, length: number]>();
  /** All machines, one after another. */
  readonly #machines: Machine = { firstEdge: [0], low: [], high: [], target: [], accepts: [] };
  /** First states of sets, by their ranges and by what these say. */
  readonly #firstOfRanges = new Map<readonly CodePointRange[], number>();
  readonly #firstOfSet = new Map<string, number>();
  #inlineDepth = 0;

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
  }

  build(): Built {
    const firstPart: number[] = [];
    const rules: number[] = [];
    this.#numberOf(this.#grammar.root);
    for (let number = 0; number < this.#ruleNames.length; number++) {
      firstPart.push(this.#kind.length);
      this.#partOf = new Map();
      rules.push(this.#part(this.#grammar.rules.get(this.#ruleNames[number]!)!));
    }
    firstPart.push(this.#kind.length);
    return { automaton: this.#pack(rules), ruleNames: this.#ruleNames, firstPart };
  }

  #numberOf(name: string): number {
    let number = this.#ruleNumbers.get(name);
    if (number === undefined) {
      number = this.#ruleNames.push(name) - 1;
      this.#ruleNumbers.set(name, number);
    }
    return number;
  }

  #add(kind: number, a: number, b = 0, c = 0): number {
    if (this.#kind.length === MOST_PARTS) throw tooLarge(`${MOST_PARTS} parts`);
    this.#a.push(a);
    this.#b.push(b);
    this.#c.push(c);
    return this.#kind.push(kind) - 1;
  }

  #addList(kind: number, parts: readonly number[]): number {
    const first = this.#list.length;
    for (const part of parts) this.#list.push(part);
    return this.#add(kind, first, parts.length);
  }

  #part(expression: Expression): number {
    const known = this.#partOf.get(expression);
    if (known !== undefined) return known;
    const part = this.#newPart(expression);
    this.#partOf.set(expression, part);
    return part;
  }

  #newPart(expression: Expression): number {
    switch (expression.kind) {
      case "literal":
        return this.#literal(expression.text);
      case "set": {
        return this.#add(PART_MACHINE, this.#set(expression.ranges));
      }
      case "machine":
        return this.#add(PART_MACHINE, this.#place(expression.machine));
      case "sequence":
        return this.#sequence(expression.items);
      case "alternatives": {
        const { items } = expression;
        const texts = items.length > FEW_TEXTS ? items.map((item) => this.#textOf(item)) : [];
        const known = texts.filter((text) => text !== undefined);
        const shared = known.length > FEW_TEXTS;
        const parts = new Set<number>();
        for (const [i, item] of items.entries()) if (!shared || texts[i] === undefined) parts.add(this.#part(item));
        if (shared) parts.add(this.#texts(known));
        return parts.size === 1 ? [...parts][0]! : this.#addList(PART_ALTERNATIVES, [...parts]);
      }
      case "repeat": {
        const { item, least, most } = expression;
        // Any number of times, any number of times, is any number of times.
        if (item.kind === "repeat" && item.least === 0 && item.most === Number.POSITIVE_INFINITY && most > 0) {
          return this.#part(item);
        }
        if (least > MOST_COUNT) throw tooLarge(`${MOST_COUNT} repetitions`);
        return this.#add(PART_REPEAT, this.#part(item), least, most > MOST_COUNT ? ENDLESS : most);
      }
      case "rule":
        if (this.#inlineCost(expression.name) <= INLINE_PARTS) {
          return this.#part(this.#grammar.rules.get(expression.name)!);
        }
        return this.#add(PART_CALL, this.#numberOf(expression.name));
      case "distinct":
        this.#distinct.set(expression.name, expression.reserve);
        return this.#add(PART_CALL, this.#numberOf(expression.name), 0, 1);
      case "both":
      case "except": {
        const kind = expression.kind === "both" ? BOTH : EXCEPT;
        return this.#add(PART_PRODUCT, this.#part(expression.left), this.#part(expression.right), kind);
      }
      case "members":
        return this.#members(expression);
      case "token": {
        const first = this.#list.length;
        for (const id of expression.ids) this.#list.push(id);
        return this.#add(PART_TOKEN, first, expression.ids.length, Number(expression.negated));
      }
    }
  }

  #literal(text: string): number {
    const known = this.#literals.get(text);
    if (known !== undefined) return this.#add(PART_LITERAL, ...known);
    const bytes = isAscii(text) ? text : this.#encoder.encode(text);
    if (bytes.length > LONGEST_LITERAL) throw tooLarge(`${LONGEST_LITERAL} bytes in one text`);
    if (this.#bytes.length + bytes.length > MOST_BYTES) throw tooLarge(`${MOST_BYTES} bytes of texts`);
    const place = [this.#bytes.length, bytes.length] as const;
    for (let i = 0; i < bytes.length; i++) {
      this.#bytes.push(typeof bytes === "string" ? bytes.charCodeAt(i) : bytes[i]!);
    }
    this.#literals.set(text, place);
    return this.#add(PART_LITERAL, ...place);
  }

  /** Texts that follow one another are one. */
  #sequence(items: readonly Expression[]): number {
    const parts: number[] = [];
    let text = "";
    const flush = () => {
      if (text !== "") parts.push(this.#literal(text));
      text = "";
    };
    const add = (list: readonly Expression[]) => {
      for (const item of list) {
        if (item.kind === "sequence") add(item.items);
        else if (item.kind === "literal") text += item.text;
        else {
          flush();
          parts.push(this.#part(item));
        }
      }
    };
    add(items);
    flush();
    return parts.length === 1 ? parts[0]! : this.#addList(PART_SEQUENCE, parts);
  }

  /** What an expression says if it is one text only. */
  #textOf(expression: Expression): string | undefined {
    const said = expression.kind === "rule" ? this.#grammar.rules.get(expression.name)! : expression;
    return said.kind === "literal" ? said.text : undefined;
  }

  /** One of several texts: a tree of their bytes. */
  #texts(texts: readonly string[]): number {
    const states: { edges: Edge[]; accepts: boolean }[] = [{ edges: [], accepts: false }];
    const after = new Map<number, number>();
    for (const text of texts) {
      let at = 0;
      for (const byte of this.#encoder.encode(text)) {
        const key = at * 256 + byte;
        let next = after.get(key);
        if (next === undefined) {
          next = states.push({ edges: [], accepts: false }) - 1;
          if (next === MOST_MACHINE_STATES) throw tooLarge(`${MOST_MACHINE_STATES} states of texts and sets`);
          after.set(key, next);
          states[at]!.edges.push({ low: byte, high: byte, target: next });
        }
        at = next;
      }
      states[at]!.accepts = true;
    }
    return this.#add(PART_MACHINE, this.#place(machineOf(states)));
  }

  #set(ranges: readonly CodePointRange[]): number {
    const known = this.#firstOfRanges.get(ranges);
    if (known !== undefined) return known;
    const key = ranges.join();
    const first = this.#firstOfSet.get(key) ?? this.#place(machineOfSet(ranges));
    this.#firstOfRanges.set(ranges, first);
    this.#firstOfSet.set(key, first);
    return first;
  }

  /** Puts a machine behind the others. Returns its first state. */
  #place({ firstEdge, low, high, target, accepts }: Machine): number {
    const machines = this.#machines;
    const first = machines.accepts.length;
    const edges = machines.low.length;
    for (let state = 0; state < accepts.length; state++) {
      machines.accepts.push(accepts[state]!);
      machines.firstEdge.push(edges + firstEdge[state + 1]!);
    }
    for (let edge = 0; edge < low.length; edge++) {
      machines.low.push(low[edge]!);
      machines.high.push(high[edge]!);
      machines.target.push(first + target[edge]!);
    }
    if (machines.accepts.length > MOST_MACHINE_STATES)
      throw tooLarge(`${MOST_MACHINE_STATES} states of texts and sets`);
    return first;
  }

  #members({
    items,
    repeated,
    separator,
    inAnyOrder = false,
    least,
    most,
  }: Extract<Expression, { kind: "members" }>): number {
    const members = items.map(({ item, required }) => [this.#part(item), Number(required), 0, 0]);
    const again = repeated === undefined ? -1 : this.#part(repeated);
    const between = this.#part(separator);
    const first = this.#list.length;
    this.#list.push(between, again, least, most === Number.POSITIVE_INFINITY ? ENDLESS : most);
    this.#list.push(items.length, Number(inAnyOrder));
    for (const words of members) this.#list.push(...words);
    this.#list.push(-1, 0, 0, 0);
    return this.#add(PART_MEMBERS, first, MEMBERS_FIRST + MEMBER_WORDS * (items.length + 1));
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
      case "token":
        return 1;
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

  #pack(rules: readonly number[]): Automaton {
    const distances = distancesToEnds(this.#machines);
    const machines = withoutDeadEnds(this.#machines, distances);
    return {
      kind: shared(Uint8Array, this.#kind),
      a: shared(Int32Array, this.#a),
      b: shared(Int32Array, this.#b),
      c: shared(Int32Array, this.#c),
      length: shared(Float64Array, new Float64Array(this.#kind.length).fill(Number.POSITIVE_INFINITY)),
      list: shared(Int32Array, this.#list),
      bytes: shared(Uint8Array, this.#bytes),
      rules: shared(Int32Array, rules),
      firstEdge: shared(Int32Array, machines.firstEdge),
      edgeLow: shared(Uint8Array, machines.low),
      edgeHigh: shared(Uint8Array, machines.high),
      edgeTarget: shared(Int32Array, machines.target),
      accepts: shared(Uint8Array, machines.accepts),
      hasDistinct: this.#distinct.size > 0,
      reserve: [...this.#distinct.values()].reduce((sum, reserve) => sum + reserve, 0),
      toEnd: shared(
        Int32Array,
        distances.map((distance) => Math.min(distance, MOST_COUNT)),
      ),
    };
  }
}

type Edge = MachineState["edges"][number];

/** Machines of sets: those that all schemas have, such as the characters of a string, are the same ranges in each of them. */
const machinesOfSets = new WeakMap<readonly CodePointRange[], Machine>();

function machineOfSet(ranges: readonly CodePointRange[]): Machine {
  const known = machinesOfSets.get(ranges);
  if (known !== undefined) return known;
  const made = machineOfRanges(ranges);
  machinesOfSets.set(ranges, made);
  return made;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}

/** Edges to where no text ends are left out. */
function withoutDeadEnds(machines: Machine, distances: Float64Array): Machine {
  const { firstEdge, low, high, target, accepts } = machines;
  if (distances.every(Number.isFinite)) return machines;
  const left: Machine = { firstEdge: [0], low: [], high: [], target: [], accepts };
  for (let state = 0; state < accepts.length; state++) {
    for (let edge = firstEdge[state]!; edge < firstEdge[state + 1]!; edge++) {
      if (!Number.isFinite(distances[target[edge]!]!)) continue;
      left.low.push(low[edge]!);
      left.high.push(high[edge]!);
      left.target.push(target[edge]!);
    }
    left.firstEdge.push(left.low.length);
  }
  return left;
}

/** For each state the number of bytes to the nearest one where the text may end; Infinity: there is none. */
function distancesToEnds({ firstEdge, target, accepts }: Machine): Float64Array {
  const states = accepts.length;
  const distances = new Float64Array(states).fill(Number.POSITIVE_INFINITY);
  // The states that lead to state s: before[firstBefore[s] .. firstBefore[s + 1]).
  const firstBefore = new Int32Array(states + 2);
  for (const one of target) firstBefore[one + 2]!++;
  for (let i = 2; i < firstBefore.length; i++) firstBefore[i]! += firstBefore[i - 1]!;
  const before = new Int32Array(firstBefore.at(-1)!);
  for (let state = 0; state < states; state++) {
    for (let edge = firstEdge[state]!; edge < firstEdge[state + 1]!; edge++) {
      before[firstBefore[target[edge]! + 1]!++] = state;
    }
  }
  const reached: number[] = [];
  const reach = (state: number, distance: number) => {
    if (distances[state] !== Number.POSITIVE_INFINITY) return;
    distances[state] = distance;
    reached.push(state);
  };
  for (let state = 0; state < states; state++) if (accepts[state] === 1) reach(state, 0);
  for (const state of reached) {
    for (let i = firstBefore[state]!; i < firstBefore[state + 1]!; i++) reach(before[i]!, distances[state]! + 1);
  }
  return distances;
}
