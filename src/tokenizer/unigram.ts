// SentencePiece's unigram tokenizer ("t5"): of all ways to write a text in tokens, the one whose scores (log probabilities) have the
// greatest sum (Kudo 2018), found by Viterbi's algorithm. What is not a token is unknown, and unknown neighbours are one token.
//
//   text -> rules of normalisation -> spaces -> words -> tokens
//
// The rules are those of sentencepiece/src/normalizer.cc and unigram_model.cc. Scores are summed in f64; there they are f32, so that
// two ways whose sums differ by less than an f32 can tell may change places.

import { CharsMap, type CharsMapData, readCharsMap } from "./charsmap.js";
import { readBoolean, type TokenizerMetadata } from "./metadata.js";
import { Neighbours, neighboursIn } from "./neighbours.js";
import type { Allocate } from "./piece-table.js";
import { PieceTrie, type PieceTrieData, pieceTrie } from "./piece-trie.js";
import type { FragmentEncoder } from "./special-tokens.js";
import { SPACE_MARK } from "./spm.js";
import { joinUnknown, UNKNOWN } from "./unknown.js";
import { BYTE, NORMAL, type ScoredVocabulary, USER_DEFINED } from "./vocabulary.js";
import { remembering, type WordEncoder } from "./word-cache.js";

/** How much worse than the worst token an unknown character is. */
const UNKNOWN_PENALTY = 10;

/** What the encoder looks up. */
export interface UnigramTable {
  readonly trie: PieceTrieData;
  readonly scores: Float32Array;
  readonly unknownScore: number;
  readonly unknownId: number | undefined;
  /** The tokens of the bytes, where a vocabulary has all of them: an unknown character is written in its bytes. */
  readonly byteIds: Int32Array | undefined;
  /** The bits of `Neighbours`. */
  readonly neighbours: Uint32Array;
  readonly charsMap: CharsMapData | undefined;
  readonly addSpacePrefix: boolean;
  readonly removeExtraSpaces: boolean;
}

export function unigramTable(
  metadata: TokenizerMetadata,
  vocabulary: ScoredVocabulary,
  unknownId: number | undefined,
  allocate: Allocate,
): UnigramTable {
  const { attributes, scores, size } = vocabulary;
  const kept = new Float32Array(allocate(4 * size));
  kept.set(scores);
  let least = Number.POSITIVE_INFINITY;
  for (let id = 0; id < size; id++) {
    if ((attributes[id]! & NORMAL) !== 0) least = Math.min(least, kept[id]!);
    else if ((attributes[id]! & USER_DEFINED) !== 0) kept[id] = 0;
  }
  const isWritten = (id: number) => (attributes[id]! & (NORMAL | USER_DEFINED)) !== 0;
  return {
    trie: pieceTrie(vocabulary, isWritten, allocate),
    scores: kept,
    unknownScore: least === Number.POSITIVE_INFINITY ? -UNKNOWN_PENALTY : least - UNKNOWN_PENALTY,
    unknownId,
    byteIds: byteTokens(vocabulary, allocate),
    neighbours: neighboursIn(vocabulary, allocate),
    charsMap: readCharsMap(metadata, allocate),
    addSpacePrefix: readBoolean(metadata, "tokenizer.ggml.add_space_prefix") ?? false,
    removeExtraSpaces: readBoolean(metadata, "tokenizer.ggml.remove_extra_whitespaces") ?? false,
  };
}

/** The token of each byte, or undefined where one is missing. */
function byteTokens({ attributes, pieces, size }: ScoredVocabulary, allocate: Allocate): Int32Array | undefined {
  const ids = new Int32Array(allocate(4 * 256)).fill(-1);
  for (let id = 0; id < size; id++) {
    if ((attributes[id]! & BYTE) === 0) continue;
    const text = pieces.bytesOf(id); // <0xAB>
    ids[Number.parseInt(String.fromCharCode(text[3]!, text[4]!), 16)] = id;
  }
  return ids.includes(-1) ? undefined : ids;
}

