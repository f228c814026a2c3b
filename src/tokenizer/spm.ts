// SentencePiece-style BPE ("llama"): characters merge to the token with the best score until no two neighbours form a token;
// a character that is not a token becomes its bytes, <0x00> to <0xFF>. In a vocabulary without them it is unknown, and a run of unknown
// characters is one token, as in SentencePiece.

import { mergeSymbols } from "./merge.js";
import { Neighbours, neighboursIn } from "./neighbours.js";
import type { Allocate } from "./piece-table.js";
import type { FragmentEncoder } from "./special-tokens.js";
import { joinUnknown } from "./unknown.js";
import type { ScoredVocabulary, Vocabulary } from "./vocabulary.js";
import { remembering, type WordEncoder } from "./word-cache.js";

/** What a vocabulary writes for a space: U+2581. */
export const SPACE_MARK = "\u2581";

/** What the encoder looks up, beside the vocabulary. */
export interface SpmTable {
  /** The rank of each token as a merge, 0 is the best. */
  readonly ranks: Int32Array;
  /** The bits of `Neighbours`. */
  readonly neighbours: Uint32Array;
  /** The id for each byte: its byte token, or the token of that one byte, or UNKNOWN. */
  readonly byteIds: Int32Array;
  readonly unknownId: number | undefined;
}

export function spmTable(vocabulary: ScoredVocabulary, unknownId: number | undefined, allocate: Allocate): SpmTable {
  return {
    ranks: ranksOf(vocabulary.scores, allocate),
    neighbours: neighboursIn(vocabulary, allocate),
    byteIds: byteTokens(vocabulary, allocate),
    unknownId,
  };
}

/** An encoder of fragments; a space goes before the first fragment and after special tokens if `addSpacePrefix`. */
export function spmEncoder(vocabulary: Vocabulary, table: SpmTable, addSpacePrefix: boolean): FragmentEncoder {
  const neighbours = new Neighbours(table.neighbours);
  const encodeWord = remembering(mergerOf(vocabulary, table));

  return (text, afterSpecial, output) => {
    const prefix = addSpacePrefix && afterSpecial ? " " : "";
    const marked = (prefix + text).replaceAll(" ", SPACE_MARK);
    const first = output.length;
    neighbours.cut(marked, (start, end) => encodeWord(marked.slice(start, end), output));
    joinUnknown(output, first, table.unknownId);
  };
}

/** An encoder of what cannot be cut further. */
function mergerOf({ pieces, size }: Vocabulary, { ranks, byteIds }: SpmTable): WordEncoder {
  const encoder = new TextEncoder();

  return (word, output) => {
    const bytes = encoder.encode(word);
    const ends = characterEnds(bytes);
    const starts = new Int32Array(ends.length);
    for (let i = 1; i < ends.length; i++) starts[i] = ends[i - 1]!;
    const candidates = new Int32Array(ends.length); // token of the pair (i, next of i)
    const next = mergeSymbols(ends.length, {
      rank(left, right) {
        const id = pieces.find(bytes, starts[left]!, ends[right]!);
        candidates[left] = id;
        return id >= 0 && id < size ? ranks[id]! : -1;
      },
      merge(left, right) {
        ends[left] = ends[right]!;
      },
    });
    for (let i = 0; i !== -1; i = next[i]!) {
      const id = pieces.find(bytes, starts[i]!, ends[i]!);
      if (id >= 0) {
        output.push(id);
      } else {
        for (let at = starts[i]!; at < ends[i]!; at++) output.push(byteIds[bytes[at]!]!);
      }
    }
  };
}

/** The order of scores as ranks: 0 is the highest score, equal scores are equal ranks. */
function ranksOf(scores: Float32Array, allocate: Allocate): Int32Array {
  const order = Array.from(new Set(Array.from(scores, (score) => score + 0))).sort((a, b) => b - a);
  const rankOf = new Map(order.map((score, rank) => [score, rank]));
  const ranks = new Int32Array(allocate(4 * scores.length));
  for (let id = 0; id < scores.length; id++) ranks[id] = rankOf.get(scores[id]! + 0)!;
  return ranks;
}

function byteTokens(vocabulary: Vocabulary, allocate: Allocate): Int32Array {
  const ids = new Int32Array(allocate(4 * 256));
  for (let byte = 0; byte < ids.length; byte++) {
    const named = findByteToken(vocabulary, byte);
    const single = vocabulary.pieces.find(Uint8Array.of(byte), 0, 1);
    ids[byte] = named >= 0 ? named : single; // -1 is UNKNOWN
  }
  return ids;
}

/** The token <0xXX> of a byte, or -1. */
export function findByteToken(vocabulary: Vocabulary, byte: number): number {
  const name = new TextEncoder().encode(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const id = vocabulary.pieces.find(name, 0, name.length);
  return id < vocabulary.size ? id : -1;
}

/** Where each character of a text in UTF-8 ends. */
export function characterEnds(bytes: Uint8Array): Int32Array {
  const ends = new Int32Array(bytes.length);
  let count = 0;
  for (let i = 1; i <= bytes.length; i++) if (i === bytes.length || (bytes[i]! & 0xc0) !== 0x80) ends[count++] = i;
  return ends.subarray(0, count);
}
