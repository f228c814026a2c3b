// A grammar at work on one text: says which tokens may come next, and follows the ones that come.

import { GrammarError } from "../errors.js";
import type { Automaton } from "./automaton.js";
import { Configurations, DEAD } from "./configurations.js";
import { type DistinctReading, outsideOfDistinct } from "./distinct.js";
import { DistinctTokens } from "./distinct-tokens.js";
import { SliceOver } from "./limits.js";
import { Masks } from "./masks.js";
import { Needs } from "./needs.js";
import type { Vocabulary } from "./vocabulary.js";

interface Tables {
  readonly configurations: Configurations;
  readonly needs: Needs;
  readonly masks: Masks;
  /** undefined: the grammar has no arrays of distinct items. */
  readonly distinct: DistinctTokens | undefined;
}

/** A grammar for one vocabulary. What its texts have in common is found once, and kept. */
export class VocabularyGrammar {
  /** Tokens of the shortest text. */
  readonly shortest: number;
  readonly #automaton: Automaton;
  readonly #vocabulary: Vocabulary;
  #tables: Tables;

  /** @throws GrammarError GRAMMAR_EMPTY when the vocabulary has no tokens for a text of the grammar, GRAMMAR_TOO_AMBIGUOUS */
  constructor(automaton: Automaton, vocabulary: Vocabulary) {
    this.#automaton = automaton;
    this.#vocabulary = vocabulary;
    this.#tables = this.#newTables();
    const { configurations, needs } = this.#tables;
    configurations.states.allowWork();
    this.shortest = needs.ofConfiguration(configurations.start()) + automaton.reserve;
    if (!Number.isFinite(this.shortest)) {
      throw new GrammarError("GRAMMAR_EMPTY", "the model's vocabulary cannot write a text that matches the grammar");
    }
  }

  /** Begins a text. @throws GrammarError GRAMMAR_TOO_AMBIGUOUS */
  begin(): Constraint {
    return new Constraint(this.#vocabulary, this.#automaton.reserve, () => this.#currentTables());
  }

  /** Tables that have grown large are left to the texts that still use them. */
  #currentTables(): Tables {
    if (this.#tables.configurations.isLarge) this.#tables = this.#newTables();
    return this.#tables;
  }

  #newTables(): Tables {
    const configurations = new Configurations(this.#automaton);
    const needs = new Needs(this.#automaton, configurations, this.#vocabulary);
    const masks = new Masks(this.#vocabulary, configurations, needs);
    const { hasDistinct } = this.#automaton;
    const distinct = hasDistinct ? new DistinctTokens(this.#vocabulary, configurations, needs) : undefined;
    return { configurations, needs, masks, distinct };
  }
}

/** One text under a grammar. From `VocabularyGrammar.begin`. */
export class Constraint {
  readonly #vocabulary: Vocabulary;
  readonly #reserve: number;
  readonly #currentTables: () => Tables;
  #tables: Tables;
  #configuration: number;
  #reading = outsideOfDistinct;
  /** What has been done to find the next tokens. */
  #work = 0;

  constructor(vocabulary: Vocabulary, reserve: number, currentTables: () => Tables) {
    this.#vocabulary = vocabulary;
    this.#reserve = reserve;
    this.#currentTables = currentTables;
    this.#tables = currentTables();
    this.#tables.configurations.states.allowWork();
    this.#configuration = this.#tables.configurations.start();
  }

  /** Whether the text may end here. */
  get accepts(): boolean {
    return this.#tables.configurations.accepts(this.#configuration);
  }

  /** Whether it must end here: no token may follow. */
  get isOver(): boolean {
    return this.#tables.configurations.isOver(this.#configuration);
  }

  /** The least number of tokens to the end. @throws GrammarError GRAMMAR_TOO_AMBIGUOUS */
  get need(): number {
    return this.#tables.needs.ofConfiguration(this.#configuration);
  }

  /**
   * The tokens that may come next, when `tokens` more may come at most: after each of them the text can still be ended in time, if it
   * could before. Token t: bit t % 32 of word t / 32; not to be written to.
   *
   * @throws GrammarError GRAMMAR_TOO_AMBIGUOUS, GRAMMAR_TOO_LARGE
   */
  allowed(tokens: number): Uint32Array {
    for (;;) {
      const allowed = this.allowedSoon(tokens);
      if (allowed !== undefined) return allowed;
    }
  }

  /** The same, if it is found within some milliseconds. What was found is kept: asked again, it goes on from there. */
  allowedSoon(tokens: number): Uint32Array | undefined {
    const current = this.#currentTables();
    if (current !== this.#tables) {
      current.configurations.states.allowWork();
      const moved = this.#tables.configurations.export(this.#configuration);
      this.#tables = current;
      this.#configuration = current.configurations.import(moved);
    }
    const { states } = this.#tables.configurations;
    states.allowSlice(this.#work);
    try {
      const allowed = this.#allowed(tokens);
      this.#work = 0;
      return allowed;
    } catch (error) {
      if (!(error instanceof SliceOver)) throw error;
      this.#work = states.work;
      return undefined;
    } finally {
      states.allowWork();
    }
  }

  #allowed(tokens: number): Uint32Array {
    const { masks, distinct } = this.#tables;
    const within = (left: number) => {
      const bits = masks.allowed(this.#configuration, left);
      return distinct === undefined ? bits : distinct.allowed(bits, this.#configuration, this.#reading, left);
    };
    const bits = within(tokens - 1 - this.#reserve);
    if (distinct === undefined || !bits.every((word) => word === 0)) return bits;
    const all = this.#reserve === 0 ? bits : within(tokens - 1);
    if (this.accepts || !all.every((word) => word === 0)) return all;
    throw new GrammarError(
      "GRAMMAR_EMPTY",
      "an array's items must differ, and no other item is left in so many tokens",
    );
  }

  /** Follows a token. False: it is not allowed, and the text is where it was. @throws GrammarError GRAMMAR_TOO_AMBIGUOUS */
  accept(token: number): boolean {
    const bytes = this.#vocabulary.bytesOf(token);
    const { configurations } = this.#tables;
    configurations.states.allowWork();
    this.#work = 0;
    let byBytes = bytes.length === 0 ? DEAD : this.#configuration;
    let reading: DistinctReading | undefined = this.#reading;
    for (const byte of bytes) {
      byBytes = configurations.next(byBytes, byte);
      if (byBytes !== DEAD && this.#tables.distinct !== undefined) {
        const after = byBytes;
        reading = reading.after(byte, () => configurations.openDistinct(after));
        if (reading === undefined) return false;
      }
    }
    const reached = configurations.either(byBytes, configurations.afterToken(this.#configuration, token));
    if (reached === DEAD) return false;
    this.#configuration = reached;
    this.#reading = reading;
    return true;
  }
}
