// JSON's own texts as expressions: white space, characters of strings, values of no schema.

import {
  alternatives,
  type CodePointRange,
  complement,
  type Expression,
  literal,
  type Machine,
  normalized,
  optional,
  repeat,
  rule,
  sequence,
  set,
} from "../syntax.js";
import { machineOfRanges } from "../utf8-ranges.js";

/** Spaces of the deepest indentation. */
const INDENTATION = 16;

/** Where a line may break: nothing, a space, or a new line with its indentation. */
export const space: Expression = optional(
  alternatives(literal(" "), sequence(literal("\n"), repeat(literal(" "), 0, INDENTATION))),
);
export const comma: Expression = sequence(literal(","), space);
export const colon: Expression = sequence(literal(":"), optional(literal(" ")));

export function braces(open: string, inside: Expression, close: string): Expression {
  return sequence(literal(open), space, inside, space, literal(close));
}

/** No node of the tree of names: what has been read begins no name. */
const OUTSIDE = -1;
const outside = { after: new Map<number, number>(), isName: false };
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Characters that stand for themselves in a string. */
const plain: readonly CodePointRange[] = complement([
  [0, 0x1f],
  [QUOTE, QUOTE],
  [BACKSLASH, BACKSLASH],
]);

/** Every character of a string, as itself or escaped; beyond U+FFFF, two escapes are one. Halves of such pairs are not characters. */
const character: Expression = alternatives(
  set(plain),
  sequence(
    literal("\\"),
    alternatives(
      set([...'"\\/bfnrt'].map((letter) => [letter.charCodeAt(0), letter.charCodeAt(0)])),
      sequence(literal("u"), codeUnit()),
    ),
  ),
);

/** Four hexadecimal digits that are not half of a surrogate pair, or both halves of one. */
function codeUnit(): Expression {
  const digit = hexadecimal("09", "af");
  const half = (third: Expression) => sequence(hexadecimal("dd"), third, digit, digit);
  return alternatives(
    sequence(
      alternatives(sequence(hexadecimal("09", "ac", "ef"), digit), sequence(hexadecimal("dd"), hexadecimal("07"))),
      digit,
      digit,
    ),
    sequence(half(hexadecimal("89", "ab")), literal("\\u"), half(hexadecimal("cf"))),
  );
}

/** One of the digits first .. last of each pair, capitals included. */
function hexadecimal(...pairs: readonly string[]): Expression {
  const both = pairs.flatMap((pair) => [pair, pair.toUpperCase()]);
  return set(both.map(([first, last]) => [first!.charCodeAt(0), last!.charCodeAt(0)]));
}

/** A string of `least` to `most` characters. */
export function stringOfLength(least: number, most: number): Expression {
  return sequence(literal('"'), repeat(rule("character"), least, most), literal('"'));
}

/** One character of the ranges, as JSON writes it in a string. */
export function characterOf(ranges: Iterable<CodePointRange>): Expression {
  const wanted = normalized(ranges);
  const isWanted = (codePoint: number) => wanted.some(([first, last]) => codePoint >= first && codePoint <= last);
  const escaped = [...Array(0x20).keys(), QUOTE, BACKSLASH].filter(isWanted);
  return alternatives(
    set(intersection(wanted, plain)),
    ...escaped.map((codePoint) => literal(JSON.stringify(String.fromCharCode(codePoint)).slice(1, -1))),
  );
}

/** All characters, each written in the one way in which `JSON.stringify` writes it. */
export const canonicalText: Expression = repeat(characterOf([[0, 0x10ffff]]), 0);

function intersection(a: Iterable<CodePointRange>, b: Iterable<CodePointRange>): CodePointRange[] {
  return complement([...complement(a), ...complement(b)]);
}

/** The automaton of one plain character. */
const plainMachine = machineOfRanges(plain);

