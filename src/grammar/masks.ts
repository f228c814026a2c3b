// Which tokens may come next, as one bit per token: found by one walk over the vocabulary's tree and kept. What leads back to where it
// began, as letters do in a string, is known without a walk; only tokens that have other bytes too are looked at.

import { type Configurations, DEAD, UNKNOWN } from "./configurations.js";
import type { Needs } from "./needs.js";
import type { Vocabulary } from "./vocabulary.js";

/** Tokens that may come next. */
interface Mask {
  /** Token t: bit t % 32 of word t / 32. */
  readonly bits: Uint32Array;
  /** The most tokens that any of them leaves to the shortest end, estimated: never less than it is. */
  readonly mostNeed: number;
  /** The most bytes from where any of them leads to the end of a product. */
  readonly longestWay: number;
}

/** See `#along`. */
interface Along {
  readonly kinds: number;
  readonly characters: number;
  readonly mostNeed: number;
  readonly longestWay: number;
}

/** Characters that are followed to where a counted repetition is full. */
const MOST_STEPS = 12;
/** Bytes of bits that are kept. */
const KEPT_BYTES = 2 ** 24;
/** Where fewer bytes than this are alike with a repetition that goes on for long, all tokens are tried. */
const FEW_BYTES = 2;

export class Masks {
  readonly #vocabulary: Vocabulary;
  readonly #configurations: Configurations;
  readonly #needs: Needs;
  readonly #words: number;
  readonly #kept = new Map<number, Mask>();
  readonly #counted = new Map<number, number>();
  /** The configuration at each depth of the walk. */
  readonly #path: Int32Array;

  constructor(vocabulary: Vocabulary, configurations: Configurations, needs: Needs) {
    this.#vocabulary = vocabulary;
    this.#configurations = configurations;
    this.#needs = needs;
    this.#words = Math.ceil(vocabulary.size / 32);
    this.#path = new Int32Array(vocabulary.longest + 1);
  }

  /** The tokens after which at most `tokens` more are needed to end. */
  allowed(configuration: number, tokens: number): Uint32Array {
    const mask = this.#maskOf(configuration);
    const isEnough = mask.mostNeed <= tokens || this.#countedNeed(configuration) <= tokens;
    return isEnough ? mask.bits : this.#walk(configuration, { tokens }).bits;
  }

