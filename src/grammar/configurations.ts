// Where a text may be in a grammar: the configurations that its bytes lead to, made as they are met and numbered, so that the second
// time is one look into a table. A configuration is a set of threads, one for each way in which the text can be understood so far; a
// thread is a state that reads a byte next, and the stack of states to return to when rules end. Equal stacks are one stack.
//
//   configuration 7 = { (state 12, stack 3), (state 40, stack 0) }       stack 3 = return to state 9, then stack 0: the end
//
// The need of a thread, stack or configuration is the least number of tokens to the end of the text. Threads that can never end are
// dropped, so every configuration leads to an end.

import { type Automaton, EDGE_BYTES, EDGE_CALL, EDGE_EMPTY, NO_RETURN } from "./automaton.js";
import { tooAmbiguous } from "./shortest.js";
import { BYTES_OF_KIND } from "./vocabulary.js";

/** The configuration without threads: the text matches no more. */
export const DEAD = 0;
/** The empty stack: where the rule at the bottom ends, the text may end. */
const BOTTOM = 0;
/** What the table says of a byte that has not come yet. */
export const UNKNOWN = -1;

/** Ways to understand one text; no grammar that anybody means has more. */
const MOST_THREADS = 2 ** 12;
/** Looks into the table and edges followed for one token: about a second. */
const MOST_WORK = 2 ** 26;
/** What a state with its stack costs where bytes lead to it, in such looks: they are made, found again, and sorted. */
const REACH_WORK = 128;
/** Entries of the tables, 4 bytes each, after which they are begun anew. */
const LARGE = 2 ** 22;

/** The least number of tokens from a state to the end of its rule, and the same for ways that begin with a byte. */
export interface Needs {
  readonly any: Float64Array;
  readonly byBytes: Float64Array;
}

/** A configuration apart from the tables: threads, each with its stack from the bottom up. */
export interface PortableConfiguration {
  readonly threads: readonly { readonly state: number; readonly returns: readonly number[] }[];
  readonly accepts: boolean;
}

export class Configurations {
  readonly #automaton: Automaton;
  readonly #needs: Needs;
  /** Classes of bytes, and the class of each. */
  readonly classes: number;
  readonly classOfByte: Uint8Array;
  readonly #stacks = new PairTable();
  readonly #stackNeed: number[] = [0];
  readonly #threads = new PairTable();
  readonly #numbers = new Map<string, number>();
  readonly #threadsOf: Int32Array[] = [];
  readonly #accepts: boolean[] = [];
  readonly #need: number[] = [];
  /** The next configuration: of configuration c and class k, entry c * classes + k; or UNKNOWN. Another array when it has grown. */
  table = new Int32Array(1024);
  /** By configuration: the kinds of bytes that lead back to it; undefined: nobody has asked. */
  readonly #loops: (number | undefined)[] = [];
  #size = 0;
  #work = 0;

  constructor(automaton: Automaton, needs: Needs) {
    this.#automaton = automaton;
    this.#needs = needs;
    this.classes = automaton.byteOfClass.length;
    this.classOfByte = automaton.classOfByte;
    this.#stacks.add(-1, -1); // BOTTOM
    this.#intern([], false); // DEAD
  }

  /** Where every text begins. */
  start(): number {
    return this.#closure([this.#automaton.starts[0]!], [BOTTOM]);
  }

  /** One state, and nothing above or below it: what can be said about it holds under every stack. */
  ofState(state: number): number {
    return this.#intern([this.#threads.add(state, BOTTOM)], false);
  }

  /** After the rule at the top of a stack has ended. BOTTOM ends the text. */
  returnTo(stack: number): number {
    return stack === BOTTOM ? DEAD : this.#closure([this.#stacks.first(stack)], [this.#stacks.second(stack)]);
  }

  /** The configuration after one more byte. */
  next(configuration: number, byte: number): number {
    const entry = configuration * this.classes + this.classOfByte[byte]!;
    this.spend(1);
    const known = this.table[entry]!;
    if (known !== UNKNOWN) return known;
    const next = this.#after(configuration, byte);
    this.table[entry] = next;
    return next;
  }

  /** The kinds of bytes (BYTES_OF_KIND), bit k for kind k, all of which lead back to the configuration. */
  loopsOn(configuration: number): number {
    const known = this.#loops[configuration];
    if (known !== undefined) return known;
    let loops = 0;
    for (const [kind, bytes] of BYTES_OF_KIND.entries()) {
      if (bytes.every((byte) => this.next(configuration, byte) === configuration)) loops |= 1 << kind;
    }
    this.#loops[configuration] = loops;
    return loops;
  }

  /** Whether the text may end here. */
  accepts(configuration: number): boolean {
    return this.#accepts[configuration]!;
  }

  /** The least number of tokens to the end, 0 if it may end here. */
  need(configuration: number): number {
    return this.#need[configuration]!;
  }

  /** Whether nothing may follow. */
  isOver(configuration: number): boolean {
    return this.#threadsOf[configuration]!.length === 0;
  }

