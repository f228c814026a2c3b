// SentencePiece-style BPE ("llama"): characters merge to the token with the best score until no two neighbours form a token;
// a character that is no token becomes its bytes, <0x00> to <0xFF>.

import { MAXIMUM_SYMBOLS, mergeSymbols } from "./merge.js";
import type { FragmentEncoder } from "./special-tokens.js";
import type { Vocabulary } from "./vocabulary.js";

/** What a vocabulary writes for a space: U+2581. */
export const SPACE_MARK = "\u2581";

/** An encoder of fragments; a space goes before the first fragment and after special tokens if `addSpacePrefix`. */
export function spmEncoder(
  vocabulary: Vocabulary,
  options: { readonly addSpacePrefix: boolean; readonly unknownId: number | undefined },
): FragmentEncoder {
  const { pieces, size } = vocabulary;
  const ranks = ranksOf(vocabulary.scores);
  const byteIds = byteTokens(vocabulary, options.unknownId);
  const encoder = new TextEncoder();

  return (text, afterSpecial, output) => {
    const prefix = options.addSpacePrefix && afterSpecial ? " " : "";
    const bytes = encoder.encode((prefix + text).replaceAll(" ", SPACE_MARK));
    const ends = characterEnds(bytes);
    const starts = new Int32Array(ends.length);
    for (let i = 1; i < ends.length; i++) starts[i] = ends[i - 1];
    const candidates = new Int32Array(ends.length); // token of the pair (i, next of i)
    const next = mergeSymbols(ends.length, {
      rank(left, right) {
        const id = pieces.find(bytes, starts[left], ends[right]);
        candidates[left] = id;
        return id >= 0 && id < size ? ranks[id] : -1;
      },
      merge(left, right) {
        ends[left] = ends[right];
      },
    });
    for (let i = 0; i !== -1; i = next[i]) {
      const id = pieces.find(bytes, starts[i], ends[i]);
      if (id >= 0) {
        output.push(id);
      } else {
        for (let at = starts[i]; at < ends[i]; at++) if (byteIds[bytes[at]] >= 0) output.push(byteIds[bytes[at]]);
      }
    }
  };
}

/** Longest text that one call encodes, in characters. */
export const LONGEST_TEXT = MAXIMUM_SYMBOLS;

/** The order of scores as ranks: 0 is the highest score, equal scores are equal ranks. */
function ranksOf(scores: Float32Array): Int32Array {
  const order = Array.from(new Set(Array.from(scores, (score) => score + 0))).sort((a, b) => b - a);
  const rankOf = new Map(order.map((score, rank) => [score, rank]));
  return Int32Array.from(scores, (score) => rankOf.get(score + 0)!);
}

/** The id for each byte: its byte token, or the token of that one byte, or unknown; -1 where a vocabulary has none of them. */
function byteTokens(vocabulary: Vocabulary, unknownId: number | undefined): Int32Array {
  const encoder = new TextEncoder();
  return Int32Array.from({ length: 256 }, (_, byte) => {
    const name = encoder.encode(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    const named = vocabulary.pieces.find(name, 0, name.length);
    if (named >= 0) return named;
    const single = vocabulary.pieces.find(Uint8Array.of(byte), 0, 1);
    return single >= 0 ? single : (unknownId ?? -1);
  });
}

/** Where each character of a text in UTF-8 ends. */
function characterEnds(bytes: Uint8Array): Int32Array {
  const ends = new Int32Array(bytes.length);
  let count = 0;
  for (let i = 1; i <= bytes.length; i++) if (i === bytes.length || (bytes[i] & 0xc0) !== 0x80) ends[count++] = i;
  return ends.subarray(0, count);
}
