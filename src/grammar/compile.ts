// From rules to an automaton that is known to stop and to match something.

import { GrammarError } from "../errors.js";
import type { Automaton } from "./automaton.js";
import { buildAutomaton } from "./build-automaton.js";
import { computeLengths } from "./lengths.js";
import type { Grammar } from "./syntax.js";

/**
 * Compiles a grammar.
 *
 * @throws GrammarError GRAMMAR_TOO_LARGE, GRAMMAR_EMPTY if no text matches; UnsupportedError GRAMMAR_LEFT_RECURSION for a rule that may
 *   begin with itself
 */
export function compileGrammar(grammar: Grammar): Automaton {
  const built = buildAutomaton(grammar);
  computeLengths(built);
  const { automaton, ruleNames } = built;
  if (!Number.isFinite(automaton.length[automaton.rules[0]!]!)) {
    throw new GrammarError("GRAMMAR_EMPTY", `no finite text matches the grammar's rule "${ruleNames[0]}"`);
  }
  return automaton;
}
