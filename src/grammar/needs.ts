// How many tokens a text needs to its end. From every state one way leads to the end of its rule: the one with the fewest bytes, or of a
// few alternatives the one with the fewest tokens. The need of a state is the number of tokens in which the bytes of its way can be
// written. Since the way of each state on it is the rest of it, a text can be ended in as many tokens as its state needs.
//
//   way   { " a " : t r u e }       need of its first state: {"  a  ":  true  }     5 tokens

import {
  type Automaton,
  BYTE,
  ENDLESS,
  PART_ALTERNATIVES,
  PART_CALL,
  PART_LITERAL,
  PART_MACHINE,
  PART_MEMBERS,
  PART_PRODUCT,
  PART_REPEAT,
  PART_SEQUENCE,
} from "./automaton.js";
import type { Configurations } from "./configurations.js";
import { tooLarge } from "./limits.js";
import { END, FAR_FROM_LEAST, FAR_FROM_MOST, type States } from "./states.js";
import type { Vocabulary } from "./vocabulary.js";

/** Alternatives whose tokens are counted: the shortest ones. */
const MOST_COUNTED = 8;
/** Bytes of the longest repetition whose way is followed; the tokens of a longer one are its item's, again and again. */
const LONGEST_REPEATED = 512;
/** Lengths from which bytes and calls in them cannot be told apart. */
const EXACT_LENGTH = 2 ** 52;
/** Bytes of the longest way. */
const LONGEST_WAY = 2 ** 16;
/** Rules in rules that are looked into one from within the other. */
const DEEPEST = 64;

export class Needs {
  readonly #automaton: Automaton;
  readonly #configurations: Configurations;
  readonly #states: States;
  readonly #vocabulary: Vocabulary;
  /** By state. */
  readonly #known: (number | undefined)[] = [0];
  /** By state that reads a byte: the byte of its way, and the state after it. */
  readonly #bytes: (number | undefined)[] = [];
  readonly #next: number[] = [];
  readonly #stacks: (number | undefined)[] = [];
  readonly #chosen = new Map<number, number>();
  readonly #ofConfiguration: (number | undefined)[] = [];
  readonly #bounds: (number | undefined)[] = [];
  /** By state. */
  readonly #bytesKnown: (number | undefined)[] = [0];
  readonly #stackBytes: (number | undefined)[] = [];
  readonly #bytesOfMembers = new Map<number, Float64Array>();
  #depth = 0;

  constructor(automaton: Automaton, configurations: Configurations, vocabulary: Vocabulary) {
    this.#automaton = automaton;
    this.#configurations = configurations;
    this.#states = configurations.states;
    this.#vocabulary = vocabulary;
  }

  /** The least number of tokens to the end of a text; 0 if it may end here. */
  ofConfiguration(configuration: number): number {
    const known = this.#ofConfiguration[configuration];
    if (known !== undefined) return known;
    let need = this.#configurations.accepts(configuration) ? 0 : Number.POSITIVE_INFINITY;
    if (need > 0) {
      for (const { state, stack } of this.#configurations.threads(configuration)) {
        need = Math.min(need, this.ofState(state) + this.#ofStack(stack));
      }
    }
    this.#ofConfiguration[configuration] = need;
    return need;
  }

  /**
   * No less than the least number of tokens to the end, and found in no time: the bytes of the shortest text, where each is a token. It
   * holds also where counts that stand for many are few, if the ends of products are still reached.
   */
  boundOf(configuration: number): number {
    if (!this.#vocabulary.hasAllBytes) return this.ofConfiguration(configuration);
    const known = this.#bounds[configuration];
    if (known !== undefined) return known;
    let bound = this.#configurations.accepts(configuration) ? 0 : Number.POSITIVE_INFINITY;
    if (bound > 0) {
      this.#configurations.eachThread(configuration, (state, stack) => {
        bound = Math.min(bound, this.#bytesFrom(state) + this.#bytesOfStack(stack));
      });
    }
    this.#bounds[configuration] = bound;
    return bound;
  }

  #bytesOfStack(stack: number): number {
    const known = this.#stackBytes[stack];
    if (known !== undefined) return known;
    let bytes = 0;
    for (let at = this.#configurations.top(stack); at !== undefined; at = this.#configurations.top(at.below)) {
      bytes += this.#bytesFrom(at.state);
    }
    this.#stackBytes[stack] = bytes;
    return bytes;
  }

