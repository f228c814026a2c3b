// A grammar as an automaton over bytes: one small network per rule, whose edges read a byte, call another rule, or cost nothing. All
// of it lies in typed arrays, so it can be sent to another thread as it is.
//
//   root ::= "[" item "]"      0 -[-> 1 -call item, then-> 2 -]-> 3 final

/** An edge that reads nothing; one that reads a byte of a range (data: low << 8 | high); one that calls a rule (data: the rule). */
export const EDGE_EMPTY = 0;
export const EDGE_BYTES = 1;
export const EDGE_CALL = 2;

/** The target of a call after which its own rule is over too: there is nothing to return to. */
export const NO_RETURN = -1;

/** What a thread needs to follow a grammar. Survives structured cloning. */
export interface Automaton {
  /** First state of each rule; rule 0 is the root. */
  readonly starts: Int32Array;
  /** Edges of state s: firstEdge[s] .. firstEdge[s + 1]. */
  readonly firstEdge: Int32Array;
  readonly edgeKind: Uint8Array;
  readonly edgeData: Int32Array;
  readonly edgeTarget: Int32Array;
  /** 1: the rule may end here. */
  readonly final: Uint8Array;
  /** 1: the state is of a rule that reads an array of distinct items from its `[` on. */
  readonly distinct: Uint8Array;
  /** Tokens that are kept back for such arrays. */
  readonly reserve: number;
  /**
   * Where a repetition is counted, the state of the same repetition without end, -1 elsewhere; and how often it may still come: texts of
   * no more bytes go on alike from both.
   */
  readonly endlessTwin: Int32Array;
  readonly repetitionsLeft: Int32Array;
  /** Bytes that no edge tells apart have the same class. */
  readonly classOfByte: Uint8Array;
  /** A byte of each class. */
  readonly byteOfClass: Uint8Array;
}
