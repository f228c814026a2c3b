// Which tokens may come next, as one bit per token. Most of the answer depends on a state alone, whatever stack it stands on: it is
// found by one walk over the vocabulary and kept. What is left are tokens that go on after the rule's end; they begin at few nodes of the
// vocabulary's tree, and are looked up with the stack in hand.
//
//   in a string         any text; and what ends the string, goes on ...
//   its rule ends at    the nodes  "   ."   ?"  ...     ... with the bytes after them:   ",   "}   .",

import type { Configurations } from "./configurations.js";
import { DEAD } from "./configurations.js";
import type { Vocabulary } from "./vocabulary.js";

/** Tokens that may come next. */
export interface Mask {
  /** Token t: bit t % 32 of word t / 32. */
  readonly bits: Uint32Array;
  /** The most tokens that any of them leaves to the shortest end; never less than it is. */
  readonly mostNeed: number;
}

interface StateMask extends Mask {
  /** Nodes of the vocabulary at which the state's rule may have ended. */
  readonly ends: Int32Array;
}

/** Bytes of bits that are kept, of states and of configurations each. */
const KEPT_BYTES = 2 ** 24;

export class Masks {
  readonly #vocabulary: Vocabulary;
  readonly #configurations: Configurations;
  readonly #words: number;
  readonly #ofState = new Map<number, StateMask>();
  readonly #ofConfiguration = new Map<number, Mask>();
  readonly #path: Int32Array;

  constructor(vocabulary: Vocabulary, configurations: Configurations) {
    this.#vocabulary = vocabulary;
    this.#configurations = configurations;
    this.#words = Math.ceil(vocabulary.size / 32);
    this.#path = new Int32Array(vocabulary.depth.reduce((most, depth) => Math.max(most, depth), 0) + 1);
  }

  /** The tokens after which at most `tokens` more are needed to end. */
  allowed(configuration: number, tokens: number): Uint32Array {
    this.#configurations.allowWork();
    const mask = this.#maskOf(configuration);
    if (mask.mostNeed <= tokens) return mask.bits;
    const bits = new Uint32Array(this.#words);
    this.#walk(configuration, 0, (node, reached) => {
      if (this.#configurations.need(reached) <= tokens) this.#setTokens(bits, node);
    });
    return bits;
  }

  #maskOf(configuration: number): Mask {
    const known = this.#ofConfiguration.get(configuration);
    if (known !== undefined) return known;
    const bits = new Uint32Array(this.#words);
    let mostNeed = 0;
    for (const { state, stack } of this.#configurations.threads(configuration)) {
      const ofState = this.#maskOfState(state);
      for (let i = 0; i < bits.length; i++) bits[i] |= ofState.bits[i];
      mostNeed = Math.max(mostNeed, ofState.mostNeed + this.#configurations.stackNeed(stack));
      const after = this.#configurations.returnTo(stack);
      if (after === DEAD) continue;
      for (const end of ofState.ends) {
        this.#walk(after, end, (node, reached) => {
          this.#setTokens(bits, node);
          mostNeed = Math.max(mostNeed, this.#configurations.need(reached));
        });
      }
    }
    const mask = { bits, mostNeed };
    this.#keep(this.#ofConfiguration, configuration, mask);
    return mask;
  }

  #maskOfState(state: number): StateMask {
    const known = this.#ofState.get(state);
    if (known !== undefined) return known;
    const bits = new Uint32Array(this.#words);
    const ends: number[] = [];
    let mostNeed = 0;
    const vocabulary = this.#vocabulary;
    const configurations = this.#configurations;
    this.#walk(configurations.ofState(state), 0, (node, reached) => {
      if (vocabulary.hasToken(node)) {
        this.#setTokens(bits, node);
        mostNeed = Math.max(mostNeed, configurations.need(reached));
      }
      if (configurations.accepts(reached) && vocabulary.end[node] > node + 1) ends.push(node);
    });
    const mask = { bits, mostNeed, ends: Int32Array.from(ends) };
    this.#keep(this.#ofState, state, mask);
    return mask;
  }

  /** Visits the nodes below `from` that the grammar allows, beginning in a configuration there. */
  #walk(configuration: number, from: number, visit: (node: number, reached: number) => void): void {
    const { byte, depth, end } = this.#vocabulary;
    const path = this.#path;
    const last = end[from];
    path[depth[from]] = configuration;
    for (let node = from + 1; node < last; ) {
      const reached = this.#configurations.next(path[depth[node] - 1], byte[node]);
      if (reached === DEAD) {
        node = end[node];
        continue;
      }
      path[depth[node]] = reached;
      visit(node, reached);
      node++;
    }
  }

  #setTokens(bits: Uint32Array, node: number): void {
    const { firstToken, tokens } = this.#vocabulary;
    for (let i = firstToken[node]; i < firstToken[node + 1]; i++) bits[tokens[i] >> 5] |= 1 << (tokens[i] & 31);
  }

  #keep<Value>(kept: Map<number, Value>, key: number, value: Value): void {
    if (kept.size * this.#words * 4 > KEPT_BYTES) kept.clear();
    kept.set(key, value);
  }
}
