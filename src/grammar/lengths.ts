// The length of the shortest text of every part, and so which parts match anything: a part that matches nothing is never entered. The
// parts of a rule are computed from those that they consist of; a rule that has become shorter is told to the rules that call it.

import { UnsupportedError } from "../errors.js";
import {
  type Automaton,
  BOTH,
  BYTE,
  ENDLESS,
  MEMBER_PART,
  MEMBER_POSSIBLE_AFTER,
  MEMBER_REQUIRED,
  MEMBER_REQUIRED_AFTER,
  MEMBER_WORDS,
  MEMBERS_COUNT,
  MEMBERS_FIRST,
  MEMBERS_LEAST,
  MEMBERS_MOST,
  MEMBERS_REPEATED,
  MEMBERS_SEPARATOR,
  matchesEmpty,
  PART_ALTERNATIVES,
  PART_CALL,
  PART_LITERAL,
  PART_MACHINE,
  PART_MEMBERS,
  PART_PRODUCT,
  PART_REPEAT,
  PART_SEQUENCE,
} from "./automaton.js";
import type { Built } from "./build-automaton.js";
import { Configurations } from "./configurations.js";
import { END } from "./states.js";

/** Computes `automaton.length`, and what members say of those after them. @throws GrammarError, UnsupportedError GRAMMAR_LEFT_RECURSION */
export function computeLengths(built: Built): void {
  const { automaton, ruleNames } = built;
  // Products count as the longer side until it is known what they have in common.
  const products = new Map<number, number>();
  settle(built, products);
  refuseLeftRecursion(automaton, ruleNames);
  const configurations = new Configurations(automaton);
  for (const [part, kind] of automaton.kind.entries()) {
    if (kind !== PART_PRODUCT || !Number.isFinite(automaton.length[part]!)) continue;
    configurations.states.allowWork();
    const pair = configurations.states.pairOf(configurations.states.at(part, 0, END));
    const length = configurations.states.lives(pair)
      ? configurations.states.wayLength(pair) * BYTE
      : Number.POSITIVE_INFINITY;
    products.set(part, length);
  }
  if (products.size > 0) settle(built, products);
}

function settle({ automaton, firstPart }: Built, products: ReadonlyMap<number, number>): void {
  const { kind, a, length, rules } = automaton;
  length.fill(Number.POSITIVE_INFINITY);
  const callers = Array.from(rules, () => new Set<number>());
  for (let rule = 0; rule < rules.length; rule++) {
    for (let part = firstPart[rule]!; part < firstPart[rule + 1]!; part++) {
      if (kind[part] === PART_CALL) callers[a[part]!]!.add(rule);
    }
  }
  // Rules are numbered as they are first called, so the last ones come first.
  const queue = Array.from(rules.keys());
  const isQueued = new Uint8Array(rules.length).fill(1);
  for (let rule = queue.pop(); rule !== undefined; rule = queue.pop()) {
    isQueued[rule] = 0;
    const before = length[rules[rule]!]!;
    for (let part = firstPart[rule]!; part < firstPart[rule + 1]!; part++) {
      length[part] = lengthOf(automaton, part, products);
    }
    if (length[rules[rule]!]! === before) continue;
    for (const caller of callers[rule]!) {
      if (isQueued[caller] === 1) continue;
      isQueued[caller] = 1;
      queue.push(caller);
    }
  }
}

