// A step: what the leader wants computed, as int32 words in shared memory. It is frozen while the team works on it.
//
//   WORD          CONTENT
//   0             rows         n
//   1             items        of attention
//   2             logit rows   m
//   3             hidden states  h
//   4             runs         r, of a model with recurrent state; otherwise 0
//   5 ..          n times      token + 2^24 x its type, position
//   then          items times  first row, rows, position of the first, address of the sequence's page table, the sequence's length
//   then          m times      row whose logits are wanted
//   then          h times      first row of a hidden state, and the number of rows whose mean it is
//   then          r times      first row, rows, slot of the state before them (-1: the text begins), slot of the state after them
//
// A run is all rows of one sequence, at consecutive positions; they are consecutive rows of the step. An item is up to 16 rows of a run.

import { QUERY_ROWS } from "#abi";

const HEADER = 5;
/** Words of an item, and of a run. */
const ITEM = 5;
const RUN = 4;

/** Added to a token id in the second text of a pair, for models that add a row of `token_types` to each token. */
export const SECOND_TYPE = 2 ** 24;

/** Bytes of a step with up to `rows` rows. */
export function stepBytes(rows: number): number {
  return (HEADER + 2 * rows + ITEM * rows + rows + 2 * rows + RUN * rows) * 4;
}

/** A run of rows of one sequence at consecutive positions. */
export interface StepRun {
  /** Token ids; those of a second text plus SECOND_TYPE. */
  readonly tokens: ArrayLike<number>;
  /** Position of the first token. */
  readonly position: number;
  /** Byte offset of the sequence's page table. */
  readonly pageTable: number;
  /** The tokens whose logits are wanted: indices into `tokens`. */
  readonly logits: readonly number[];
  /** The hidden states that are wanted: each is a token's, or the mean of several tokens'. */
  readonly hidden: readonly HiddenRows[];
  /** Of a model with recurrent state. */
  readonly state?: RunState | undefined;
}

/** The slots of recurrent state that a run reads and writes. */
export interface RunState {
  /** The state before a run, which it leaves as it is. NO_STATE: the text begins, its state is all zeros. */
  readonly before: number;
  /** Where the state after it goes: another slot. */
  readonly after: number;
}

export const NO_STATE = -1;

/** Tokens whose mean hidden state is wanted: an index into the run's `tokens`, and how many tokens from there on. */
export interface HiddenRows {
  readonly first: number;
  readonly rows: number;
}

/** Writes a step at `words`. */
export function writeStep(words: Int32Array, runs: readonly StepRun[]): void {
  let n = 0;
  for (const run of runs) {
    for (let i = 0; i < run.tokens.length; i++, n++) {
      words[HEADER + 2 * n] = run.tokens[i]!;
      words[HEADER + 2 * n + 1] = run.position + i;
    }
  }
  let at = HEADER + 2 * n;
  let items = 0;
  let row = 0;
  for (const run of runs) {
    for (let i = 0; i < run.tokens.length; i += QUERY_ROWS, items++) {
      words[at++] = row + i;
      words[at++] = Math.min(QUERY_ROWS, run.tokens.length - i);
      words[at++] = run.position + i;
      words[at++] = run.pageTable;
      words[at++] = run.position + run.tokens.length;
    }
    row += run.tokens.length;
  }
  words[0] = n;
  words[1] = items;
  words[2] = 0;
  words[3] = 0;
  words[4] = 0;
  row = 0;
  for (const run of runs) {
    for (const i of run.logits) words[at++] = row + i;
    words[2] += run.logits.length;
    row += run.tokens.length;
  }
  row = 0;
  for (const run of runs) {
    for (const { first, rows } of run.hidden) {
      words[at++] = row + first;
      words[at++] = rows;
    }
    words[3] += run.hidden.length;
    row += run.tokens.length;
  }
  row = 0;
  for (const { tokens, state } of runs) {
    if (state !== undefined) {
      words[at++] = row;
      words[at++] = tokens.length;
      words[at++] = state.before;
      words[at++] = state.after;
      words[4]++;
    }
    row += tokens.length;
  }
}

/** Reads a step, by any worker. */
export class Step {
  constructor(private readonly words: Int32Array) {}

  get rows(): number {
    return this.words[0]!;
  }

  get items(): number {
    return this.words[1]!;
  }

  get logitRows(): number {
    return this.words[2]!;
  }

  get hiddenStates(): number {
    return this.words[3]!;
  }

  /** Of a model with recurrent state; otherwise 0. */
  get runs(): number {
    return this.words[4]!;
  }

  token(row: number): number {
    return this.words[HEADER + 2 * row]! % SECOND_TYPE;
  }

  /** Which row of `token_types` the token has. */
  tokenType(row: number): number {
    return this.words[HEADER + 2 * row]! >= SECOND_TYPE ? 1 : 0;
  }

  position(row: number): number {
    return this.words[HEADER + 2 * row + 1]!;
  }

  /** The first row of attention item `item`. */
  itemFirstRow(item: number): number {
    return this.words[this.#itemAt(item)]!;
  }

  itemRows(item: number): number {
    return this.words[this.#itemAt(item) + 1]!;
  }

  /** The position of its first row. */
  itemPosition(item: number): number {
    return this.words[this.#itemAt(item) + 2]!;
  }

  /** The address of its sequence's page table. */
  itemPageTable(item: number): number {
    return this.words[this.#itemAt(item) + 3]!;
  }

  /** The length of its sequence, including this step's rows. */
  itemSequenceLength(item: number): number {
    return this.words[this.#itemAt(item) + 4]!;
  }

  #itemAt(item: number): number {
    return HEADER + 2 * this.rows + ITEM * item;
  }

  logitRow(i: number): number {
    return this.words[HEADER + 2 * this.rows + ITEM * this.items + i]!;
  }

  /** The first row of hidden state `i`, and the number of rows whose mean it is. */
  hiddenRows(i: number): HiddenRows {
    const at = HEADER + 2 * this.rows + ITEM * this.items + this.logitRows + 2 * i;
    return { first: this.words[at]!, rows: this.words[at + 1]! };
  }

  runFirstRow(run: number): number {
    return this.words[this.#runAt(run)]!;
  }

  runRows(run: number): number {
    return this.words[this.#runAt(run) + 1]!;
  }

  /** The slot of the state before the run, or NO_STATE. */
  runSlotBefore(run: number): number {
    return this.words[this.#runAt(run) + 2]!;
  }

  runSlotAfter(run: number): number {
    return this.words[this.#runAt(run) + 3]!;
  }

  #runAt(run: number): number {
    return HEADER + 2 * this.rows + ITEM * this.items + this.logitRows + 2 * this.hiddenStates + RUN * run;
  }
}
