// BPE over characters ("gemma4"): the pieces of SentencePiece, "▁" for a space and bytes as <0x00> to <0xFF>, and the merges of BPE. A text
// is cut only where lines begin and end; within a line, neighbours merge by the rank of their merge until none is left.

import { Merges, type MergeTable } from "./bpe.js";
import { mergeSymbols } from "./merge.js";
import type { Allocate } from "./piece-table.js";
import type { FragmentEncoder } from "./special-tokens.js";
import { characterEnds, findByteToken, SPACE_MARK } from "./spm.js";
import type { Vocabulary } from "./vocabulary.js";
import { remembering } from "./word-cache.js";

/** A run of line feeds, or what lies between two of them. */
const LINES = /\n+|[^\n]+/g;
const LINE_FEED = 0x0a;

/** What the encoder looks up, beside the vocabulary. */
export interface CharacterBpeTable {
  readonly merges: MergeTable;
  /** The token of each byte, or -1. */
  readonly byteIds: Int32Array;
}

export function characterBpeTable(vocabulary: Vocabulary, merges: MergeTable, allocate: Allocate): CharacterBpeTable {
  const byteIds = new Int32Array(allocate(4 * 256));
  for (let byte = 0; byte < byteIds.length; byte++) byteIds[byte] = findByteToken(vocabulary, byte);
  return { merges, byteIds };
}

/** An encoder of fragments. */
export function characterBpeEncoder(vocabulary: Vocabulary, table: CharacterBpeTable): FragmentEncoder {
  const encodeLine = remembering(lineEncoder(vocabulary, table));
  return (text, _afterSpecial, output) => {
    for (const [line] of text.replaceAll(" ", SPACE_MARK).matchAll(LINES)) encodeLine(line, output);
  };
}

function lineEncoder({ pieces, size }: Vocabulary, { merges: table, byteIds }: CharacterBpeTable) {
  const merges = new Merges(table);
  const encoder = new TextEncoder();
  /** What is not a token becomes the tokens of its bytes, those that there are. */
  const pushBytes = (bytes: Uint8Array, output: number[]) => {
    for (const byte of bytes) if (byteIds[byte]! >= 0) output.push(byteIds[byte]!);
  };

  return (line: string, output: number[]): void => {
    const bytes = encoder.encode(line);
    // A run of line feeds that is a token is that token, whatever the merges say.
    const whole = bytes[0] === LINE_FEED ? pieces.find(bytes, 0, bytes.length) : -1;
    if (whole >= 0 && whole < size) {
      output.push(whole);
      return;
    }
    const ends = characterEnds(bytes);
    // A character that is neither a token nor part of a merge merges with nothing: -1.
    const symbols = ends.map((end, i) => pieces.find(bytes, i === 0 ? 0 : ends[i - 1]!, end));
    const next = mergeSymbols(symbols.length, {
      rank: (left, right) => merges.rank(symbols[left]!, symbols[right]!),
      merge: (left, right) => {
        symbols[left] = merges.result(symbols[left]!, symbols[right]!);
      },
    });
    for (let i = 0; i !== -1; i = next[i]!) {
      const piece = symbols[i]!;
      if (piece >= 0 && piece < size) output.push(piece);
      else pushBytes(piece >= 0 ? pieces.bytesOf(piece) : bytes.subarray(i === 0 ? 0 : ends[i - 1]!, ends[i]!), output);
    }
  };
}
