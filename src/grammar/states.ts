// The states of a grammar, made as texts reach them: a state is a part, a place in it, and the state after it. So states of equal rests are
// the same, and a repetition has a state for each count that a text has had, not for each that it may have.
//
//   root ::= "ab"{2,9} "c"       state 1 = "c" at 0, then the end          state 2 = repeat at 1 done, then state 1
//                                state 3 = "ab" at 1, then state 2         ... and so on
//
// A product (what two parts both match, or one and not the other) has a pair of configurations as its place, one of each side: the subset
// construction of Rabin and Scott (1959) of both at once, as far as texts go. That a pair leads to an end is proved when it is met.

import {
  type Automaton,
  BOTH,
  ENDLESS,
  MEMBER_PART,
  MEMBER_REQUIRED,
  MEMBER_REQUIRED_AFTER,
  MEMBER_WORDS,
  MEMBERS_COUNT,
  MEMBERS_FIRST,
  MEMBERS_IN_ANY_ORDER,
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
  PART_TOKEN,
} from "./automaton.js";
import { Interner } from "./interner.js";
import { SliceOver, tooAmbiguous, tooLarge } from "./limits.js";

/** The end of a rule. */
export const END = 0;
/** What `after` gives where a byte leads nowhere. */
export const NOWHERE = -1;

/** Counts that stand for many: the repetition cannot end soon, and it can neither end nor be full soon. */
export const FAR_FROM_LEAST = -2;
export const FAR_FROM_MOST = -1;
/** Counts nearer than this to where they matter are told apart. */
const NEAR = 4;

/** Pairs that are looked at to prove that one leads to an end. */
const MOST_PAIRS = 2 ** 14;
/** What a state costs where it is reached without a byte, in looks into a table. */
const REACH_WORK = 128;
/** Looks into a table and states made for one token: in all slices together, in one of some milliseconds, and where there are none. */
const MOST_WORK = 2 ** 26;
const SLICE = 2 ** 21;
const MOST_AT_ONCE = 2 ** 23;

/** The two sides of products. DEAD is configuration 0. */
export interface Operands {
  startOf(part: number): number;
  next(configuration: number, byte: number): number;
  accepts(configuration: number): boolean;
  /** The configuration with counts that stand for many: see `States.far`. */
  far(configuration: number): readonly [configuration: number, left: number];
}
const DEAD = 0;

/** What is reached from a state without a byte. */
export interface Closure {
  /** States that read a byte or a token. */
  readonly leaves: readonly number[];
  /** Calls: three numbers each, the rule, the state after it, and 1 if it reads an array of distinct items. */
  readonly calls: readonly number[];
  /** Whether the rule may end. */
  readonly ends: boolean;
}

export class States {
  readonly #automaton: Automaton;
  readonly #operands: Operands;
  readonly #states = new Interner();
  readonly #closures: (Closure | undefined)[] = [];
  #isInMembers = false;
  /** Left configuration, right configuration, BOTH or EXCEPT. */
  readonly #pairs = new Interner();
  /** Of pairs: undefined where it is not known whether they lead to an end. */
  readonly #lives: (boolean | undefined)[] = [];
  /** Of pairs that do: the byte that leads nearer, and the pair that it leads to. -1: the text may end here. */
  readonly #wayByte: number[] = [];
  readonly #wayNext: number[] = [];
  readonly #wayLength: number[] = [];
  readonly #far = [false, true].map(() => new Map<number, readonly [state: number, left: number]>());
  /** Sets of members that have come, of all that may come in any order; 0 is the empty one. */
  readonly #doneSets: (readonly number[])[] = [[]];
  readonly #doneNumbers = new Map<string, number>([["", 0]]);
  #work = 0;
  #most = MOST_AT_ONCE;
  #sliceEnd = Number.POSITIVE_INFINITY;
  /** The bytes around the one that `after` was asked for that lead to the same state, or as well nowhere. */
  low = 0;
  high = 255;

  constructor(automaton: Automaton, operands: Operands) {
    this.#automaton = automaton;
    this.#operands = operands;
    this.#states.number(-1, 0, 0); // END
  }

  get size(): number {
    return this.#states.size + this.#pairs.size + this.#doneSets.length;
  }

  part(state: number): number {
    return this.#states.first(state);
  }

  place(state: number): number {
    return this.#states.second(state);
  }

  rest(state: number): number {
    return this.#states.third(state);
  }

