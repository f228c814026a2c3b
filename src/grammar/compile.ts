// From rules to an automaton that is known to stop and to match something.

import { GrammarError } from "../errors.js";
import type { Automaton } from "./automaton.js";
import { buildAutomaton } from "./build-automaton.js";
import { refuseLeftRecursion } from "./left-recursion.js";
import { byteSteps, shortestWays } from "./shortest.js";
import type { Grammar } from "./syntax.js";

/**
 * Compiles a grammar.
 *
 * @throws GrammarError GRAMMAR_TOO_LARGE, GRAMMAR_EMPTY if no text matches; UnsupportedError GRAMMAR_LEFT_RECURSION for a rule that may
 *   begin with itself
 */
export function compileGrammar(grammar: Grammar): Automaton {
  const { automaton, ruleNames } = buildAutomaton(grammar);
  refuseLeftRecursion(automaton, ruleNames);
  const shortest = shortestWays(automaton, byteSteps(automaton))[automaton.starts[0]!];
  if (!Number.isFinite(shortest)) {
    throw new GrammarError("GRAMMAR_EMPTY", `no finite text matches the grammar's rule "${ruleNames[0]}"`);
  }
  return automaton;
}
