// A rule that may call itself before it has read a byte would call for ever: such grammars are refused, by the rules' names.

import { UnsupportedError } from "../errors.js";
import { type Automaton, EDGE_BYTES, EDGE_CALL, NO_RETURN } from "./automaton.js";
import { shortestWays } from "./shortest.js";

/** @throws UnsupportedError GRAMMAR_LEFT_RECURSION */
export function refuseLeftRecursion(automaton: Automaton, names: readonly string[]): void {
  const begins = callsAtBegin(automaton);
  const done = new Set<number>();
  for (const first of begins.keys()) {
    if (done.has(first)) continue;
    const path: { readonly rule: number; next: number }[] = [{ rule: first, next: 0 }];
    const onPath = new Set([first]);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const called = begins[top.rule]![top.next++];
      if (called === undefined) {
        done.add(top.rule);
        onPath.delete(top.rule);
        path.pop();
      } else if (onPath.has(called)) {
        const rules = path.map(({ rule }) => rule);
        const shown = [...rules.slice(rules.indexOf(called)), called].map((rule) => names[rule]).join(" -> ");
        const message = `left recursion is not supported: ${shown}; write the repetition with * or +`;
        throw new UnsupportedError("GRAMMAR_LEFT_RECURSION", message);
      } else if (!done.has(called)) {
        onPath.add(called);
        path.push({ rule: called, next: 0 });
      }
    }
  }
}

/** For each rule the rules that it may call before it has read a byte. */
function callsAtBegin(automaton: Automaton): number[][] {
  const { starts, firstEdge, edgeKind, edgeData, edgeTarget } = automaton;
  // Without bytes to read, a rule ends or it does not: the way has length 0 or is endless.
  const wayWithoutBytes = shortestWays(automaton, () => undefined);
  return Array.from(starts, (start) => {
    const calls = new Set<number>();
    const reached = new Set([start]);
    for (const state of reached) {
      for (let edge = firstEdge[state]!; edge < firstEdge[state + 1]!; edge++) {
        const called = edgeKind[edge] === EDGE_CALL ? edgeData[edge] : undefined;
        if (called !== undefined) calls.add(called);
        const passes =
          edgeKind[edge] !== EDGE_BYTES && (called === undefined || wayWithoutBytes[starts[called]!] === 0);
        if (passes && edgeTarget[edge] !== NO_RETURN) reached.add(edgeTarget[edge]!);
      }
    }
    return [...calls];
  });
}