  /** Bytes of the shortest text from a state to the end of its rule. */
  #bytesFrom(state: number): number {
    const known = this.#bytesKnown[state];
    if (known !== undefined) return known;
    const bytes = this.#bytesOfPlace(state) + this.#bytesFrom(this.#states.rest(state));
    this.#bytesKnown[state] = bytes;
    return bytes;
  }

  #bytesOfPlace(state: number): number {
    const { a, b, list, length, toEnd } = this.#automaton;
    const part = this.#states.part(state);
    const place = this.#states.place(state);
    const bytesOf = (one: number) => Math.floor(length[one]! / BYTE);
    switch (this.#states.kind(state)) {
      case PART_LITERAL:
        return b[part]! - place;
      case PART_MACHINE:
        return toEnd[place]!;
      case PART_PRODUCT:
        return this.#states.wayLength(this.#states.pairOf(state));
      case PART_REPEAT: {
        const left = place === FAR_FROM_MOST ? 0 : this.#states.least(part) - Math.max(0, place);
        return Math.max(0, left) * bytesOf(a[part]!);
      }
      case PART_SEQUENCE: {
        let bytes = 0;
        for (let i = a[part]! + place; i < a[part]! + b[part]!; i++) bytes += bytesOf(list[i]!);
        return bytes;
      }
      case PART_MEMBERS: {
        // All that must come, as `#nextMember` chooses it, each with its separator.
        const { separator, repeated, least, inAnyOrder } = this.#states.membersOf(part);
        const [done, count] = this.#states.memberPlace(state);
        const required = this.#states.requiredLeft(part, done);
        let optional = Math.max(0, least - count - required);
        let bytes = (required + optional) * bytesOf(separator);
        if (optional === 0 && !inAnyOrder) return bytes + this.#requiredBytes(part)[done]!;
        for (const { item, isRequired } of this.#states.membersLeft(part, done)) {
          if (!isRequired && (optional === 0 || !Number.isFinite(length[item]!))) continue;
          if (!isRequired) optional--;
          bytes += bytesOf(item);
        }
        return optional > 0 ? bytes + optional * bytesOf(repeated) : bytes;
      }
      default: // alternatives, a call, a token
        return bytesOf(part);
    }
  }

  /** Of each of the members in order: the bytes of it and those after it that must come. */
  #requiredBytes(part: number): Float64Array {
    const known = this.#bytesOfMembers.get(part);
    if (known !== undefined) return known;
    const left = this.#states.membersLeft(part, 0);
    const bytes = new Float64Array(left.length + 1);
    for (let i = left.length - 1; i >= 0; i--) {
      const { item, isRequired } = left[i]!;
      bytes[i] = bytes[i + 1]! + (isRequired ? Math.floor(this.#automaton.length[item]! / BYTE) : 0);
    }
    this.#bytesOfMembers.set(part, bytes);
    return bytes;
  }

  #ofStack(stack: number): number {
    const known = this.#stacks[stack];
    if (known !== undefined) return known;
    const top = this.#configurations.top(stack);
    const need = top === undefined ? 0 : this.ofState(top.state) + this.#ofStack(top.below);
    this.#stacks[stack] = need;
    return need;
  }

  /** The number of tokens from a state to the end of its rule. Infinity: the vocabulary cannot write its way. */
  ofState(state: number): number {
    const known = this.#known[state];
    if (known !== undefined) return known;
    const first = this.#onWay(state);
    const way: number[] = [];
    let at = first;
    while (this.#known[at] === undefined && this.#readsByte(at)) {
      if (way.push(at) > LONGEST_WAY) throw tooLarge(`${LONGEST_WAY} bytes in the shortest text`);
      this.#states.spend(1);
      at = this.#onWay(this.#after(at));
    }
    this.#known[at] ??= this.#afterWay(at);
    for (const one of way.reverse()) this.#known[one] = this.#tokensFrom(one);
    this.#known[state] = this.#known[first]!;
    return this.#known[first]!;
  }

  #readsByte(state: number): boolean {
    const kind = this.#states.kind(state);
    return kind === PART_LITERAL || kind === PART_MACHINE || kind === PART_PRODUCT;
  }

  /** What is needed where a way does not go on by a byte. */
  #afterWay(state: number): number {
    const { a } = this.#automaton;
    const part = this.#states.part(state);
    const rest = this.#states.rest(state);
    switch (this.#states.kind(state)) {
      case -1:
        return 0;
      case PART_CALL:
        return this.#ofRule(a[part]!) + this.ofState(rest);
      case PART_REPEAT: {
        const left = this.#states.least(part) - Math.max(0, this.#states.place(state));
        return left * this.ofState(this.#states.begin(a[part]!, END)) + this.ofState(rest);
      }
      default: // a token
        return 1 + this.ofState(rest);
    }
  }

  /** Rules that are called from deep within others are looked into first, so that no stack overflows. */
  #ofRule(rule: number): number {
    const { rules, length } = this.#automaton;
    const stateOf = (one: number) => this.#states.begin(rules[one]!, END);
    const known = this.#known[stateOf(rule)];
    if (known !== undefined) return known;
    if (this.#depth === DEEPEST) {
      const shorter = Array.from(rules.keys()).filter((one) => length[rules[one]!]! < length[rules[rule]!]!);
      shorter.sort((one, other) => length[rules[one]!]! - length[rules[other]!]!);
      this.#depth = 0;
      for (const one of shorter) this.ofState(stateOf(one));
      this.#depth = DEEPEST;
    }
    this.#depth++;
    const need = this.ofState(stateOf(rule));
    this.#depth--;
    return need;
  }

  /** The fewest tokens of a state's way, when the needs of all states after it are known. */
  #tokensFrom(state: number): number {
    let need = Number.POSITIVE_INFINITY;
    let at = state;
    for (let node = 0; this.#readsByte(at); ) {
      const next = this.#onWay(this.#after(at));
      node = this.#vocabulary.child(node, this.#bytes[at]!);
      this.#states.spend(1);
      if (node === 0) break;
      at = next;
      if (this.#vocabulary.hasToken(node)) need = Math.min(need, 1 + this.#known[at]!);
    }
    return need;
  }

  /** The state after the next byte of a state's way. */
  #after(state: number): number {
    if (this.#bytes[state] === undefined) {
      const [byte, next] = this.#step(state);
      this.#bytes[state] = byte;
      this.#next[state] = next;
    }
    return this.#next[state]!;
  }

  #step(state: number): readonly [byte: number, next: number] {
    const { a, bytes, firstEdge, edgeLow, edgeHigh, edgeTarget, toEnd } = this.#automaton;
    const part = this.#states.part(state);
    const place = this.#states.place(state);
    const rest = this.#states.rest(state);
    switch (this.#states.kind(state)) {
      case PART_LITERAL:
        return [bytes[a[part]! + place]!, this.#states.literal(part, place + 1, rest)];
      case PART_MACHINE: {
        // Of the bytes that lead nearer to the end, the lowest that is a token of its own.
        let found: readonly [byte: number, edge: number] | undefined;
        for (let edge = firstEdge[place]!; edge < firstEdge[place + 1]!; edge++) {
          if (toEnd[edgeTarget[edge]!]! >= toEnd[place]!) continue;
          found ??= [edgeLow[edge]!, edge];
          for (let byte = edgeLow[edge]!; byte <= edgeHigh[edge]!; byte++) {
            if (this.#vocabulary.hasToken(this.#vocabulary.child(0, byte))) {
              return [byte, this.#states.machine(part, edgeTarget[edge]!, rest)];
            }
          }
        }
        const [byte, edge] = found!;
        return [byte, this.#states.machine(part, edgeTarget[edge]!, rest)];
      }
      default: {
        const { byte, next } = this.#states.wayOf(this.#states.pairOf(state))!;
        return [byte, this.#states.ofPair(part, next, rest)];
      }
    }
  }

  /** Goes on from a state, as its way does, to where a byte is read, a rule is called, or the rule ends. */
  #onWay(state: number): number {
    const { a, b, list, length, accepts } = this.#automaton;
    const states = this.#states;
    for (let at = state; ; ) {
      const part = states.part(at);
      const place = states.place(at);
      const rest = states.rest(at);
      switch (states.kind(at)) {
        case PART_SEQUENCE:
          at = states.begin(list[a[part]! + place]!, states.sequence(part, place + 1, rest));
          break;
        case PART_ALTERNATIVES:
          at = states.begin(this.#choice(part), rest);
          break;
        case PART_REPEAT: {
          const left = place === FAR_FROM_MOST ? 0 : states.least(part) - (place === FAR_FROM_LEAST ? 0 : place);
          if (left <= 0) at = rest;
          else if (left * length[a[part]!]! > LONGEST_REPEATED * BYTE) return at;
          else at = states.begin(a[part]!, states.repeat(part, this.#countAfter(part, left), rest));
          break;
        }
        case PART_MEMBERS:
          at = this.#nextMember(at);
          break;
        case PART_MACHINE:
          if (accepts[place] === 0) return at;
          at = rest;
          break;
        case PART_PRODUCT: {
          const pair = states.pairOf(at);
          if (!states.pairAccepts(pair)) return states.ofPair(part, pair, rest);
          at = rest;
          break;
        }
        case PART_LITERAL:
          if (b[part] !== 0) return at;
          at = rest;
          break;
        default:
          return at;
      }
      states.spend(1);
    }
  }

  /** How often something was repeated when it must come `left` times, and has come once more. */
  #countAfter(part: number, left: number): number {
    const count = this.#states.least(part) - left + 1;
    return this.#automaton.c[part] === ENDLESS ? Math.min(count, this.#states.least(part)) : count;
  }

  /** Of few alternatives the one with the fewest tokens, else the one with the fewest bytes. */
  #choice(part: number): number {
    const known = this.#chosen.get(part);
    if (known !== undefined) return known;
    const { a, b, list, length } = this.#automaton;
    const shortest = Array.from(list.subarray(a[part]!, a[part]! + b[part]!))
      .filter((one) => Number.isFinite(length[one]!))
      .sort((one, other) => length[one]! - length[other]!);
    let best = shortest[0]!;
    // Ways that call no rule cannot lead back to here.
    const withoutCalls = (one: number) => length[one]! < EXACT_LENGTH && length[one]! % BYTE === 0;
    const compared = shortest.slice(0, MOST_COUNTED).filter((one, i) => i === 0 || withoutCalls(one));
    if (compared.length > 1 && withoutCalls(best)) {
      const needs = compared.map((one) => this.ofState(this.#states.begin(one, END)));
      best = compared[needs.indexOf(Math.min(...needs))]!;
    }
    this.#chosen.set(part, best);
    return best;
  }

  /** No member more than must come, and the first ones that can. */
  #nextMember(state: number): number {
    const { length } = this.#automaton;
    const part = this.#states.part(state);
    const { repeated, least } = this.#states.membersOf(part);
    const [done, count] = this.#states.memberPlace(state);
    const required = this.#states.requiredLeft(part, done);
    const needed = least - count - required;
    if (needed <= 0 && required === 0) return this.#states.rest(state);
    for (const { index, item, isRequired } of this.#states.membersLeft(part, done)) {
      if (isRequired || (needed > 0 && Number.isFinite(length[item]!))) {
        return this.#states.enterMember(state, item, index);
      }
    }
    return needed > 0 ? this.#states.enterMember(state, repeated, -1) : this.#states.rest(state);
  }
}
