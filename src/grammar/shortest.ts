// The shortest way from every state of a grammar to the end of its rule. A rule may call others, so it is not a plain graph: a call costs
// what the called rule costs from its start, plus the way on from where it returns. Dijkstra's algorithm still holds, because a sum is
// never less than its parts (Knuth 1977, "A generalization of Dijkstra's algorithm").

import { GrammarError } from "../errors.js";
import { type Automaton, EDGE_BYTES, EDGE_CALL, EDGE_EMPTY, NO_RETURN } from "./automaton.js";
import type { Vocabulary } from "./vocabulary.js";

/** Bytes of the longest token that is tried on the way. */
const LONGEST_STEP = 24;
/** Edges that are looked at for all steps of a grammar. Grammars of thousands of rules need a hundredth of it. */
const MOST_WORK = 2 ** 24;

/** Calls `visit` for each state that is one step, of cost 1, after `state`. */
export type Steps = (state: number, visit: (target: number) => void) => void;

/** For each state the least number of steps to the end of its rule; Infinity: it never ends. */
export function shortestWays(automaton: Automaton, steps: Steps): Float64Array {
  const { starts, firstEdge, edgeKind, edgeData, edgeTarget, final } = automaton;
  const states = final.length;
  // A way i: from[i] costs cost[i] more than what first[i] and second[i] cost together; there may be no second.
  const from: number[] = [];
  const cost: number[] = [];
  const first: number[] = [];
  const second: number[] = [];
  const add = (state: number, more: number, one: number, two: number) => {
    from.push(state);
    cost.push(more);
    first.push(one);
    second.push(two);
  };
  for (let state = 0; state < states; state++) {
    for (let edge = firstEdge[state]!; edge < firstEdge[state + 1]!; edge++) {
      if (edgeKind[edge] === EDGE_EMPTY) add(state, 0, edgeTarget[edge]!, NO_RETURN);
      else if (edgeKind[edge] === EDGE_CALL) add(state, 0, starts[edgeData[edge]!]!, edgeTarget[edge]!);
    }
    steps(state, (target) => add(state, 1, target, NO_RETURN));
  }

  // The ways that a state is part of: ways[waysOf[state] .. waysOf[state + 1]).
  const waysOf = new Int32Array(states + 2);
  for (const list of [first, second]) for (const state of list) if (state !== NO_RETURN) waysOf[state + 2]!++;
  for (let state = 0; state <= states; state++) waysOf[state + 1]! += waysOf[state]!;
  const ways = new Int32Array(waysOf[states + 1]!);
  for (let i = 0; i < from.length; i++) {
    ways[waysOf[first[i]! + 1]!++] = i;
    if (second[i] !== NO_RETURN) ways[waysOf[second[i]! + 1]!++] = i;
  }

  const best = new Float64Array(states).fill(Number.POSITIVE_INFINITY);
  const settled = new Uint8Array(states);
  const queue = new Queue();
  const offer = (state: number, value: number) => {
    if (value >= best[state]!) return;
    best[state] = value;
    queue.push(value, state);
  };
  for (let state = 0; state < states; state++) if (final[state] === 1) offer(state, 0);
  for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
    if (settled[state] === 1) continue;
    settled[state] = 1;
    for (let at = waysOf[state]!; at < waysOf[state + 1]!; at++) {
      const way = ways[at]!;
      const other = first[way] === state ? second[way]! : first[way]!;
      if (other !== NO_RETURN && settled[other] === 0) continue;
      const rest = other === NO_RETURN ? 0 : best[other]!;
      offer(from[way]!, cost[way]! + best[state]! + rest);
    }
  }
  return best;
}

/** Steps of one byte each. */
export function byteSteps({ firstEdge, edgeKind, edgeTarget }: Automaton): Steps {
  return (state, visit) => {
    for (let edge = firstEdge[state]!; edge < firstEdge[state + 1]!; edge++) {
      if (edgeKind[edge] === EDGE_BYTES) visit(edgeTarget[edge]!);
    }
  };
}

/**
 * Steps of one token each, within one rule. Of the bytes of an edge one stands for all: the lowest that is a token of its own, so that
 * a way is found for every state that has one, and few tokens are tried.
 *
 * @throws GrammarError GRAMMAR_TOO_AMBIGUOUS, by the steps
 */