  /** The most tokens that any allowed token leaves to the end, counted, not estimated. */
  #countedNeed(configuration: number): number {
    const known = this.#counted.get(configuration);
    if (known !== undefined) return known;
    const { mostNeed } = this.#walk(configuration, { tokens: Number.MAX_SAFE_INTEGER - 1 });
    this.#counted.set(configuration, mostNeed);
    return mostNeed;
  }

  #maskOf(configuration: number): Mask {
    const known = this.#kept.get(configuration);
    if (known !== undefined) return known;
    const [far, left] = this.#configurations.far(configuration);
    const mask = far === configuration ? this.#walk(configuration, {}) : this.#likeFar(configuration, far, left);
    if (this.#kept.size * this.#words * 4 > KEPT_BYTES) this.#kept.clear();
    this.#kept.set(configuration, mask);
    return mask;
  }

  /** In counted repetitions: tokens of few bytes are those of a repetition that is far from its end; the others are tried. */
  #likeFar(configuration: number, far: number, left: number): Mask {
    const mask = this.#maskOf(far);
    const alike = this.#vocabulary.hasAllBytes || mask.longestWay === 0 ? left - mask.longestWay : 0;
    const countsAlong = alike < MOST_STEPS && this.#along(configuration, Number.MAX_SAFE_INTEGER) !== undefined;
    if (alike < FEW_BYTES || countsAlong) return this.#walk(configuration, {});
    if (alike >= this.#vocabulary.longest) return mask;
    const tried = this.#walk(configuration, { longerThan: alike });
    const bits = mask.bits.slice();
    for (const token of this.#vocabulary.longerThan(alike)) bits[token >> 5]! &= ~(1 << (token & 31));
    for (let i = 0; i < bits.length; i++) bits[i]! |= tried.bits[i]!;
    return { ...tried, bits, mostNeed: Math.max(mask.mostNeed, tried.mostNeed) };
  }

  /**
   * Kinds of characters each of which leads on to the same place, as in a string of counted characters: of the tokens that have no others, all
   * of up to `characters` are allowed, and no longer one. undefined: there are none such, or not after each of them the text can be ended in
   * so many tokens.
   */
  #along(configuration: number, tokens: number): Along | undefined {
    const configurations = this.#configurations;
    const needOf = (one: number) =>
      tokens < Number.MAX_SAFE_INTEGER ? this.#needs.ofConfiguration(one) : this.#needs.boundOf(one);
    if (configurations.afterLetter(configuration) === DEAD) return undefined; // as in most places
    let kinds = -1;
    let mostNeed = 0;
    let longestWay = 0;
    let at = configuration;
    for (let characters = 0; characters < MOST_STEPS; characters++) {
      const step = configurations.stepOn(at);
      if (step === undefined) return undefined;
      kinds &= step.kinds;
      if (step.next === DEAD) return { kinds, characters, mostNeed, longestWay };
      if (needOf(step.next) > tokens) return undefined;
      mostNeed = Math.max(mostNeed, needOf(step.next));
      longestWay = Math.max(longestWay, configurations.longestWay(step.next));
      if (step.next === at) return { kinds, characters: Number.POSITIVE_INFINITY, mostNeed, longestWay };
      at = step.next;
    }
    return undefined;
  }

  /**
   * The tokens that the grammar allows: only those that need at most `tokens` more to the end, and only those of more than `longerThan`
   * bytes.
   *
   * What is one call in a loop elsewhere is written out: it may see 100,000 nodes of the vocabulary.
   */
  #walk(
    configuration: number,
    { tokens = Number.MAX_SAFE_INTEGER, longerThan = 0 }: { readonly tokens?: number; readonly longerThan?: number },
  ): Mask {
    const { byte, depth, end, firstToken, tokens: sorted, kinds, wholeKinds, longestBelow } = this.#vocabulary.tables;
    const { nodes } = this.#vocabulary;
    const configurations = this.#configurations;
    const needs = this.#needs;
    const path = this.#path;
    let loops = longerThan > 0 ? 0 : configurations.loopsOn(configuration);
    let mostNeed = 0;
    let longestWay = configurations.longestWay(configuration);
    let bits: Uint32Array;
    const isCounted = tokens < Number.MAX_SAFE_INTEGER;
    const needOf = (one: number) => (isCounted ? needs.ofConfiguration(one) : needs.boundOf(one));
    const along = loops === 0 && longerThan === 0 ? this.#along(configuration, tokens) : undefined;
    if (along !== undefined) {
      bits = this.#vocabulary.withinLength(along.kinds, along.characters).slice();
      loops = along.kinds;
      mostNeed = along.mostNeed;
      longestWay = Math.max(longestWay, along.longestWay);
    } else if (loops !== 0 && needOf(configuration) <= tokens) {
      bits = this.#vocabulary.within(loops).slice();
      mostNeed = needOf(configuration);
    } else {
      bits = new Uint32Array(this.#words);
    }
    let { table } = configurations;
    path[0] = configuration;
    let seen = 0;
    for (let node = 1; node < nodes; ) {
      if ((wholeKinds[node]! & ~loops) === 0 || longestBelow[node]! <= longerThan) {
        node = end[node]!;
        continue;
      }
      const before = path[depth[node]! - 1]!;
      let reached = table[256 * before + byte[node]!]!;
      if ((++seen & 1023) === 0) configurations.states.spend(1024);
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
      if (reached === before) table = configurations.table; // asking for loops may have made it grow
      const next = isUniform ? end[node]! : node + 1;
      const tokensEnd = firstToken[next]!;
      if (firstToken[node]! < tokensEnd) {
        const need = needOf(reached);
        if (need <= tokens) {
          table = configurations.table; // so may asking for needs
          for (let i = firstToken[node]!; i < tokensEnd; i++) bits[sorted[i]! >> 5]! |= 1 << (sorted[i]! & 31);
          if (need > mostNeed) mostNeed = need;
          const way = configurations.longestWay(reached);
          if (way > longestWay) longestWay = way;
        }
      }
      path[depth[node]!] = reached;
      node = next;
    }
    for (const thread of configurations.tokenThreads(configuration)) {
      const { ids, negated, after } = configurations.tokensOf(thread);
      const need = needOf(after);
      if (need > tokens) continue;
      this.#addTokens(bits, ids, negated);
      mostNeed = Math.max(mostNeed, need);
    }
    return { bits, mostNeed, longestWay };
  }

  #addTokens(bits: Uint32Array, ids: Int32Array, negated: boolean): void {
    if (!negated) {
      for (const id of ids) bits[id >> 5]! |= 1 << (id & 31);
      return;
    }
    for (let id = 0; id < this.#vocabulary.size; id++) if (!ids.includes(id)) bits[id >> 5]! |= 1 << (id & 31);
  }
}
