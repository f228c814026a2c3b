// Many texts at once. A window of texts is turned into ids, sorted by length and sent to the leader in one message. While the leader
// computes one window only the next one is prepared, so memory does not grow with the number of texts. The leader packs texts into
// steps without padding, so a vector has the same bits whatever is embedded beside it.

import { abortable } from "../../abort.js";
import { nextTurn } from "../../event-loop.js";
import type { ModelClient } from "../../protocol/client.js";
import { joinIds } from "../../protocol/ids.js";
import type { Pooling } from "../../protocol/pooling.js";
import type { Vectors } from "./vectors.js";

/** The most texts of a window, and the most tokens unless one text alone has more. */
const WINDOW_TEXTS = 256;
const WINDOW_TOKENS = 2048;
const WINDOWS_UNDER_WAY = 2;

/** How long texts are turned into ids before the event loop gets its turn, ms. */
const SLICE_MILLISECONDS = 8;

/** An input, or a part of it, on its way to a vector. */
interface Piece {
  readonly input: number;
  readonly part: number;
  readonly ids: Int32Array;
}

/** Where the vectors go, and who wants to know. */
export interface EmbedTarget {
  readonly pooling: Pooling;
  readonly vectors: Vectors;
  readonly onProgress: ((done: number, total: number) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Fills the vectors of inputs 0 .. inputs - 1; `read` gives the pieces of one. Returns how many tokens the model has read. */
export async function embedAll(
  client: ModelClient,
  inputs: number,
  read: (input: number) => Promise<readonly Int32Array[]>,
  { pooling, vectors, onProgress, signal }: EmbedTarget,
): Promise<number> {
  let tokens = 0;
  // When one window fails, the others must not run on.
  const failed = new AbortController();
  const signals = [signal, failed.signal];
  const send = async (window: readonly Piece[]) => {
    const values = await client.embed({ type: "embed", ...joined(window), pooling }, signals);
    const rows = window.map(({ ids }) => (pooling === "none" ? ids.length : 1));
    const size = values.length / rows.reduce((sum, count) => sum + count);
    let at = 0;
    for (const [i, piece] of window.entries()) {
      const end = at + rows[i]! * size;
      vectors.add(piece, values.subarray(at, end), piece.ids.length);
      tokens += piece.ids.length;
      at = end;
    }
    onProgress?.(vectors.done, inputs);
  };
  const underWay = new Set<Promise<void>>();
  try {
    for await (const window of windowsOf(inputs, (input) => abortable(read(input), signal), vectors, signals)) {
      const sending = send(window).catch((error: unknown) => failed.abort(error));
      underWay.add(sending);
      void sending.then(() => underWay.delete(sending));
      if (underWay.size === WINDOWS_UNDER_WAY) await Promise.race(underWay);
    }
  } catch (error) {
    failed.abort(error);
  }
  await Promise.all(underWay);
  failed.signal.throwIfAborted();
  return tokens;
}

/** Turns the inputs into ids, a window at a time, and gives the event loop its turns. */
async function* windowsOf(
  inputs: number,
  read: (input: number) => Promise<readonly Int32Array[]>,
  vectors: Vectors,
  signals: readonly (AbortSignal | undefined)[],
): AsyncGenerator<readonly Piece[]> {
  let window: Piece[] = [];
  let tokens = 0;
  let turn = performance.now();
  for (let input = 0; input < inputs; input++) {
    if (performance.now() - turn > SLICE_MILLISECONDS) {
      await new Promise<void>(nextTurn);
      for (const signal of signals) signal?.throwIfAborted();
      turn = performance.now();
    }
    const pieces = await read(input);
    vectors.expect(input, pieces.length);
    for (const [part, ids] of pieces.entries()) {
      if (window.length === WINDOW_TEXTS || (window.length > 0 && tokens + ids.length > WINDOW_TOKENS)) {
        yield longestFirst(window);
        window = [];
        tokens = 0;
      }
      window.push({ input, part, ids });
      tokens += ids.length;
    }
  }
  if (window.length > 0) yield longestFirst(window);
}

/** In this order, short texts fill the room that long ones leave in a step. */
function longestFirst(window: readonly Piece[]): readonly Piece[] {
  return [...window].sort((a, b) => b.ids.length - a.ids.length);
}

/** A window in the form that the leader takes. */
function joined(window: readonly Piece[]): { readonly ids: Int32Array; readonly ends: Int32Array } {
  const ends = new Int32Array(window.length);
  let length = 0;
  for (const [i, { ids }] of window.entries()) {
    length += ids.length;
    ends[i] = length;
  }
  return { ids: joinIds(window.map(({ ids }) => ids)), ends };
}