export function tokenSteps(automaton: Automaton, vocabulary: Vocabulary): Steps {
  const { firstEdge, edgeKind, edgeData, edgeTarget, final } = automaton;
  const chosen = new Int16Array(edgeKind.length);
  for (const [edge, kind] of edgeKind.entries()) {
    if (kind !== EDGE_BYTES) continue;
    const low = edgeData[edge]! >> 8;
    const high = edgeData[edge]! & 0xff;
    chosen[edge] = low;
    for (let byte = low; byte <= high; byte++) {
      if (!vocabulary.hasToken(vocabulary.child(0, byte))) continue;
      chosen[edge] = byte;
      break;
    }
  }
  let work = 0;
  const spend = () => {
    if (++work > MOST_WORK) throw tooAmbiguous("its states have too many ways on");
  };
  const seen = new Int32Array(final.length); // by which closure
  let closures = 0;
  /** All states that cost nothing from these, but calls: each once. */
  const closureOf = (states: readonly number[]): readonly number[] => {
    closures++;
    const list: number[] = [];
    const reach = (state: number) => {
      if (seen[state] === closures) return;
      seen[state] = closures;
      list.push(state);
    };
    for (const state of states) reach(state);
    for (const one of list) {
      for (let edge = firstEdge[one]!; edge < firstEdge[one + 1]!; edge++) {
        spend();
        if (edgeKind[edge] === EDGE_EMPTY) reach(edgeTarget[edge]!);
      }
    }
    return list;
  };
  const told = new Int32Array(final.length); // by which walk
  let walks = 0;
  /**
   * The states are those that the bytes so far lead to, whichever way: all go on together, because the number of ways would be a power of
   * the token's length.
   */
  const walk = (states: readonly number[], node: number, depth: number, visit: (target: number) => void) => {
    const children: number[] = [];
    const targetsOf: number[][] = [];
    for (const state of states) {
      for (let edge = firstEdge[state]!; edge < firstEdge[state + 1]!; edge++) {
        spend();
        if (edgeKind[edge] !== EDGE_BYTES) continue;
        const child = vocabulary.child(node, chosen[edge]!);
        if (child === 0) continue;
        const known = children.indexOf(child);
        if (known >= 0) targetsOf[known]!.push(edgeTarget[edge]!);
        else targetsOf[children.push(child) - 1] = [edgeTarget[edge]!];
      }
    }
    for (const [i, child] of children.entries()) {
      const targets = targetsOf[i]!;
      if (vocabulary.hasToken(child)) {
        for (const target of targets) {
          if (told[target] === walks) continue;
          told[target] = walks;
          visit(target);
        }
      }
      if (depth === LONGEST_STEP || vocabulary.end[child] === child + 1) continue;
      walk(closureOf(targets), child, depth + 1, visit);
    }
  };
  return (state, visit) => {
    walks++;
    walk([state], 0, 1, visit);
  };
}

/** The error for a grammar that takes too long to follow. */
export function tooAmbiguous(why: string): GrammarError {
  return new GrammarError("GRAMMAR_TOO_AMBIGUOUS", `the grammar is too ambiguous: ${why}`);
}

/** A binary heap of states, the one with the least value first. */
class Queue {
  readonly #values: number[] = [];
  readonly #states: number[] = [];

  push(value: number, state: number): void {
    const values = this.#values;
    const states = this.#states;
    let at = values.length;
    values.push(value);
    states.push(state);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (values[parent]! <= value) break;
      values[at] = values[parent]!;
      states[at] = states[parent]!;
      at = parent;
    }
    values[at] = value;
    states[at] = state;
  }

  pop(): number | undefined {
    const values = this.#values;
    const states = this.#states;
    const first = states[0];
    const value = values.pop();
    const state = states.pop();
    if (value === undefined || state === undefined || values.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= values.length) break;
      if (child + 1 < values.length && values[child + 1]! < values[child]!) child++;
      if (values[child]! >= value) break;
      values[at] = values[child]!;
      states[at] = states[child]!;
      at = child;
    }
    values[at] = value;
    states[at] = state;
    return first;
  }
}
