// The errors of grammars that are too much to follow.

import { GrammarError } from "../errors.js";

export function tooLarge(what: string): GrammarError {
  return new GrammarError("GRAMMAR_TOO_LARGE", `the grammar is too large: more than ${what}`);
}

/** The error for a grammar that takes too long to follow. */
export function tooAmbiguous(why: string): GrammarError {
  return new GrammarError("GRAMMAR_TOO_AMBIGUOUS", `the grammar is too ambiguous: ${why}`);
}
