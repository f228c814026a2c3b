// The errors of grammars that are too much to follow.

import { GrammarError } from "../errors.js";

export function tooLarge(what: string): GrammarError {
  return new GrammarError("GRAMMAR_TOO_LARGE", `the grammar is too large: more than ${what}`);
}

/** Thrown where a slice of the work for one token is over: what has been found is kept, so that another slice finds more. */
export class SliceOver extends Error {}

/** The error for a grammar that takes too long to follow. */
export function tooAmbiguous(why: string): GrammarError {
  return new GrammarError("GRAMMAR_TOO_AMBIGUOUS", `the grammar is too ambiguous: ${why}`);
}
