// Where a text may be in a grammar: the configurations that its bytes lead to, made as they are met and numbered, so that the second
// time is one look into a table. A configuration is a set of threads, one for each way in which the text can be understood so far; a
// thread is a state that reads a byte or a token next, and the stack of states to return to when rules end. Equal stacks are one stack.
//
//   configuration 7 = { (state 12, stack 3), (state 40, stack 0) }       stack 3 = return to state 9, then stack 0: the end

import { type Automaton, PART_LITERAL, PART_PRODUCT, PART_TOKEN } from "./automaton.js";
import { Interner } from "./interner.js";
import { tooAmbiguous } from "./limits.js";
import { END, NOWHERE, States } from "./states.js";
import { utf8Sequences } from "./utf8-ranges.js";
import { BYTES_OF_KIND, KIND_CHARACTERS } from "./vocabulary.js";

/** The configuration without threads: the text matches no more. */
export const DEAD = 0;
/** The empty stack: where the rule at the bottom ends, the text may end. */
const BOTTOM = 0;
/** What the table says of a byte that has not come yet. */
export const UNKNOWN = -1;

/** Ways to understand one text; no grammar that anybody means has more. */
const MOST_THREADS = 2 ** 12;
const LETTERS = BYTES_OF_KIND.find((bytes) => bytes.includes("a".charCodeAt(0)))!;
/** More threads than these are sorted by the byte that they want. */
const FEW_THREADS = 16;
/** Configurations, 1 KiB each, and states after which tables are begun anew. */
const LARGE = 2 ** 14;
const MANY_STATES = 2 ** 20;

/** All characters of more than one byte. */
const LONG_CHARACTERS = utf8Sequences([0x80, 0x10ffff]);

/** A state apart from the tables; undefined: the end of a rule. */
export type PortableState = PortablePlace | undefined;

interface PortablePlace {
  readonly part: number;
  readonly place: number;
  /** Of a product, in place of `place`. */
  readonly sides: readonly [PortableConfiguration, PortableConfiguration] | undefined;
  /** Of members in any order: those that have come. */
  readonly done: readonly number[] | undefined;
  readonly rest: PortableState;
}

interface PortableReturn {
  readonly to: PortableState;
  readonly distinct: number;
}

/** A configuration apart from the tables: threads, each with its stack from the bottom up. */
export interface PortableConfiguration {
  readonly threads: readonly { readonly state: PortableState; readonly returns: readonly PortableReturn[] }[];
  readonly accepts: boolean;
}

/** Kinds of bytes, bit k for kind k, that lead to the same configuration. */
interface Step {
  readonly kinds: number;
  readonly next: number;
}

/** Threads that want the same byte, and where it leads if no other thread reads it. */
interface Wanting {
  readonly threads: readonly number[];
  next: number | undefined;
}

/** `wanting`: by byte. */
interface ThreadIndex {
  readonly wanting: readonly (Wanting | undefined)[];
  readonly others: readonly number[];
}

export class Configurations {
  readonly states: States;
  readonly #automaton: Automaton;
  /** The state to return to, the stack below, and 1 if what has been called reads an array of distinct items. */
  readonly #stacks = new Interner();
  readonly #threads = new Interner();
  /** By the hash of their threads. */
  readonly #numbers = new Map<number, number[]>();
  readonly #threadsOf: Int32Array[] = [];
  readonly #accepts: boolean[] = [];
  /** Those of them that read tokens: undefined where nobody has asked. */
  readonly #tokenThreads: (readonly number[] | undefined)[] = [];
  /** The next configuration: of configuration c and a byte, entry 256 * c + byte; or UNKNOWN. Another array when it has grown. */
  table = new Int32Array(256 * 8);
  /** By configuration: the kinds of bytes that lead back to it; undefined: nobody has asked. */
  readonly #loops: (number | undefined)[] = [];
  /** null: there is none; undefined: nobody has asked. */
  readonly #steps: (Step | null | undefined)[] = [];
  readonly #far = [false, true].map(() => new Map<number, readonly [configuration: number, left: number]>());
  readonly #farStacks = [false, true].map(() => new Map<number, readonly [stack: number, left: number]>());
  readonly #longestWays: (number | undefined)[] = [];
  readonly #indexes = new Map<number, ThreadIndex>();
  readonly #wantings = new Map<number, Wanting[]>();
  #size = 0;
  /** By thread: the last list that it was put into. */
  #listOf = new Int32Array(64);
  #lists = 0;