function lengthOf(automaton: Automaton, part: number, products: ReadonlyMap<number, number>): number {
  const { kind, a, b, c, list, length, rules, toEnd, accepts, firstEdge } = automaton;
  const isPossible = (one: number) => length[one] !== Number.POSITIVE_INFINITY;
  switch (kind[part]) {
    case PART_LITERAL:
      return b[part]! * BYTE;
    case PART_MACHINE: {
      const state = a[part]!;
      const isDead = accepts[state] === 0 && firstEdge[state] === firstEdge[state + 1];
      return isDead ? Number.POSITIVE_INFINITY : toEnd[state]! * BYTE;
    }
    case PART_SEQUENCE: {
      let sum = 0;
      for (let i = a[part]!; i < a[part]! + b[part]!; i++) sum += length[list[i]!]!;
      return sum;
    }
    case PART_ALTERNATIVES: {
      let least = Number.POSITIVE_INFINITY;
      for (let i = a[part]!; i < a[part]! + b[part]!; i++) least = Math.min(least, length[list[i]!]!);
      return least;
    }
    case PART_REPEAT:
      return b[part] === 0 ? 0 : b[part]! * length[a[part]!]!;
    case PART_CALL:
      return length[rules[a[part]!]!]! + 1;
    case PART_PRODUCT: {
      const [left, right] = [length[a[part]!]!, length[b[part]!]!];
      if (left === Number.POSITIVE_INFINITY) return left;
      return products.get(part) ?? (c[part] === BOTH ? Math.max(left, right) : left);
    }
    case PART_MEMBERS:
      break;
    default: // a token
      return BYTE;
  }
  const at = a[part]!;
  const members = list[at + MEMBERS_COUNT]!;
  let required = 0;
  let possible = 0;
  let sum = 0;
  const optional: number[] = [];
  for (let i = members; i >= 0; i--) {
    const member = at + MEMBERS_FIRST + MEMBER_WORDS * i;
    if (i < members) {
      const item = list[member + MEMBER_PART]!;
      if (list[member + MEMBER_REQUIRED] === 1) {
        required++;
        sum += length[item]!;
      } else if (isPossible(item)) {
        optional.unshift(length[item]!);
      }
      if (isPossible(item)) possible++;
    }
    list[member + MEMBER_REQUIRED_AFTER] = required;
    list[member + MEMBER_POSSIBLE_AFTER] = possible;
  }
  const repeated = list[at + MEMBERS_REPEATED]!;
  if (repeated >= 0 && isPossible(repeated)) optional.push(length[repeated]!);
  const least = list[at + MEMBERS_LEAST]!;
  const most = list[at + MEMBERS_MOST]!;
  const chosen = Math.max(0, least - required);
  if (chosen > optional.length || (most !== ENDLESS && Math.max(required, least) > most))
    return Number.POSITIVE_INFINITY;
  for (const one of optional.slice(0, chosen)) sum += one;
  const separators = required + chosen - 1;
  return separators > 0 ? sum + separators * length[list[at + MEMBERS_SEPARATOR]!]! : sum;
}

/** A rule that may call itself before it has read a byte would call for ever. */
function refuseLeftRecursion(automaton: Automaton, names: readonly string[]): void {
  const begins = callsAtBegin(automaton);
  const done = new Set<number>();
  for (const first of begins.keys()) {
    if (done.has(first)) continue;
    const path: { readonly rule: number; next: number }[] = [{ rule: first, next: 0 }];
    const onPath = new Set([first]);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const called = begins[top.rule]![top.next++];
      if (called === undefined) {
        done.add(top.rule);
        onPath.delete(top.rule);
        path.pop();
      } else if (onPath.has(called)) {
        const rules = path.map(({ rule }) => rule);
        const shown = [...rules.slice(rules.indexOf(called)), called].map((rule) => names[rule]).join(" -> ");
        const message = `left recursion is not supported: ${shown}; write the repetition with * or +`;
        throw new UnsupportedError("GRAMMAR_LEFT_RECURSION", message);
      } else if (!done.has(called)) {
        onPath.add(called);
        path.push({ rule: called, next: 0 });
      }
    }
  }
}

/** For each rule the rules that it may call before it has read a byte. */
function callsAtBegin(automaton: Automaton): number[][] {
  const { kind, a, b, list, rules } = automaton;
  return Array.from(rules, (begin) => {
    const calls = new Set<number>();
    const reached = new Set([begin]);
    for (const part of reached) {
      switch (kind[part]) {
        case PART_CALL:
          calls.add(a[part]!);
          break;
        case PART_SEQUENCE:
          for (let i = a[part]!; i < a[part]! + b[part]!; i++) {
            reached.add(list[i]!);
            if (!matchesEmpty(automaton, list[i]!)) break;
          }
          break;
        case PART_ALTERNATIVES:
          for (let i = a[part]!; i < a[part]! + b[part]!; i++) reached.add(list[i]!);
          break;
        case PART_REPEAT:
          reached.add(a[part]!);
          break;
        case PART_PRODUCT:
          reached.add(a[part]!).add(b[part]!);
          break;
        case PART_MEMBERS: {
          const first = a[part]! + MEMBERS_FIRST;
          const repeated = list[a[part]! + MEMBERS_REPEATED]!;
          for (let i = 0; i < list[a[part]! + MEMBERS_COUNT]!; i++) reached.add(list[first + MEMBER_WORDS * i]!);
          if (repeated >= 0) reached.add(repeated);
          break;
        }
      }
    }
    return [...calls];
  });
}