/** A key that is not one of the names. It is written without escapes, which could spell a name in another way. */
export function keyExcept(names: readonly string[]): Expression {
  if (names.length === 0) return rule("string");
  // The bytes of all names as a tree.
  const tree: { readonly after: Map<number, number>; isName: boolean }[] = [{ after: new Map(), isName: false }];
  for (const name of names) {
    let at = 0;
    for (const byte of new TextEncoder().encode(name)) {
      const next = tree[at]!.after.get(byte) ?? tree.push({ after: new Map(), isName: false }) - 1;
      tree[at]!.after.set(byte, next);
      at = next;
    }
    tree[at]!.isName = true;
  }
  // A state is a node of the tree and a state of a plain character. Their edges are written in the order in which they are found.
  const machine: Machine = { firstEdge: [0], low: [], high: [], target: [], accepts: [] };
  const places = plainMachine.accepts.length;
  const numbers = new Int32Array((tree.length + 1) * places).fill(-1);
  const keys: number[] = [];
  const stateOf = (node: number, within: number): number => {
    const key = (node + 1) * places + within;
    if (numbers[key] === -1) numbers[key] = keys.push(key) - 1;
    return numbers[key]!;
  };
  const edge = (low: number, high: number, target: number) => {
    machine.low.push(low);
    machine.high.push(high);
    machine.target.push(target);
  };
  stateOf(0, 0);
  for (let state = 0; state < keys.length; state++) {
    const within = keys[state]! % places;
    const node = Math.floor(keys[state]! / places) - 1;
    const { after, isName } = node === OUTSIDE ? outside : tree[node]!;
    const bytes = after.size > 1 ? [...after].sort(([one], [other]) => one - other) : [...after];
    let branch = 0;
    for (let i = plainMachine.firstEdge[within]!; i < plainMachine.firstEdge[within + 1]!; i++) {
      const high = plainMachine.high[i]!;
      const target = plainMachine.target[i]!;
      const next = plainMachine.accepts[target] === 1 ? 0 : target;
      let from = plainMachine.low[i]!;
      for (; branch < bytes.length; branch++) {
        const [byte, child] = bytes[branch]!;
        if (byte > high) break;
        if (byte < from) continue;
        if (byte > from) edge(from, byte - 1, stateOf(OUTSIDE, next));
        edge(byte, byte, stateOf(child, next));
        from = byte + 1;
      }
      if (from <= high) edge(from, high, stateOf(OUTSIDE, next));
    }
    machine.firstEdge.push(machine.low.length);
    machine.accepts.push(within === 0 && !isName ? 1 : 0);
  }
  return sequence(literal('"'), { kind: "machine", machine }, literal('"'));
}

const digit = set([[0x30, 0x39]]);

/** As many as any number has that a program has written. */
export const MOST_FRACTION_DIGITS = 20;

const oneOf = (symbols: string) => set(Array.from(symbols, (symbol) => [symbol.charCodeAt(0), symbol.charCodeAt(0)]));

/** Numbers of up to 15 digits before the point. */
export const unsignedNumber: Expression = sequence(
  naturalNumber(15),
  optional(sequence(literal("."), repeat(digit, 1, MOST_FRACTION_DIGITS))),
  optional(sequence(oneOf("eE"), optional(oneOf("+-")), repeat(digit, 1, 2))),
);

/** The rules that every schema may call. */
export const commonRules: ReadonlyMap<string, Expression> = new Map<string, Expression>([
  ["character", character],
  ["string", stringOfLength(0, Number.POSITIVE_INFINITY)],
  // Identifiers have up to 19 digits: as many as 64 bits hold.
  ["integer", sequence(optional(literal("-")), naturalNumber(19))],
  ["number", sequence(optional(literal("-")), unsignedNumber)],
  ["boolean", alternatives(literal("true"), literal("false"))],
  ["null", literal("null")],
  ["array", braces("[", optional(sequence(rule("value"), repeat(sequence(comma, rule("value")), 0))), "]")],
  [
    "object",
    braces(
      "{",
      {
        kind: "members",
        items: [],
        repeated: sequence(rule("string"), colon, rule("value")),
        separator: comma,
        least: 0,
        most: Number.POSITIVE_INFINITY,
      },
      "}",
    ),
  ],
  // JSON that a string holds, its quotes escaped, without white space and without what is escaped in it.
  ["JSON in a string", sequence(literal('"'), rule("inner value"), literal('"'))],
  [
    "inner value",
    alternatives(
      rule("inner string"),
      ...["number", "boolean", "null"].map(rule),
      sequence(literal("["), optional(listOf(rule("inner value"))), literal("]")),
      sequence(
        literal("{"),
        optional(listOf(sequence(rule("inner string"), literal(":"), rule("inner value")))),
        literal("}"),
      ),
    ),
  ],
  ["inner string", sequence(literal('\\"'), repeat(set(plain), 0), literal('\\"'))],
  ["value", alternatives(...["string", "number", "boolean", "null", "object", "array"].map(rule))],
]);

function listOf(item: Expression): Expression {
  return sequence(item, repeat(sequence(literal(","), item), 0));
}

function naturalNumber(digits: number): Expression {
  return alternatives(literal("0"), sequence(set([[0x31, 0x39]]), repeat(digit, 0, digits - 1)));
}