  kind(state: number): number {
    return state === END ? -1 : this.#automaton.kind[this.#states.first(state)]!;
  }

  /** A token is about to be looked for: what it may cost begins anew. */
  allowWork(): void {
    this.#work = 0;
    this.#most = MOST_AT_ONCE;
    this.#sliceEnd = Number.POSITIVE_INFINITY;
  }

  /** Some work for a token is about to be done, of which `done` has been done in slices before. */
  allowSlice(done: number): void {
    this.#work = done;
    this.#most = MOST_WORK;
    this.#sliceEnd = done + SLICE;
  }

  /** The work for the token so far. */
  get work(): number {
    return this.#work;
  }

  /** Counts work for one token. @throws GrammarError GRAMMAR_TOO_AMBIGUOUS when it is too much, SliceOver */
  spend(work: number): void {
    this.#work += work;
    if (this.#work > this.#most) throw tooAmbiguous(`one token takes more than ${this.#most} steps to find`);
    if (this.#work > this.#sliceEnd) throw new SliceOver();
  }

  /** In a place of a part. */
  at(part: number, place: number, rest: number): number {
    return this.#states.number(part, place, rest);
  }

  /** Before a part, which another state follows. */
  begin(part: number, rest: number): number {
    const { kind, a, b } = this.#automaton;
    switch (kind[part]) {
      case PART_SEQUENCE:
        return this.sequence(part, 0, rest);
      case PART_LITERAL:
        return b[part] === 0 ? rest : this.#states.number(part, 0, rest);
      case PART_MACHINE:
        return this.machine(part, a[part]!, rest);
      default:
        return this.#states.number(part, 0, rest);
    }
  }

  /** Before item number `item` of a sequence. */
  sequence(part: number, item: number, rest: number): number {
    const { a, b, list } = this.#automaton;
    const left = b[part]! - item;
    if (left === 0) return rest;
    return left === 1 ? this.begin(list[a[part]! + item]!, rest) : this.#states.number(part, item, rest);
  }

  /** In a machine; where nothing can follow, it is over. */
  machine(part: number, state: number, rest: number): number {
    const { firstEdge, accepts } = this.#automaton;
    const isOver = accepts[state] === 1 && firstEdge[state] === firstEdge[state + 1];
    return isOver ? rest : this.#states.number(part, state, rest);
  }

  /** After `count` repetitions. */
  repeat(part: number, count: number, rest: number): number {
    const { c } = this.#automaton;
    return count === c[part] ? rest : this.#states.number(part, count, rest);
  }

  /** How often a repetition must come. What may be empty need not. */
  least(part: number): number {
    const { a, b } = this.#automaton;
    return matchesEmpty(this.#automaton, a[part]!) ? 0 : b[part]!;
  }

  /** After one more repetition. */
  repeated(part: number, count: number, rest: number): number {
    const isEndless = this.#automaton.c[part] === ENDLESS;
    if (count < 0) return this.#states.number(part, count, rest);
    return this.repeat(part, isEndless ? Math.min(count + 1, this.least(part)) : count + 1, rest);
  }

  /** A literal after `count` of its bytes. */
  literal(part: number, count: number, rest: number): number {
    return count === this.#automaton.b[part] ? rest : this.#states.number(part, count, rest);
  }

  /** The pair of configurations of a product's state. */
  pairOf(state: number): number {
    const place = this.place(state);
    if (place > 0) return place - 1;
    const { a, b, c } = this.#automaton;
    const part = this.part(state);
    return this.#pair(this.#operands.startOf(a[part]!), this.#operands.startOf(b[part]!), c[part]!);
  }

  ofPair(part: number, pair: number, rest: number): number {
    return this.#states.number(part, pair + 1, rest);
  }

  /** The configurations of a pair. */
  sides(pair: number): readonly [number, number] {
    return [this.#pairs.first(pair), this.#pairs.second(pair)];
  }

  /** The state of a product with these configurations. */
  ofSides(part: number, left: number, right: number, rest: number): number {
    return this.ofPair(part, this.#pair(left, right, this.#automaton.c[part]!), rest);
  }

  #pair(left: number, right: number, kind: number): number {
    return this.#pairs.number(left, right, kind);
  }

  pairAccepts(pair: number): boolean {
    const inRight = this.#operands.accepts(this.#pairs.second(pair));
    return this.#operands.accepts(this.#pairs.first(pair)) && inRight === (this.#pairs.third(pair) === BOTH);
  }

  #pairIsDead(left: number, right: number, kind: number): boolean {
    return left === DEAD || (right === DEAD && kind === BOTH);
  }

  /** The bytes from a pair to an end: undefined if there are none. */
  wayOf(pair: number): { readonly byte: number; readonly next: number } | undefined {
    return this.lives(pair) && this.#wayByte[pair]! >= 0
      ? { byte: this.#wayByte[pair]!, next: this.#wayNext[pair]! }
      : undefined;
  }

  /** Whether a pair leads to an end. @throws GrammarError GRAMMAR_TOO_LARGE */
  lives(pair: number): boolean {
    return this.#lives[pair] ?? this.#proves(pair);
  }

  /** Looks for the nearest end. Beyond a pair that is known to lead to one the way is known. */
  #proves(first: number): boolean {
    const reached = [first];
    const cameFrom = [-1];
    const byBytes = [-1];
    const distance = [0];
    const seen = new Set(reached);
    let best = -1;
    let length = Number.POSITIVE_INFINITY;
    for (let i = 0; i < reached.length && distance[i]! < length; i++) {
      const pair = reached[i]!;
      if (this.#lives[pair] === false) continue;
      if (this.#lives[pair] === undefined && this.pairAccepts(pair)) this.#setWay(pair, -1, -1);
      if (this.#lives[pair] === true) {
        if (distance[i]! + this.#wayLength[pair]! < length) {
          best = i;
          length = distance[i]! + this.#wayLength[pair]!;
        }
        continue;
      }
      const [left, right] = this.sides(pair);
      const kind = this.#pairs.third(pair);
      let [lastLeft, lastRight] = [-1, -1];
      for (let byte = 0; byte < 256; byte++) {
        const nextLeft = this.#operands.next(left, byte);
        if (nextLeft === DEAD) continue;
        const nextRight = this.#operands.next(right, byte);
        if (nextLeft === lastLeft && nextRight === lastRight) continue;
        lastLeft = nextLeft;
        lastRight = nextRight;
        if (this.#pairIsDead(nextLeft, nextRight, kind)) continue;
        const next = this.#pair(nextLeft, nextRight, kind);
        if (seen.has(next)) continue;
        seen.add(next);
        reached.push(next);
        cameFrom.push(i);
        byBytes.push(byte);
        distance.push(distance[i]! + 1);
      }
      if (reached.length > MOST_PAIRS) throw tooLarge(`${MOST_PAIRS} states for what two patterns have in common`);
    }
    if (best < 0) {
      for (const pair of reached) this.#lives[pair] = false;
      return false;
    }
    for (let at = best; cameFrom[at]! >= 0; at = cameFrom[at]!) {
      this.#setWay(reached[cameFrom[at]!]!, byBytes[at]!, reached[at]!);
    }
    return true;
  }

  /** How many bytes it takes from a pair that leads to an end. */
  wayLength(pair: number): number {
    return this.lives(pair) ? this.#wayLength[pair]! : 0;
  }

  /** Whether a byte may follow in a pair that leads to an end. */
  #goesOn(pair: number): boolean {
    if (!this.pairAccepts(pair)) return true;
    const [left, right] = this.sides(pair);
    const kind = this.#pairs.third(pair);
    for (let byte = 0; byte < 256; byte++) {
      const nextLeft = this.#operands.next(left, byte);
      if (nextLeft === DEAD) continue;
      const nextRight = this.#operands.next(right, byte);
      if (!this.#pairIsDead(nextLeft, nextRight, kind) && this.lives(this.#pair(nextLeft, nextRight, kind)))
        return true;
    }
    return false;
  }

  #setWay(pair: number, byte: number, next: number): void {
    this.#lives[pair] = true;
    this.#wayLength[pair] = next < 0 ? 0 : this.#wayLength[next]! + 1;
    this.#wayByte[pair] = byte;
    this.#wayNext[pair] = next;
  }

  /** Where a byte leads from a state that reads one. Sets `low` and `high`, which are narrowed by every call. */
  after(state: number, byte: number): number {
    const { kind, a, bytes, firstEdge, edgeLow, edgeHigh, edgeTarget } = this.#automaton;
    const part = this.#states.first(state);
    const place = this.#states.second(state);
    switch (kind[part]) {
      case PART_LITERAL: {
        const wanted = bytes[a[part]! + place]!;
        if (wanted === byte) {
          this.low = byte;
          this.high = byte;
          return this.literal(part, place + 1, this.#states.third(state));
        }
        if (wanted < byte) this.low = Math.max(this.low, wanted + 1);
        else this.high = Math.min(this.high, wanted - 1);
        return NOWHERE;
      }
      case PART_MACHINE:
        for (let edge = firstEdge[place]!; edge < firstEdge[place + 1]!; edge++) {
          if (byte > edgeHigh[edge]!) {
            this.low = Math.max(this.low, edgeHigh[edge]! + 1);
          } else if (byte < edgeLow[edge]!) {
            this.high = Math.min(this.high, edgeLow[edge]! - 1);
            return NOWHERE;
          } else {
            this.low = Math.max(this.low, edgeLow[edge]!);
            this.high = Math.min(this.high, edgeHigh[edge]!);
            return this.machine(part, edgeTarget[edge]!, this.#states.third(state));
          }
        }
        return NOWHERE;
      case PART_PRODUCT: {
        // The operands must not narrow what this call narrows.
        const { low: lowest, high: highest } = this;
        const pair = this.pairOf(state);
        const [left, right] = this.sides(pair);
        const next = this.#operands.next(left, byte);
        const nextRight = this.#operands.next(right, byte);
        const isSame = (other: number) =>
          this.#operands.next(left, other) === next && this.#operands.next(right, other) === nextRight;
        let low = byte;
        let high = byte;
        while (low > lowest && isSame(low - 1)) low--;
        while (high < highest && isSame(high + 1)) high++;
        this.low = low;
        this.high = high;
        const kindOfPair = this.#pairs.third(pair);
        if (this.#pairIsDead(next, nextRight, kindOfPair)) return NOWHERE;
        const reached = this.#pair(next, nextRight, kindOfPair);
        const lives = this.lives(reached);
        this.low = low;
        this.high = high;
        return lives ? this.ofPair(part, reached, this.#states.third(state)) : NOWHERE;
      }
      default:
        return NOWHERE;
    }
  }

  /** All that is reached from a state without a byte. */
  closure(state: number): Closure {
    const known = this.#closures[state];
    if (known !== undefined) return known;
    const leaves: number[] = [];
    const calls: number[] = [];
    let ends = false;
    const reached = [state];
    const seen = new Set(reached);
    const reach = (next: number) => {
      if (seen.has(next)) return;
      seen.add(next);
      reached.push(next);
    };
    for (let i = 0; i < reached.length; i++) {
      const at = reached[i]!;
      this.spend(REACH_WORK);
      if (at === END) {
        ends = true;
        continue;
      }
      const part = this.part(at);
      switch (this.#automaton.kind[part]) {
        case PART_LITERAL:
        case PART_TOKEN:
          leaves.push(at);
          break;
        case PART_MACHINE: {
          const { firstEdge, accepts } = this.#automaton;
          const place = this.place(at);
          if (firstEdge[place + 1]! > firstEdge[place]!) leaves.push(at);
          if (accepts[place] === 1) reach(this.rest(at));
          break;
        }
        case PART_PRODUCT: {
          const pair = this.pairOf(at);
          if (!this.lives(pair)) break;
          if (this.#goesOn(pair)) leaves.push(at);
          if (this.pairAccepts(pair)) reach(this.rest(at));
          break;
        }
        case PART_CALL:
          calls.push(this.#automaton.a[part]!, this.rest(at), this.#automaton.c[part]!);
          break;
        case PART_SEQUENCE:
        case PART_ALTERNATIVES:
          this.#expandList(at, reach);
          break;
        case PART_REPEAT:
          this.#expandRepeat(at, seen, reach);
          break;
        case PART_MEMBERS: {
          // What is reached from members is found once, not after each way in which white space may come before them.
          const members = at === state ? undefined : this.#closureOfMembers(at);
          if (members === undefined) this.#expandMembers(at, reach);
          else {
            for (const leaf of members.leaves) leaves.push(leaf);
            for (const call of members.calls) calls.push(call);
            ends ||= members.ends;
          }
          break;
        }
      }
    }
    const closure = { leaves, calls, ends };
    this.#closures[state] = closure;
    return closure;
  }

  /** undefined: other members are under way, and these may lead back to them. */
  #closureOfMembers(state: number): Closure | undefined {
    const known = this.#closures[state];
    if (known !== undefined || this.#isInMembers) return known;
    this.#isInMembers = true;
    try {
      return this.closure(state);
    } finally {
      this.#isInMembers = false;
    }
  }

  #isPossible(part: number): boolean {
    return this.#automaton.length[part] !== Number.POSITIVE_INFINITY;
  }

  #expandList(state: number, reach: (next: number) => void): void {
    const { kind, a, b, list } = this.#automaton;
    const part = this.part(state);
    const rest = this.rest(state);
    if (kind[part] === PART_SEQUENCE) {
      const item = this.place(state);
      reach(this.begin(list[a[part]! + item]!, this.sequence(part, item + 1, rest)));
      return;
    }
    for (let i = a[part]!; i < a[part]! + b[part]!; i++) {
      if (this.#isPossible(list[i]!)) reach(this.begin(list[i]!, rest));
    }
  }

  #expandRepeat(state: number, seen: ReadonlySet<number>, reach: (next: number) => void): void {
    const { a, c } = this.#automaton;
    const part = this.part(state);
    const count = this.place(state);
    const rest = this.rest(state);
    const item = a[part]!;
    // What may be empty comes again without a byte. All that is possible after more repetitions is possible after fewer.
    if (count > 0 && matchesEmpty(this.#automaton, item) && seen.has(this.repeat(part, count - 1, rest))) return;
    if (count === FAR_FROM_MOST || count >= this.least(part)) reach(rest);
    if (count === c[part] || !this.#isPossible(item)) return;
    reach(this.begin(item, this.repeated(part, count, rest)));
  }

  #expandMembers(state: number, reach: (next: number) => void): void {
    const part = this.part(state);
    const { separator, repeated, least, most, inAnyOrder } = this.membersOf(part);
    const rest = this.rest(state);
    const [done, count] = this.memberPlace(state);
    const left = this.membersLeft(part, done);
    const required = this.requiredLeft(part, done);
    const possible = left.reduce((sum, { item }) => sum + Number(this.#isPossible(item)), 0);
    const mayRepeat = repeated >= 0 && this.#isPossible(repeated);
    const enter = (item: number, next: number) => {
      const begun = this.begin(item, this.#memberState(part, next, count + 1, rest));
      reach(count > 0 ? this.begin(separator, begun) : begun);
    };
    // Those that have been passed by do not come any more, unless the order is free.
    const passedRequired = 0;
    let passedPossible = 0;
    for (const { index, item, isRequired } of left) {
      const requiredAfter = required - passedRequired - Number(isRequired);
      const possibleAfter = possible - passedPossible - Number(this.#isPossible(item));
      const mayEnd = count + 1 + requiredAfter <= most && count + 1 + possibleAfter + Number(mayRepeat) >= least;
      if (count < most && this.#isPossible(item) && mayEnd) enter(item, this.#doneAfter(part, done, index));
      if (inAnyOrder) continue;
      if (isRequired) return;
      passedPossible += Number(this.#isPossible(item));
    }
    if (mayRepeat && count + required < most && count + 1 >= least) {
      enter(repeated, inAnyOrder ? done : this.membersOf(part).members);
    }
    if (count >= least && required === 0) reach(rest);
  }

  /** The members that may come after those that are done. */
  membersLeft(part: number, done: number): readonly { index: number; item: number; isRequired: boolean }[] {
    const { list } = this.#automaton;
    const { first, members, inAnyOrder } = this.membersOf(part);
    const left: { index: number; item: number; isRequired: boolean }[] = [];
    const gone = inAnyOrder ? this.#doneSets[done]! : undefined;
    for (let index = gone === undefined ? done : 0; index < members; index++) {
      if (gone?.includes(index)) continue;
      const at = first + MEMBER_WORDS * index;
      left.push({ index, item: list[at + MEMBER_PART]!, isRequired: list[at + MEMBER_REQUIRED] === 1 });
    }
    return left;
  }

  /** How many of them must come. */
  requiredLeft(part: number, done: number): number {
    const { first, inAnyOrder } = this.membersOf(part);
    if (!inAnyOrder) return this.#automaton.list[first + MEMBER_WORDS * done + MEMBER_REQUIRED_AFTER]!;
    return this.membersLeft(part, done).reduce((sum, { isRequired }) => sum + Number(isRequired), 0);
  }

  #doneAfter(part: number, done: number, index: number): number {
    if (!this.membersOf(part).inAnyOrder) return index + 1;
    return this.#doneSet([...this.#doneSets[done]!, index]);
  }

  #doneSet(members: readonly number[]): number {
    const sorted = [...members].sort((a, b) => a - b);
    const key = sorted.join();
    const known = this.#doneNumbers.get(key);
    if (known !== undefined) return known;
    this.#doneNumbers.set(key, this.#doneSets.length);
    return this.#doneSets.push(sorted) - 1;
  }

  /** Which members have come, where they may come in any order: what a place says apart from these states. */
  doneOf(state: number): readonly number[] | undefined {
    if (this.kind(state) !== PART_MEMBERS || !this.membersOf(this.part(state)).inAnyOrder) return undefined;
    return this.#doneSets[this.memberPlace(state)[0]];
  }

  /** The state of members of which these have come, that is elsewhere in a place like this one. */
  withDone(part: number, place: number, done: readonly number[], rest: number): number {
    const { counted } = this.membersOf(part);
    return this.#memberState(part, this.#doneSet(done), place % (counted + 1), rest);
  }

  /** What is said of members. `counted`: beyond it all numbers of them are alike. */
  membersOf(part: number) {
    const { a, list } = this.#automaton;
    const at = a[part]!;
    const least = list[at + MEMBERS_LEAST]!;
    const most = list[at + MEMBERS_MOST]!;
    return {
      first: at + MEMBERS_FIRST,
      separator: list[at + MEMBERS_SEPARATOR]!,
      repeated: list[at + MEMBERS_REPEATED]!,
      least,
      most: most === ENDLESS ? Number.POSITIVE_INFINITY : most,
      members: list[at + MEMBERS_COUNT]!,
      inAnyOrder: list[at + MEMBERS_IN_ANY_ORDER] === 1,
      counted: Math.max(1, least, most),
    };
  }

  /** The next member, or where the order is free which ones are done, and how many have come. */
  memberPlace(state: number): readonly [done: number, count: number] {
    const { counted } = this.membersOf(this.part(state));
    const place = this.place(state);
    return [Math.floor(place / (counted + 1)), place % (counted + 1)];
  }

  #memberState(part: number, next: number, count: number, rest: number): number {
    const { counted } = this.membersOf(part);
    return this.#states.number(part, next * (counted + 1) + Math.min(count, counted), rest);
  }

  /** Before the separator and a member, or one that is repeated (index -1). */
  enterMember(state: number, item: number, index: number): number {
    const part = this.part(state);
    const { separator, members, inAnyOrder } = this.membersOf(part);
    const [done, count] = this.memberPlace(state);
    const next = index >= 0 ? this.#doneAfter(part, done, index) : inAnyOrder ? done : members;
    const begun = this.begin(item, this.#memberState(part, next, count + 1, this.rest(state)));
    return count > 0 ? this.begin(separator, begun) : begun;
  }

  /**
   * A state that goes on like this one for as many bytes as `left`, with counts that stand for many. Infinity: it is the state itself.
   *
   * @param inProduct whether it is a state of a product's side, where a count that never ends would leave no end
   */
  far(state: number, inProduct = false): readonly [state: number, left: number] {
    if (state === END) return [END, Number.POSITIVE_INFINITY];
    const known = this.#far[Number(inProduct)]!.get(state);
    if (known !== undefined) return known;
    const part = this.part(state);
    const [rest, leftOfRest] = this.far(this.rest(state), inProduct);
    let place = this.place(state);
    let left = leftOfRest;
    if (this.#automaton.kind[part] === PART_REPEAT && place >= 0) {
      const least = this.least(part);
      const most = this.#automaton.c[part]!;
      const toGo = place < least ? (inProduct ? 0 : least - place - 1) : most === ENDLESS ? 0 : most - place;
      if (toGo >= NEAR) {
        place = place < least ? FAR_FROM_LEAST : FAR_FROM_MOST;
        left = Math.min(left, toGo);
      }
    } else if (this.#automaton.kind[part] === PART_PRODUCT) {
      const pair = this.pairOf(state);
      const sides = this.sides(pair).map((side) => this.#operands.far(side));
      place = this.#pair(sides[0]![0], sides[1]![0], this.#pairs.third(pair)) + 1;
      left = Math.min(left, sides[0]![1], sides[1]![1]);
    }
    const found = [this.#states.number(part, place, rest), left] as const;
    this.#far[Number(inProduct)]!.set(state, found);
    return found;
  }
}
