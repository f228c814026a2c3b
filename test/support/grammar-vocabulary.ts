// Vocabularies for tests of grammars: every byte is a token, as in real ones, and some texts are.

import { Vocabulary } from "../../dist/grammar/index.js";

/** Tokens 0 to 255 are the bytes, then come the texts; a text may be bytes. */
export function byteVocabulary(texts: readonly (string | Uint8Array)[] = []): Vocabulary {
  const encoder = new TextEncoder();
  const pieces = [
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...texts.map((text) => (typeof text === "string" ? encoder.encode(text) : text)),
  ];
  const offsets = new Uint32Array(pieces.length + 1);
  for (const [i, { length }] of pieces.entries()) offsets[i + 1] = offsets[i]! + length;
  const bytes = new Uint8Array(offsets[pieces.length]!);
  for (const [i, piece] of pieces.entries()) bytes.set(piece, offsets[i]);
  return new Vocabulary({ bytes, offsets });
}

/** The tokens of a mask. */
export function tokensOf(mask: Uint32Array): number[] {
  return Array.from({ length: mask.length * 32 }, (_, token) => token).filter(
    (token) => ((mask[token >> 5]! >>> (token & 31)) & 1) === 1,
  );
}
