// The texts that two networks both match, or that one matches and the other does not, as one network without choices: a state of it is a
// pair of sets, the states in which either network may be (the subset construction of Rabin and Scott 1959, of both at once).
//
//   [a-z]{2,3}  and  a.*      ({0}, {0}) -a-> ({1}, {1}) -[a-z]-> ({2}, {1}) -[a-z]-> ({3}, {1})

import type { MachineState } from "./syntax.js";

/** States and edges that read a byte of low .. high, or nothing. */
export interface Network {
  readonly edges: readonly (readonly NetworkEdge[])[];
  readonly start: number;
  readonly end: number;
}

interface NetworkEdge {
  /** Undefined: reads nothing. */
  readonly bytes: readonly [low: number, high: number] | undefined;
  readonly target: number;
}

/** "both": the texts of both networks. "except": those of the first that are not of the second. */
export type Combination = "both" | "except";

/** The states of two networks together; state 0 is the first. undefined: they are more than `most`. */
export function combination(
  kind: Combination,
  left: Network,
  right: Network,
  most: number,
): readonly MachineState[] | undefined {
  const numbers = new Map<string, number>();
  const pairs: (readonly [readonly number[], readonly number[]])[] = [];
  const numberOf = (one: readonly number[], other: readonly number[]) => {
    const key = `${one.join()} ${other.join()}`;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, pairs.length);
    return pairs.push([one, other]) - 1;
  };
  numberOf(closure(left, [left.start]), closure(right, [right.start]));
  const joints: MachineState[] = [];
  for (const [one, other] of pairs) {
    if (pairs.length > most) return undefined;
    const ways = [waysOf(left, one), waysOf(right, other)] as const;
    const begins = new Set(ways.flatMap((edges) => edges.flatMap(({ bytes: [low, high] }) => [low, high + 1])));
    const sorted = [...begins].sort((a, b) => a - b);
    const edges: { readonly low: number; readonly high: number; readonly target: number }[] = [];
    for (const [i, low] of sorted.slice(0, -1).entries()) {
      const [first, second] = ways.map((each) => each.filter(({ bytes }) => bytes[0] <= low && low <= bytes[1]));
      if (first!.length === 0 || (second!.length === 0 && kind === "both")) continue;
      const [after, afterOther] = [closure(left, targets(first!)), closure(right, targets(second!))];
      edges.push({ low, high: sorted[i + 1]! - 1, target: numberOf(after, afterOther) });
    }
    joints.push({ edges, accepts: one.includes(left.end) && other.includes(right.end) === (kind === "both") });
  }
  return joints;
}

const targets = (edges: readonly NetworkEdge[]) => edges.map(({ target }) => target);

function waysOf({ edges }: Network, states: readonly number[]) {
  type Way = NetworkEdge & { readonly bytes: readonly [number, number] };
  return states.flatMap((state) => edges[state]!.filter((edge): edge is Way => edge.bytes !== undefined));
}

/** All states that are reached without a byte, in order. */
function closure({ edges }: Network, states: readonly number[]): number[] {
  const reached = new Set(states);
  for (const state of reached) {
    for (const { bytes, target } of edges[state]!) if (bytes === undefined) reached.add(target);
  }
  return [...reached].sort((a, b) => a - b);
}
