// Texts as nobody writes them: runs, white space, combining marks, halves of surrogate pairs, special tokens, and words of all scripts.

import type { Random } from "../../bench/synthetic/random.js";
import { pick } from "./target.js";

const pieces: readonly string[] = [
  ...["a", "b", "ab", " ", "  ", "\n", "\r\n", "\t", "\u000b", "\u000c", "\u0085", "\u00a0", "\u2028", "\u3000", "\0"],
  ...["7", "1234567", "'s", "'LL", "!?", "...", "--", "Ab", "camelCase", "ÀÉ", "ß", "İ", "ſ", "ﬁ", "e\u0301", "\u0301"],
  ...["한", "ᄒ", "ᅡᆫ", "दुनिया", "สวัสดี", "日本語", "中", "ـ", "العربية", "עברית", "\u200d", "\u200b", "\ufeff", "\u202e"],
  ...[
    "🙂",
    "👩‍👩‍👧",
    "🇩🇪",
    "\u{1f468}\u{1f3fd}",
    "\u{10ffff}",
    "\ud800",
    "\udfff",
    "\ufffd",
    "\uffff",
    "\u2581",
    "Ġ",
    "Ċ",
  ],
  ...[
    "<s>",
    "</s>",
    "<unk>",
    "<|end|>",
    "<|",
    "|>",
    "[CLS]",
    "[SEP]",
    "[UNK]",
    "<0x0A>",
    "<0x",
    "##a",
    "▁▁",
    "\\u0041",
  ],
];

const ranges: readonly (readonly [number, number])[] = [
  [0, 0x7f],
  [0x80, 0x24f],
  [0x300, 0x36f],
  [0x370, 0x1fff],
  [0x2000, 0x2fff],
  [0x3000, 0x9fff],
  [0xac00, 0xd7a3],
  [0xd800, 0xdfff],
  [0xe000, 0xffff],
  [0x10000, 0x1ffff],
  [0xe0000, 0x10ffff],
];

/** A text of up to some thousand characters, most of them short. */
export function randomText(random: Random, more: readonly string[] = []): string {
  let text = "";
  const known = more.length > 0 && random.below(3) === 0 ? more : pieces;
  for (let left = random.below(pick(random, [2, 8, 40])); left >= 0; left--) {
    const kind = random.below(16);
    if (kind < 9) text += pick(random, known);
    else if (kind === 9) text += pick(random, known).repeat(random.below(pick(random, [4, 60, 800])));
    else {
      const [from, to] = pick(random, ranges);
      for (let n = 1 + random.below(6); n > 0; n--) text += String.fromCodePoint(from + random.below(to - from + 1));
    }
  }
  return text;
}
