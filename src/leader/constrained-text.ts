// Grammars in the leader: which tokens may come next in a text under a grammar.

import { ContextError, GrammarError } from "../errors.js";
import { type Constraint, VocabularyGrammar } from "../grammar/constraint.js";
import { Vocabulary } from "../grammar/vocabulary.js";
import { posted } from "../posted-error.js";
import type { GenerateRequest, GrammarRequest, LeaderAnswer } from "../protocol/messages.js";

/** How many grammars are kept, with what was computed for them. */
const KEPT = 16;

/** The grammars of a model's generations. */
export class GrammarCache {
  readonly #kept = new Map<number, VocabularyGrammar>();
  #vocabulary: Vocabulary | undefined;

  /** Why a request cannot be met: its tokens are too few for any text of its grammar, or no text can be written or even begun. */
  failureOf({ grammar, maxTokens, job }: GenerateRequest): LeaderAnswer | undefined {
    if (grammar === undefined) return undefined;
    try {
      const vocabularyGrammar = this.#grammarOf(grammar);
      const { shortest } = vocabularyGrammar;
      if (shortest <= maxTokens) {
        vocabularyGrammar.begin();
        return undefined;
      }
      const message = `the shortest text of the grammar has ${shortest} tokens; there is room for ${maxTokens}`;
      return { type: "failed", job, error: posted(new ContextError("BUDGET_TOO_SMALL", message)) };
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
      return { type: "failed", job, error: posted(error) };
    }
  }

  /** Begins the text of a request that can be met. */
  begin({ grammar, endIds, vocabularySize }: GenerateRequest): ConstrainedText | undefined {
    return grammar && new ConstrainedText(this.#grammarOf(grammar).begin(), endIds, vocabularySize);
  }

  #grammarOf({ key, automaton, vocabulary }: GrammarRequest): VocabularyGrammar {
    this.#vocabulary ??= new Vocabulary(vocabulary.text, vocabulary.tables);
    const grammar = this.#kept.get(key) ?? new VocabularyGrammar(automaton, this.#vocabulary);
    this.#kept.delete(key);
    this.#kept.set(key, grammar); // the most recently used one goes last
    for (const oldest of this.#kept.keys()) if (this.#kept.size > KEPT) this.#kept.delete(oldest);
    return grammar;
  }
}

/** One text under a grammar. */
export class ConstrainedText {
  readonly #constraint: Constraint;
  readonly #endIds: readonly number[];
  readonly #masked: Float32Array;
  #allowed: Uint32Array | undefined;

  constructor(constraint: Constraint, endIds: readonly number[], vocab: number) {
    this.#constraint = constraint;
    this.#endIds = endIds;
    this.#masked = new Float32Array(vocab);
  }

  /** Whether the text is complete: nothing can follow. */
  get isOver(): boolean {
    return this.#constraint.isOver;
  }

  /** Whether it is known which tokens may come next. */
  get isPrepared(): boolean {
    return this.#allowed !== undefined;
  }

  /**
   * Finds the tokens that may come next, or looks for them for some milliseconds.
   *
   * @param tokens how many more may come: tokens after which the text could not end in time are banned too
   * @throws GrammarError GRAMMAR_TOO_AMBIGUOUS, GRAMMAR_TOO_LARGE
   */
  prepare(tokens: number): void {
    // Without any token left there is nothing to choose.
    this.#allowed ??= tokens === 0 ? new Uint32Array(0) : this.#constraint.allowedSoon(tokens);
  }

  /** The logits, with all tokens banned that may not come next. The array is overwritten by the next call. */
  mask(logits: Float32Array): Float32Array {
    const allowed = this.#allowed!;
    const masked = this.#masked;
    masked.fill(Number.NEGATIVE_INFINITY);
    for (let word = 0; word < allowed.length; word++) {
      const first = 32 * word;
      if (allowed[word] === 0xffffffff) {
        for (let id = first; id < first + 32; id++) masked[id] = logits[id]!;
      } else {
        for (let bits = allowed[word]!; bits !== 0; bits &= bits - 1) {
          const id = first + 31 - Math.clz32(bits & -bits);
          masked[id] = logits[id]!;
        }
      }
    }
    // A grammar may allow any token but one.
    for (const id of this.#endIds) masked[id] = this.#constraint.accepts ? logits[id]! : Number.NEGATIVE_INFINITY;
    return masked;
  }

  /** Follows a token that `mask` has allowed. @throws GrammarError GRAMMAR_TOO_AMBIGUOUS, GRAMMAR_TOO_LARGE */
  accept(id: number): void {
    this.#allowed = undefined;
    this.#constraint.accept(id);
  }
}
