// Which tokens may come next, as one bit per token. Most of the answer depends on a state alone, whatever stack it stands on: it is
// found by one walk over the vocabulary and kept. What is left are tokens that go on after the rule's end; they begin at few nodes of the
// vocabulary's tree, and are looked up with the stack in hand.
//
//   in a string         any text; and what ends the string, goes on ...
//   its rule ends at    the nodes  "   ."   ?"  ...     ... with the bytes after them:   ",   "}   .",

import type { Automaton } from "./automaton.js";
import type { Configurations } from "./configurations.js";
import { DEAD, UNKNOWN } from "./configurations.js";
import type { Vocabulary } from "./vocabulary.js";

/** Tokens that may come next. */
interface Mask {
  /** Token t: bit t % 32 of word t / 32. */
  readonly bits: Uint32Array;
  /** The most tokens that any of them leaves to the shortest end; never less than it is. */
  readonly mostNeed: number;
}

interface StateMask extends Mask {
  /** Nodes of the vocabulary at which the state's rule may have ended. */
  readonly ends: Int32Array;
}

interface WalkOptions {
  /** Only tokens that need at most so many more to the end. */
  readonly tokens?: number;
  /** Only nodes that some token of more bytes than this begins with. */
  readonly shorter?: number;
  /** Where the inner nodes go at which the text may end. */
  readonly ends?: number[];
}

/** Bytes of bits that are kept, of states and of configurations each. */
const KEPT_BYTES = 2 ** 24;

export class Masks {
  readonly #automaton: Automaton;
  readonly #vocabulary: Vocabulary;
  readonly #configurations: Configurations;
  readonly #words: number;
  readonly #ofState = new Map<number, StateMask>();
  readonly #ofConfiguration = new Map<number, Mask>();
  /** The configuration at each depth of the walk. */
  readonly #path: Int32Array;

  constructor(automaton: Automaton, vocabulary: Vocabulary, configurations: Configurations) {
    this.#automaton = automaton;
    this.#vocabulary = vocabulary;
    this.#configurations = configurations;
    this.#words = Math.ceil(vocabulary.size / 32);
    this.#path = new Int32Array(vocabulary.longest + 1);
  }

  /** The tokens after which at most `tokens` more are needed to end. */
  allowed(configuration: number, tokens: number): Uint32Array {
    this.#configurations.allowWork();
    const mask = this.#maskOf(configuration);
    if (mask.mostNeed <= tokens) return mask.bits;
    const bits = new Uint32Array(this.#words);
    this.#walk(configuration, 0, bits, { tokens });
    return bits;
  }

  #maskOf(configuration: number): Mask {
    const known = this.#ofConfiguration.get(configuration);
    if (known !== undefined) return known;
    const bits = new Uint32Array(this.#words);
    let mostNeed = 0;
    for (const { state, stack } of this.#configurations.threads(configuration)) {
      const ofState = this.#maskOfState(state);
      for (let i = 0; i < bits.length; i++) bits[i]! |= ofState.bits[i]!;
      mostNeed = Math.max(mostNeed, ofState.mostNeed + this.#configurations.stackNeed(stack));
      const after = this.#configurations.returnTo(stack);
      if (after === DEAD) continue;
      for (const end of ofState.ends) mostNeed = Math.max(mostNeed, this.#walk(after, end, bits));
    }
    const mask = { bits, mostNeed };
    this.#keep(this.#ofConfiguration, configuration, mask);
    return mask;
  }

  #maskOfState(state: number): StateMask {
    const known = this.#ofState.get(state);
    if (known !== undefined) return known;
    const twin = this.#automaton.endlessTwin[state]!;
    const mask = twin >= 0 ? this.#likeTwin(state, twin) : this.#maskFrom(state, new Uint32Array(this.#words), 0);
    this.#keep(this.#ofState, state, mask);
    return mask;
  }

  /** In a counted repetition: tokens of no more bytes than it may still have repetitions are its twin's; the others are tried. */
  #likeTwin(state: number, twin: number): StateMask {
    const { depth, longest, tokensLongerThan } = this.#vocabulary;
    const left = this.#automaton.repetitionsLeft[state]!;
    const endless = this.#maskOfState(twin);
    if (left >= longest) return endless;
    const bits = endless.bits.slice();
    for (const token of tokensLongerThan(left)) bits[token >> 5]! &= ~(1 << (token & 31));
    const tried = this.#maskFrom(state, bits, left);
    const mostNeed = Math.max(endless.mostNeed, tried.mostNeed);
    const ends = endless.ends.filter((node) => depth[node]! <= left);
    const more = tried.ends.filter((node) => depth[node]! > left);
    return { bits, mostNeed, ends: Int32Array.from([...ends, ...more]) };
  }

  /** The mask of a state alone, into `bits`: of all tokens that begin as one of more than `shorter` bytes does. */
  #maskFrom(state: number, bits: Uint32Array, shorter: number): StateMask {
    const ends: number[] = [];
    const mostNeed = this.#walk(this.#configurations.ofState(state), 0, bits, { shorter, ends });
    return { bits, mostNeed, ends: Int32Array.from(ends) };
  }

  /**
   * Sets the bits of tokens below the node `from` that the grammar allows, beginning in a configuration there. Returns the most tokens
   * that any of them needs to the end.
   *
   * It sees every allowed node of the vocabulary, some 100,000 of them in a string: what is one call in a loop elsewhere is written out.
   */
  #walk(
    configuration: number,
    from: number,
    bits: Uint32Array,
    { tokens = Number.POSITIVE_INFINITY, shorter = 0, ends }: WalkOptions = {},
  ): number {
    const { byte, depth, end, firstToken, tokens: sorted, kinds, longestBelow } = this.#vocabulary;
    const configurations = this.#configurations;
    const path = this.#path;
    const last = end[from]!;
    const { classes, classOfByte } = configurations;
    let { table } = configurations;
    let mostNeed = 0;
    path[depth[from]!] = configuration;
    configurations.spend(last - from);
    for (let node = from + 1; node < last; ) {
      if (longestBelow[node]! <= shorter) {
        node = end[node]!;
        continue;
      }
      const before = path[depth[node]! - 1]!;
      let reached = table[before * classes + classOfByte[byte[node]!]!]!;
      if (reached === UNKNOWN) {
        reached = configurations.next(before, byte[node]!);
        table = configurations.table;
      }
      if (reached === DEAD) {
        node = end[node]!;
        continue;
      }
      // Where all bytes below lead back to here, as in a string, all tokens below are like this one.
      const isUniform = reached === before && (kinds[node]! & ~configurations.loopsOn(reached)) === 0;
      const next = isUniform ? end[node]! : node + 1;
      if (reached === before) table = configurations.table; // asking for loops may have made it grow
      const tokensEnd = firstToken[next]!;
      if (firstToken[node]! < tokensEnd) {
        const need = configurations.need(reached);
        if (need <= tokens) {
          for (let i = firstToken[node]!; i < tokensEnd; i++) bits[sorted[i]! >> 5]! |= 1 << (sorted[i]! & 31);
          if (need > mostNeed) mostNeed = need;
        }
      }
      if (ends !== undefined && end[node]! > node + 1 && configurations.accepts(reached)) {
        // Each node below is an end of its own.
        for (let inner = node; inner < next; inner++) if (end[inner]! > inner + 1) ends.push(inner);
      }
      path[depth[node]!] = reached;
      node = next;
    }
    return mostNeed;
  }

  #keep<Value>(kept: Map<number, Value>, key: number, value: Value): void {
    if (kept.size * this.#words * 4 > KEPT_BYTES) kept.clear();
    kept.set(key, value);
  }
}
