// The tokens of a file: texts, scores and kinds, checked at the door.

import { GgufError } from "../errors.js";
import { readNumbers, readStrings, type StringList, type TokenizerMetadata } from "./metadata.js";
import { type Allocate, PieceTable } from "./piece-table.js";

// What a token is, as bits: a well-known end token counts as CONTROL beside what the file says.
export const UNKNOWN = 1;
export const NORMAL = 2;
export const CONTROL = 4;
export const USER_DEFINED = 8;
export const UNUSED = 16;
export const BYTE = 32;
/** White space before the token in a text belongs to the token. */
export const LEFT_STRIP = 64;
/** White space after the token in a text belongs to the token. */
export const RIGHT_STRIP = 128;

/** tokenizer.ggml.token_type, 0 to 6; what is beyond counts as undefined. */
const ATTRIBUTES_OF_TYPE: readonly number[] = [0, NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE];

const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

/** Most tokens that a vocabulary may have: ids and ranks are packed in 26 bits. */
const MOST_TOKENS = 2 ** 26 - 1;

/** Most bytes of a token, far beyond any real one (the longest are runs of some hundred spaces): what makes tables of it must end soon. */
const LONGEST_TOKEN = 2 ** 21;

/** The tokens, numbered by id. */
export interface Vocabulary {
  readonly size: number;
  /** The texts of the tokens; a byte-level tokenizer appends the pieces of its merges that are not tokens. */
  readonly pieces: PieceTable;
  /** Sums of the constants of this file. */
  readonly attributes: Uint8Array;
}

/** The tokens with what only the making of tables needs. */
export interface ScoredVocabulary extends Vocabulary {
  readonly scores: Float32Array;
}

/** Is told what a file does not say, and what is taken in its place, in one sentence. */
export type Warn = (guess: string) => void;

/** The id of the token with this text. */
export function findToken({ pieces, size }: Vocabulary, text: string): number | undefined {
  const bytes = new TextEncoder().encode(text);
  const id = pieces.find(bytes, 0, bytes.length);
  return id >= 0 && id < size ? id : undefined;
}

/** Reads tokenizer.ggml.tokens, scores and token_type. */
export function readVocabulary(metadata: TokenizerMetadata, allocate: Allocate, warn: Warn): ScoredVocabulary {
  const key = "tokenizer.ggml.tokens";
  const texts = readStrings(metadata, key);
  if (texts === undefined) throw new GgufError("TOKENIZER_TOKENS", "The file has no vocabulary", { subject: key });
  const size = texts.offsets.length - 1;
  if (size === 0 || size > MOST_TOKENS) {
    throw new GgufError("TOKENIZER_TOKENS", `A vocabulary has 1 to ${MOST_TOKENS} tokens, this one ${size}`, {
      subject: key,
    });
  }
  const long = texts.offsets.subarray(1).findIndex((end, id) => end - texts.offsets[id]! > LONGEST_TOKEN);
  if (long >= 0) {
    const length = texts.offsets[long + 1]! - texts.offsets[long]!;
    throw new GgufError("TOKENIZER_TOKENS", `Token ${long} has ${length} bytes; at most ${LONGEST_TOKEN} are taken`, {
      subject: key,
    });
  }
  const scores = new Float32Array(size);
  const fileScores = readNumbers(metadata, "tokenizer.ggml.scores", size, [Float32Array, Int32Array]);
  if (fileScores !== undefined) scores.set(fileScores);
  const notANumber = scores.findIndex(Number.isNaN);
  if (notANumber >= 0) {
    throw new GgufError("TOKENIZER_SCORE", `The score of token ${notANumber} is not a number`, {
      subject: "tokenizer.ggml.scores",
    });
  }
  const types = readNumbers(metadata, "tokenizer.ggml.token_type", size, [Int32Array, Uint32Array]);
  const attributes = new Uint8Array(allocate(size)).fill(NORMAL);
  if (types === undefined) warn("tokenizer.ggml.token_type is missing: all tokens count as text");
  if (types !== undefined) for (let id = 0; id < size; id++) attributes[id] = ATTRIBUTES_OF_TYPE[types[id]!] ?? 0;
  const pieces = piecesOf(texts, allocate);
  const decoder = new TextDecoder();
  for (let id = 0; id < size; id++) {
    if ((attributes[id]! & BYTE) !== 0) checkByteToken(id, decoder.decode(pieces.bytesOf(id).slice()));
  }
  return { size, pieces, scores, attributes };
}

function piecesOf({ bytes, offsets }: StringList, allocate: Allocate): PieceTable {
  const size = offsets.length - 1;
  const pieces = PieceTable.withRoom(size, bytes.length, allocate);
  for (let id = 0; id < size; id++) {
    if (offsets[id]! < offsets[id + 1]!) {
      pieces.add(bytes, offsets[id]!, offsets[id + 1]!);
    } else {
      // An empty token can never be met in a text; it still needs a name of its own.
      const name = new TextEncoder().encode(`[EMPTY_${id}]`);
      pieces.add(name, 0, name.length);
    }
  }
  return pieces;
}

function checkByteToken(id: number, text: string): void {
  if (BYTE_TOKEN.test(text)) return;
  throw new GgufError("TOKENIZER_BYTE_TOKEN", `Byte token ${id} should read <0x00> to <0xFF>`, {
    subject: "tokenizer.ggml.tokens",
  });
}