  /** How many arrays of distinct items are open. */
  openDistinct(configuration: number): number {
    const { distinct } = this.#automaton;
    let most = 0;
    for (const { state, stack } of this.threads(configuration)) {
      let open = distinct[state]!;
      for (let at = stack; at !== BOTTOM; at = this.#stacks.second(at)) open += distinct[this.#stacks.first(at)]!;
      most = Math.max(most, open);
    }
    return most;
  }

  /** State and stack of every thread. */
  threads(configuration: number): { readonly state: number; readonly stack: number }[] {
    return Array.from(this.#threadsOf[configuration]!, (thread) => ({
      state: this.#threads.first(thread),
      stack: this.#threads.second(thread),
    }));
  }

  stackNeed(stack: number): number {
    return this.#stackNeed[stack]!;
  }

  /** A token is about to be looked for: what it may cost begins anew. */
  allowWork(): void {
    this.#work = 0;
  }

  /** Counts work for one token. @throws GrammarError GRAMMAR_TOO_AMBIGUOUS when it is too much */
  spend(work: number): void {
    this.#work += work;
    if (this.#work > MOST_WORK) throw tooAmbiguous("one token takes too long to find");
  }

  /** Whether the tables are so large that others should take their place. */
  get isLarge(): boolean {
    return this.#size * this.classes > LARGE || this.#stacks.size > LARGE / 8;
  }

  export(configuration: number): PortableConfiguration {
    const threads = this.threads(configuration).map(({ state, stack }) => {
      const returns: number[] = [];
      for (let at = stack; at !== BOTTOM; at = this.#stacks.second(at)) returns.unshift(this.#stacks.first(at));
      return { state, returns };
    });
    return { threads, accepts: this.accepts(configuration) };
  }

  import({ threads, accepts }: PortableConfiguration): number {
    const numbers = threads.map(({ state, returns }) => {
      const stack = returns.reduce((below, to) => this.#push(to, below), BOTTOM);
      return this.#threads.add(state, stack);
    });
    return this.#intern(numbers, accepts);
  }

  #after(configuration: number, byte: number): number {
    const { firstEdge, edgeKind, edgeData, edgeTarget } = this.#automaton;
    const states: number[] = [];
    const stacks: number[] = [];
    for (const thread of this.#threadsOf[configuration]!) {
      const state = this.#threads.first(thread);
      for (let edge = firstEdge[state]!; edge < firstEdge[state + 1]!; edge++) {
        this.#work++;
        const data = edgeData[edge]!;
        if (edgeKind[edge] !== EDGE_BYTES || byte < data >> 8 || byte > (data & 0xff)) continue;
        states.push(edgeTarget[edge]!);
        stacks.push(this.#threads.second(thread));
      }
    }
    return states.length === 0 ? DEAD : this.#closure(states, stacks);
  }

  /** All that is reached without a byte: calls, ends of rules, empty edges. The lists grow; a state and its stack come in once. */
  #closure(states: number[], stacks: number[]): number {
    const { starts, firstEdge, edgeKind, edgeData, edgeTarget, final } = this.#automaton;
    const { any, byBytes } = this.#needs;
    const seen = new Set<number>();
    const threads: number[] = [];
    let accepts = false;
    const reach = (state: number, stack: number) => {
      if (any[state] === Number.POSITIVE_INFINITY) return;
      states.push(state);
      stacks.push(stack);
    };
    for (let i = 0; i < states.length; i++) {
      const state = states[i]!;
      const stack = stacks[i]!;
      const key = state + stack * final.length;
      if (seen.has(key)) continue;
      seen.add(key);
      this.spend(REACH_WORK);
      if (final[state] === 1) {
        if (stack === BOTTOM) accepts = true;
        else reach(this.#stacks.first(stack), this.#stacks.second(stack));
      }
      let readsByte = false;
      for (let edge = firstEdge[state]!; edge < firstEdge[state + 1]!; edge++) {
        this.#work++;
        const target = edgeTarget[edge]!;
        if (edgeKind[edge] === EDGE_BYTES) readsByte = true;
        else if (edgeKind[edge] === EDGE_EMPTY) reach(target, stack);
        else if (edgeKind[edge] === EDGE_CALL && (target === NO_RETURN || any[target] !== Number.POSITIVE_INFINITY)) {
          reach(starts[edgeData[edge]!]!, target === NO_RETURN ? stack : this.#push(target, stack));
        }
      }
      if (readsByte && byBytes[state] !== Number.POSITIVE_INFINITY) threads.push(this.#threads.add(state, stack));
    }
    if (threads.length > MOST_THREADS) {
      throw tooAmbiguous(`the text so far can be understood in ${threads.length} ways, more than ${MOST_THREADS}`);
    }
    return this.#intern(threads, accepts);
  }

  #push(returnTo: number, below: number): number {
    const stack = this.#stacks.add(returnTo, below);
    this.#stackNeed[stack] ??= this.#needs.any[returnTo]! + this.#stackNeed[below]!;
    return stack;
  }

  #intern(threads: number[], accepts: boolean): number {
    const sorted = Int32Array.from(threads).sort();
    const key = `${accepts} ${sorted.join()}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#size++;
    this.#numbers.set(key, number);
    this.#threadsOf.push(sorted);
    this.#accepts.push(accepts);
    let need = accepts ? 0 : Number.POSITIVE_INFINITY;
    for (const thread of sorted) {
      const stack = this.#threads.second(thread);
      need = Math.min(need, this.#needs.byBytes[this.#threads.first(thread)]! + this.#stackNeed[stack]!);
    }
    this.#need.push(need);
    const entries = this.#size * this.classes;
    if (entries > this.table.length) {
      const larger = new Int32Array(2 * entries);
      larger.set(this.table);
      this.table = larger;
    }
    this.table.fill(UNKNOWN, entries - this.classes, entries);
    if (number === DEAD) this.table.fill(DEAD, 0, entries);
    return number;
  }
}

/** Pairs of numbers, numbered from 0 in order of arrival. */
class PairTable {
  readonly #numbers = new Map<number, number>();
  readonly #first: number[] = [];
  readonly #second: number[] = [];

  get size(): number {
    return this.#first.length;
  }

  add(first: number, second: number): number {
    const key = first + second * 2 ** 20;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#first.length);
    this.#second.push(second);
    return this.#first.push(first) - 1;
  }

  first(number: number): number {
    return this.#first[number]!;
  }

  second(number: number): number {
    return this.#second[number]!;
  }
}
