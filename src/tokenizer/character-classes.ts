// The Unicode classes that pre-tokenizers ask for, one byte per UTF-16 unit of a text.

export const LETTER = 1;
export const NUMBER = 2;
export const PUNCTUATION = 4;
export const SYMBOL = 8;
export const MARK = 16;
export const SPACE = 32;
export const CONTROL = 64;

const BLOCK = 256;
const CODE_POINTS = 0x110000;

// White_Space of Unicode; \s of JavaScript lacks U+0085 and has U+FEFF.
const WHITE_SPACE = /^[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/;

const CATEGORIES: readonly (readonly [RegExp, number])[] = [
  [/^\p{L}$/u, LETTER],
  [/^\p{N}$/u, NUMBER],
  [/^\p{P}$/u, PUNCTUATION],
  [/^\p{S}$/u, SYMBOL],
  [/^\p{M}$/u, MARK],
  [/^[\p{Cc}\p{Cf}\p{Co}\p{Cs}]$/u, CONTROL],
  [WHITE_SPACE, SPACE],
];

// Filled block by block, because classifying all code points takes longer than most texts.
let table: Uint8Array | undefined;
const filled = new Uint8Array(CODE_POINTS / BLOCK);

/** The classes of a code point, as a sum of the constants of this file. */
export function classOf(codePoint: number): number {
  table ??= new Uint8Array(CODE_POINTS);
  const block = codePoint >> 8;
  if (filled[block] === 0) {
    for (let c = block * BLOCK; c < (block + 1) * BLOCK; c++) {
      const character = String.fromCodePoint(c);
      for (const [pattern, bit] of CATEGORIES) if (pattern.test(character)) table[c]! |= bit;
    }
    filled[block] = 1;
  }
  return table[codePoint]!;
}

/** The classes of each UTF-16 unit of a well-formed text; both halves of a surrogate pair have the class of the pair. */
export function classesOf(text: string): Uint8Array {
  const classes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if ((unit & 0xfc00) === 0xd800) {
      classes[i] = classes[i + 1] = classOf(text.codePointAt(i)!);
      i++;
    } else {
      classes[i] = classOf(unit);
    }
  }
  return classes;
}