/** An encoder of fragments. Each is normalised by itself. */
export function unigramEncoder(table: UnigramTable): FragmentEncoder {
  const normalise = normaliserOf(table);
  const neighbours = new Neighbours(table.neighbours);
  const encodeWord = remembering(wordEncoder(table));

  return (text, _afterSpecial, output) => {
    const normalised = normalise(text);
    const first = output.length;
    neighbours.cut(normalised, (start, end) => encodeWord(normalised.slice(start, end), output));
    joinUnknown(output, first, table.unknownId);
  };
}

/** Viterbi's algorithm over the bytes of a word. */
function wordEncoder({ trie: data, scores, unknownScore, byteIds }: UnigramTable): WordEncoder {
  const trie = new PieceTrie(data);
  const encoder = new TextEncoder();

  return (word, output) => {
    const bytes = encoder.encode(word);
    // Of the best way to write the first i bytes: its score, its last token, and where that begins; -1: there is no way yet.
    const best = new Float64Array(bytes.length + 1);
    const lastId = new Int32Array(bytes.length + 1);
    const lastStart = new Int32Array(bytes.length + 1).fill(-1);
    const offer = (id: number, start: number, end: number, score: number) => {
      if (lastStart[end] !== -1 && score <= best[end]!) return;
      best[end] = score;
      lastId[end] = id;
      lastStart[end] = start;
    };
    for (let at = 0, next = 0; at < bytes.length; at = next) {
      next = at + characterLength(bytes[at]!);
      let isToken = false;
      trie.visitFrom(bytes, at, (id, end) => {
        offer(id, at, end, best[at]! + scores[id]!);
        isToken ||= end === next;
      });
      if (!isToken) offer(-1, at, next, best[at]! + unknownScore);
    }
    const way: number[] = []; // the ends of its tokens, the last first
    for (let end = bytes.length; end > 0; end = lastStart[end]!) way.push(end);
    for (const end of way.reverse()) {
      const id = lastId[end]!;
      if (id >= 0) output.push(id);
      else if (byteIds !== undefined) for (let i = lastStart[end]!; i < end; i++) output.push(byteIds[bytes[i]!]!);
      else output.push(UNKNOWN);
    }
  };
}

/** Bytes of a character whose UTF-8 begins with this byte. */
function characterLength(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** Applies the rules, then writes spaces as U+2581: one before the text, and none twice or at its ends if they are to be removed. */
function normaliserOf({ charsMap, addSpacePrefix, removeExtraSpaces }: UnigramTable): (text: string) => string {
  const rules = charsMap && new CharsMap(charsMap);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  const replaced = (text: string): string => {
    if (rules === undefined) return text;
    const source = encoder.encode(text);
    let target = new Uint8Array(2 * source.length + 16);
    let length = 0;
    const append = (from: Uint8Array, start: number, end: number) => {
      if (length + end - start > target.length) {
        const larger = new Uint8Array(2 * (length + end - start));
        larger.set(target.subarray(0, length));
        target = larger;
      }
      for (let i = start; i < end; i++) target[length++] = from[i]!;
    };
    for (let at = 0; at < source.length; ) {
      const rule = rules.longest(source, at);
      if (rule === undefined) {
        const next = at + characterLength(source[at]!);
        append(source, at, next);
        at = next;
      } else {
        append(rules.strings, rule.start, rule.end);
        at += rule.length;
      }
    }
    return decoder.decode(target.subarray(0, length));
  };

  return (text) => {
    const normalised = replaced(text);
    const kept = removeExtraSpaces ? normalised.replace(/^ +/, "").replace(/ {2,}/g, " ") : normalised;
    if (kept === "") return "";
    const marked = (addSpacePrefix ? SPACE_MARK : "") + kept.replaceAll(" ", SPACE_MARK);
    return removeExtraSpaces ? withoutMarksAtEnd(marked) : marked;
  };
}

/** A U+2581 that stood in the text goes, too, as in SentencePiece. */
function withoutMarksAtEnd(text: string): string {
  let end = text.length;
  while (text[end - 1] === SPACE_MARK) end--;
  return text.slice(0, end);
}
