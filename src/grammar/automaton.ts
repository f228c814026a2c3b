// A grammar as its parts, in typed arrays that threads can share: what is there before any text. States are made of them as a text goes
// on (states.ts), so a repetition of 1000 characters is one part here, not 1000 states.
//
//   root ::= "[" item{2,9} "]"      part 0 literal "["   1 call of item   2 repeat 1, 2 to 9 times   3 literal "]"   4 sequence 0 2 3

/** A text: bytes[a .. a + b). */
export const PART_LITERAL = 0;
/** Bytes that an automaton without choices accepts, from its state a on. */
export const PART_MACHINE = 1;
/** Parts list[a .. a + b), one after another. */
export const PART_SEQUENCE = 2;
/** One of the parts list[a .. a + b). */
export const PART_ALTERNATIVES = 3;
/** Part a, b to c times; c is ENDLESS where there is no most. */
export const PART_REPEAT = 4;
/** Rule a; c: 1 if it reads an array of distinct items from its `[` on. */
export const PART_CALL = 5;
/** Members in order, as `Members` reads them from list[a ..]. */
export const PART_MEMBERS = 6;
/** What part a matches and part b does too (c: BOTH) or does not (c: EXCEPT). */
export const PART_PRODUCT = 7;
/** One token of list[a .. a + b), or (c: 1) any other. */
export const PART_TOKEN = 8;

export const ENDLESS = -1;
export const BOTH = 0;
export const EXCEPT = 1;

/** What a thread needs to follow a grammar. Survives structured cloning; its arrays lie in shared memory. */
export interface Automaton {
  /** Of each part. A part has a higher number than those that it consists of, except through calls. */
  readonly kind: Uint8Array;
  readonly a: Int32Array;
  readonly b: Int32Array;
  readonly c: Int32Array;
  /**
   * The length of the shortest text of a part: BYTE for each byte or token, and one for each call. Infinity: nothing matches. Because a
   * call costs something too, the shortest way through a rule calls shorter rules only.
   */
  readonly length: Float64Array;
  readonly list: Int32Array;
  readonly bytes: Uint8Array;
  /** The part that each rule is; rule 0 is the root. */
  readonly rules: Int32Array;
  /** Edges of machine state s: firstEdge[s] .. firstEdge[s + 1], in order of their bytes, which do not overlap. */
  readonly firstEdge: Int32Array;
  readonly edgeLow: Uint8Array;
  readonly edgeHigh: Uint8Array;
  readonly edgeTarget: Int32Array;
  /** Of machine states, 1: the text may end here. */
  readonly accepts: Uint8Array;
  /** Whether there are calls of arrays of distinct items, and the tokens that are kept back for them. */
  readonly hasDistinct: boolean;
  readonly reserve: number;
  /** Of machine states: the number of bytes to the nearest one where the text may end. */
  readonly toEnd: Int32Array;
}

/** One byte in `length`. Calls that lie in each other are fewer. */
export const BYTE = 2 ** 20;

/** Where in list[a ..] of a PART_MEMBERS what is said of it. */
export const MEMBERS_SEPARATOR = 0;
/** -1: nothing comes again and again. */
export const MEMBERS_REPEATED = 1;
export const MEMBERS_LEAST = 2;
/** ENDLESS where there is no most. */
export const MEMBERS_MOST = 3;
export const MEMBERS_COUNT = 4;
/** 1: they may come in any order. */
export const MEMBERS_IN_ANY_ORDER = 5;
/** From here on the members, and after them one entry with no part: how many come after the last one. */
export const MEMBERS_FIRST = 6;
/** Of each member: its part; 1 if it is required; and of it and those after it, how many are required, and how many are possible. */
export const MEMBER_WORDS = 4;
export const MEMBER_PART = 0;
export const MEMBER_REQUIRED = 1;
export const MEMBER_REQUIRED_AFTER = 2;
export const MEMBER_POSSIBLE_AFTER = 3;

/** Whether a text of a part may be empty. */
export function matchesEmpty({ length }: Automaton, part: number): boolean {
  return length[part]! < BYTE;
}