  constructor(automaton: Automaton) {
    this.#automaton = automaton;
    this.states = new States(automaton, {
      startOf: (part) => this.#closure([this.states.begin(part, END)], [BOTTOM]),
      next: (configuration, byte) => this.next(configuration, byte),
      accepts: (configuration) => this.accepts(configuration),
      far: (configuration) => this.far(configuration, true),
    });
    this.#stacks.number(-1, -1, 0); // BOTTOM
    this.#intern([], false); // DEAD
  }

  /** Where every text begins. */
  start(): number {
    return this.#closure([this.states.begin(this.#automaton.rules[0]!, END)], [BOTTOM]);
  }

  /** The configuration after one more byte. */
  next(configuration: number, byte: number): number {
    const known = this.table[256 * configuration + byte]!;
    return known === UNKNOWN ? this.#after(configuration, byte) : known;
  }

  /** The configuration after a token that is not read by its bytes; DEAD: none reads it. */
  afterToken(configuration: number, token: number): number {
    const states: number[] = [];
    const stacks: number[] = [];
    for (const thread of this.tokenThreads(configuration)) {
      const state = this.#threads.first(thread);
      if (!this.#readsToken(state, token)) continue;
      states.push(this.states.rest(state));
      stacks.push(this.#threads.second(thread));
    }
    return states.length === 0 ? DEAD : this.#closure(states, stacks);
  }

  /** Either of two configurations. */
  either(one: number, other: number): number {
    if (one === DEAD || other === DEAD) return one === DEAD ? other : one;
    const threads = new Set([...this.#threadsOf[one]!, ...this.#threadsOf[other]!]);
    return this.#intern([...threads], this.#accepts[one]! || this.#accepts[other]!);
  }

  /** The threads that read a token as a whole. */
  tokenThreads(configuration: number): readonly number[] {
    this.#tokenThreads[configuration] ??= Array.from(this.#threadsOf[configuration]!).filter(
      (thread) => this.states.kind(this.#threads.first(thread)) === PART_TOKEN,
    );
    return this.#tokenThreads[configuration]!;
  }

  /** The tokens that a thread reads as a whole: these, or all others. */
  tokensOf(thread: number): { readonly ids: Int32Array; readonly negated: boolean; readonly after: number } {
    const { a, b, c, list } = this.#automaton;
    const state = this.#threads.first(thread);
    const part = this.states.part(state);
    const after = this.#closure([this.states.rest(state)], [this.#threads.second(thread)]);
    return { ids: list.subarray(a[part]!, a[part]! + b[part]!), negated: c[part] === 1, after };
  }

  #readsToken(state: number, token: number): boolean {
    const { a, b, c, list } = this.#automaton;
    const part = this.states.part(state);
    return list.subarray(a[part]!, a[part]! + b[part]!).includes(token) === (c[part] === 0);
  }

  /** Where a text may be after one more letter "a". */
  afterLetter(configuration: number): number {
    return this.next(configuration, LETTERS[0]!);
  }

  /** The kinds of bytes (BYTES_OF_KIND), bit k for kind k, all of which lead back to the configuration. */
  loopsOn(configuration: number): number {
    const known = this.#loops[configuration];
    if (known !== undefined) return known;
    let loops = 0;
    for (const [kind, bytes] of BYTES_OF_KIND.entries()) {
      if (bytes.every((byte) => this.next(configuration, byte) === configuration)) loops |= 1 << kind;
    }
    if (this.#charactersLead(configuration, configuration)) loops |= 1 << KIND_CHARACTERS;
    this.#loops[configuration] = loops;
    return loops;
  }

  /** Where a small letter leads, and all kinds of bytes that lead there; undefined: not all of these letters lead to the same place. */
  stepOn(configuration: number): Step | undefined {
    const known = this.#steps[configuration];
    if (known !== undefined) return known ?? undefined;
    const next = this.next(configuration, LETTERS[0]!);
    const allLead = (bytes: readonly number[]) => bytes.every((byte) => this.next(configuration, byte) === next);
    if (!allLead(LETTERS)) {
      this.#steps[configuration] = null;
      return undefined;
    }
    let kinds = 0;
    for (const [kind, bytes] of BYTES_OF_KIND.entries()) if (allLead(bytes)) kinds |= 1 << kind;
    if (this.#charactersLead(configuration, next)) kinds |= 1 << KIND_CHARACTERS;
    const step = { kinds, next };
    this.#steps[configuration] = step;
    return step;
  }

  /** Whether every character of more than one byte leads to a place. */
  #charactersLead(configuration: number, place: number): boolean {
    return LONG_CHARACTERS.every((sequence) => {
      let reached = new Set([configuration]);
      for (const [low, high] of sequence) {
        const after = new Set<number>();
        for (const one of reached) for (let byte = low; byte <= high; byte++) after.add(this.next(one, byte));
        if (place !== DEAD && after.has(DEAD)) return false;
        reached = after;
      }
      return reached.size === 1 && reached.has(place);
    });
  }

  /** Whether the text may end here. */
  accepts(configuration: number): boolean {
    return this.#accepts[configuration]!;
  }

  /** Whether nothing may follow. */
  isOver(configuration: number): boolean {
    return this.#threadsOf[configuration]!.length === 0;
  }

  /** State and stack of every thread. */
  threads(configuration: number): { readonly state: number; readonly stack: number }[] {
    return Array.from(this.#threadsOf[configuration]!, (thread) => ({
      state: this.#threads.first(thread),
      stack: this.#threads.second(thread),
    }));
  }

  /** Calls back with the same, without a list of them. */
  eachThread(configuration: number, visit: (state: number, stack: number) => void): void {
    for (const thread of this.#threadsOf[configuration]!) {
      visit(this.#threads.first(thread), this.#threads.second(thread));
    }
  }

  /** How many arrays of distinct items are open. */
  openDistinct(configuration: number): number {
    let most = 0;
    for (const thread of this.#threadsOf[configuration]!) {
      let open = 0;
      for (let at = this.#threads.second(thread); at !== BOTTOM; at = this.#stacks.second(at)) {
        open += this.#stacks.third(at);
      }
      most = Math.max(most, open);
    }
    return most;
  }

  /** The state to return to at the top of a stack, and the stack below; undefined: the stack is empty. */
  top(stack: number): { readonly state: number; readonly below: number } | undefined {
    return stack === BOTTOM ? undefined : { state: this.#stacks.first(stack), below: this.#stacks.second(stack) };
  }

  /** The most bytes from any of its products to the product's end. */
  longestWay(configuration: number): number {
    const known = this.#longestWays[configuration];
    if (known !== undefined) return known;
    let longest = 0;
    for (const thread of this.#threadsOf[configuration]!) {
      const state = this.#threads.first(thread);
      if (this.states.kind(state) !== PART_PRODUCT) continue;
      longest = Math.max(longest, this.states.wayLength(this.states.pairOf(state)));
    }
    this.#longestWays[configuration] = longest;
    return longest;
  }

  /**
   * A configuration that goes on like this one for as many bytes as `left`, with counts that stand for many, as long as no way to the end
   * of a product is longer than what is left then. Infinity: it is the configuration itself.
   */
  far(configuration: number, inProduct = false): readonly [configuration: number, left: number] {
    const known = this.#far[Number(inProduct)]!.get(configuration);
    if (known !== undefined) return known;
    let left = Number.POSITIVE_INFINITY;
    const threads = new Set<number>();
    for (const thread of this.#threadsOf[configuration]!) {
      const [state, leftOfState] = this.states.far(this.#threads.first(thread), inProduct);
      const [stack, leftOfStack] = this.#farStack(this.#threads.second(thread), inProduct);
      left = Math.min(left, leftOfState, leftOfStack);
      threads.add(this.#threads.number(state, stack, 0));
    }
    const isSame = left === Number.POSITIVE_INFINITY;
    const far = [isSame ? configuration : this.#intern([...threads], this.accepts(configuration)), left] as const;
    this.#far[Number(inProduct)]!.set(configuration, far);
    return far;
  }

  #farStack(stack: number, inProduct: boolean): readonly [stack: number, left: number] {
    if (stack === BOTTOM) return [BOTTOM, Number.POSITIVE_INFINITY];
    const known = this.#farStacks[Number(inProduct)]!.get(stack);
    if (known !== undefined) return known;
    const [below, leftBelow] = this.#farStack(this.#stacks.second(stack), inProduct);
    const [state, left] = this.states.far(this.#stacks.first(stack), inProduct);
    const far = [this.#stacks.number(state, below, this.#stacks.third(stack)), Math.min(left, leftBelow)] as const;
    this.#farStacks[Number(inProduct)]!.set(stack, far);
    return far;
  }

  /** Whether the tables are so large that others should take their place. */
  get isLarge(): boolean {
    return this.#size > LARGE || this.states.size + this.#threads.size + this.#stacks.size > MANY_STATES;
  }

  export(configuration: number): PortableConfiguration {
    const threads = this.threads(configuration).map(({ state, stack }) => {
      const returns: PortableReturn[] = [];
      for (let at = stack; at !== BOTTOM; at = this.#stacks.second(at)) {
        returns.unshift({ to: this.#exportState(this.#stacks.first(at)), distinct: this.#stacks.third(at) });
      }
      return { state: this.#exportState(state), returns };
    });
    return { threads, accepts: this.accepts(configuration) };
  }

  #exportState(state: number): PortableState {
    if (state === END) return undefined;
    const isProduct = this.states.kind(state) === PART_PRODUCT;
    const sides = isProduct ? this.states.sides(this.states.pairOf(state)) : undefined;
    return {
      part: this.states.part(state),
      place: this.states.place(state),
      sides: sides && [this.export(sides[0]), this.export(sides[1])],
      done: this.states.doneOf(state),
      rest: this.#exportState(this.states.rest(state)),
    };
  }

  import({ threads, accepts }: PortableConfiguration): number {
    const numbers = threads.map(({ state, returns }) => {
      const stack = returns.reduce(
        (below, { to, distinct }) => this.#stacks.number(this.#importState(to), below, distinct),
        BOTTOM,
      );
      return this.#threads.number(this.#importState(state), stack, 0);
    });
    return this.#intern(numbers, accepts);
  }

  #importState(state: PortableState): number {
    if (state === undefined) return END;
    const { part, place, sides, done, rest } = state;
    const after = this.#importState(rest);
    if (done !== undefined) return this.states.withDone(part, place, done, after);
    if (sides === undefined) return this.states.at(part, place, after);
    return this.states.ofSides(part, this.import(sides[0]), this.import(sides[1]), after);
  }

  #after(configuration: number, byte: number): number {
    const states: number[] = [];
    const stacks: number[] = [];
    let low = 0;
    let high = 255;
    let threads: Iterable<number> = this.#threadsOf[configuration]!;
    let wanting: Wanting | undefined;
    if (this.#threadsOf[configuration]!.length > FEW_THREADS) {
      const index = this.#index(configuration);
      threads = index.others;
      wanting = index.wanting[byte];
      if (wanting !== undefined) {
        low = byte;
        high = byte;
      } else {
        for (low = byte; low > 0 && index.wanting[low - 1] === undefined; ) low--;
        for (high = byte; high < 255 && index.wanting[high + 1] === undefined; ) high++;
      }
    }
    for (const thread of threads) {
      this.states.low = low;
      this.states.high = high;
      const target = this.states.after(this.#threads.first(thread), byte);
      low = this.states.low;
      high = this.states.high;
      this.states.spend(1);
      if (target === NOWHERE) continue;
      states.push(target);
      stacks.push(this.#threads.second(thread));
    }
    let next: number;
    if (wanting === undefined) next = states.length === 0 ? DEAD : this.#closure(states, stacks);
    else if (states.length === 0 && wanting.next !== undefined) next = wanting.next;
    else {
      const isAlone = states.length === 0;
      for (const thread of wanting.threads) {
        states.push(this.states.after(this.#threads.first(thread), byte));
        stacks.push(this.#threads.second(thread));
      }
      this.states.spend(wanting.threads.length);
      next = this.#closure(states, stacks);
      if (isAlone) wanting.next = next;
    }
    this.table.fill(next, 256 * configuration + low, 256 * configuration + high + 1);
    return next;
  }

  /** Of many threads: those that want one byte, by that byte, and the others. */
  #index(configuration: number): ThreadIndex {
    const known = this.#indexes.get(configuration);
    if (known !== undefined) return known;
    const { a, bytes } = this.#automaton;
    const lists: number[][] = [];
    const others: number[] = [];
    for (const thread of this.#threadsOf[configuration]!) {
      const state = this.#threads.first(thread);
      if (this.states.kind(state) !== PART_LITERAL) {
        others.push(thread);
        continue;
      }
      const byte = bytes[a[this.states.part(state)]! + this.states.place(state)]!;
      const alike = lists[byte];
      if (alike === undefined) lists[byte] = [thread];
      else alike.push(thread);
    }
    const index = { wanting: lists.map((threads) => this.#wantingOf(threads)), others };
    this.#indexes.set(configuration, index);
    this.states.spend(this.#threadsOf[configuration]!.length);
    return index;
  }

  /** The same threads, which want the same byte, in other configurations lead on to the same ones: an object's names after white space. */
  #wantingOf(threads: readonly number[]): Wanting {
    let hash = threads.length;
    for (const thread of threads) hash = Math.imul(hash ^ thread, 0x9e3779b1) ^ (hash >>> 15);
    const alike = this.#wantings.get(hash);
    const isSame = (one: Wanting) =>
      one.threads.length === threads.length && one.threads.every((thread, i) => thread === threads[i]);
    const known = alike?.find(isSame);
    if (known !== undefined) return known;
    const wanting: Wanting = { threads, next: undefined };
    if (alike === undefined) this.#wantings.set(hash, [wanting]);
    else alike.push(wanting);
    return wanting;
  }

  /** All that is reached from states with their stacks without a byte: calls and ends of rules. The lists grow. */
  #closure(states: number[], stacks: number[]): number {
    const list = ++this.#lists;
    const isNew = (state: number, stack: number) => {
      // Where a rule ends on a stack, and the state of that number reads a byte on it, are two things.
      const thread = this.#threads.number(state, stack, 1);
      if (thread >= this.#listOf.length) this.#growLists(thread);
      if (this.#listOf[thread] === list) return false;
      this.#listOf[thread] = list;
      return true;
    };
    const threads = new Set<number>();
    let accepts = false;
    const { rules } = this.#automaton;
    for (let i = 0; i < states.length; i++) {
      const stack = stacks[i]!;
      if (this.states.kind(states[i]!) === PART_LITERAL) {
        threads.add(this.#threads.number(states[i]!, stack, 0));
        this.states.spend(REACH_WORK);
        continue;
      }
      if (!isNew(states[i]!, stack)) continue;
      const { leaves, calls, ends } = this.states.closure(states[i]!);
      this.states.spend(REACH_WORK);
      for (const leaf of leaves) threads.add(this.#threads.number(leaf, stack, 0));
      for (let at = 0; at < calls.length; at += 3) {
        const rest = calls[at + 1]!;
        const distinct = calls[at + 2]!;
        states.push(this.states.begin(rules[calls[at]!]!, END));
        // Where nothing follows there is nothing to return to.
        stacks.push(rest === END && distinct === 0 ? stack : this.#stacks.number(rest, stack, distinct));
      }
      if (!ends) continue;
      if (stack === BOTTOM) accepts = true;
      else {
        states.push(this.#stacks.first(stack));
        stacks.push(this.#stacks.second(stack));
      }
    }
    if (threads.size > MOST_THREADS) {
      throw tooAmbiguous(`the text so far can be understood in ${threads.size} ways, more than ${MOST_THREADS}`);
    }
    return this.#intern([...threads], accepts);
  }

  #growLists(thread: number): void {
    const larger = new Int32Array(2 * thread);
    larger.set(this.#listOf);
    this.#listOf = larger;
  }

  #intern(threads: number[], accepts: boolean): number {
    const sorted = Int32Array.from(threads).sort();
    let hash = Number(accepts);
    for (let i = 0; i < sorted.length; i++) hash = Math.imul(hash ^ sorted[i]!, 0x9e3779b1) ^ (hash >>> 15);
    const alike = this.#numbers.get(hash);
    const known = alike?.find((one) => this.#accepts[one] === accepts && isEqual(this.#threadsOf[one]!, sorted));
    if (known !== undefined) return known;
    const number = this.#size++;
    if (alike === undefined) this.#numbers.set(hash, [number]);
    else alike.push(number);
    this.#threadsOf.push(sorted);
    this.#accepts.push(accepts);
    const entries = 256 * this.#size;
    if (entries > this.table.length) {
      const larger = new Int32Array(2 * entries);
      larger.set(this.table);
      this.table = larger;
    }
    this.table.fill(number === DEAD ? DEAD : UNKNOWN, entries - 256, entries);
    return number;
  }
}

/** What a state with its stack costs where bytes lead to it, in looks into the table: they are made, found again, and sorted. */
const REACH_WORK = 128;

function isEqual(one: Int32Array, other: Int32Array): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
