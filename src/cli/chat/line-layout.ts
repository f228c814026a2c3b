// Where the characters of a text that is being typed stand on the terminal: rows that fit its width, and the cursor's place.

import { visible } from "../terminal-text.js";

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The characters of a text as people count them. */
export function graphemesOf(text: string): string[] {
  return [...graphemes.segment(text)].map(({ segment }) => segment);
}

const TAB = "    ";

/** Scripts whose characters take two columns (Unicode's East Asian Width W and F), and emoji. */
const WIDE = new RegExp(
  "^(?:\\p{Emoji_Presentation}|\\p{Extended_Pictographic}\\ufe0f|\\p{Regional_Indicator}{2}|[0-9#*]\\ufe0f\\u20e3|" +
    "\\p{Script=Han}|\\p{Script=Hiragana}|\\p{Script=Katakana}(?<![\\uff61-\\uff9f])|\\p{Script=Bopomofo}|\\p{Script=Yi}|" +
    "[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97c\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f" +
    "\\uff01-\\uff60\\uffe0-\\uffe6\\u{20000}-\\u{3fffd}])",
  "u",
);
/** What stands on the character before it, or is not seen at all. */
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

/** Columns of one character. */
function widthOf(grapheme: string): number {
  if (WIDE.test(grapheme)) return 2;
  return NO_WIDTH.test(grapheme) ? 0 : 1;
}

/** A character as it is shown, and its columns. What could steer the terminal is spelt out. */
function shownAs(grapheme: string): { readonly shown: string; readonly width: number } {
  if (grapheme === "\t") return { shown: TAB, width: TAB.length };
  const shown = visible(grapheme);
  return shown === grapheme ? { shown, width: widthOf(grapheme) } : { shown, width: shown.length };
}

/** Columns of a text without newlines. */
export function textWidth(text: string): number {
  return graphemesOf(text).reduce((sum, grapheme) => sum + shownAs(grapheme).width, 0);
}

export interface LaidOutRow {
  readonly shown: string;
  readonly width: number;
  /** The part of the text that it shows: from `start` to before `end`, in UTF-16 code units. */
  readonly start: number;
  readonly end: number;
}

export interface Layout {
  readonly rows: readonly LaidOutRow[];
  readonly cursor: { readonly row: number; readonly column: number };
}

/**
 * Lays a text out in rows of at most `columns` columns. Every row begins with `margin` columns for the prompt. The last column stays free:
 * terminals differ in where the cursor is after a character in it.
 */
export function layOut(text: string, cursor: number, { columns, margin }: { columns: number; margin: number }): Layout {
  const most = Math.max(margin + 4, columns - 1);
  const rows: LaidOutRow[] = [];
  let place = { row: 0, column: margin };
  let row = { shown: "", width: margin, start: 0 };
  let at = 0;
  const endRow = (next: number) => {
    rows.push({ ...row, end: at });
    row = { shown: "", width: margin, start: next };
  };
  for (const grapheme of graphemesOf(text)) {
    const isNewline = grapheme === "\n" || grapheme === "\r\n";
    const { shown, width } = isNewline ? { shown: "", width: 0 } : shownAs(grapheme);
    if (row.width + width > most) endRow(at);
    if (cursor >= at) place = { row: rows.length, column: row.width };
    if (isNewline) endRow(at + grapheme.length);
    else row = { ...row, shown: row.shown + shown, width: row.width + width };
    at += grapheme.length;
  }
  if (cursor >= at) place = { row: rows.length, column: row.width };
  endRow(at);
  return { rows, cursor: place };
}

/** The index in the text that is nearest to a column of a row. */
export function indexAt(text: string, row: LaidOutRow, column: number, margin: number): number {
  let at = row.start;
  let reached = margin;
  for (const grapheme of graphemesOf(text.slice(row.start, row.end))) {
    const { width } = shownAs(grapheme);
    if (reached + width > column) break;
    reached += width;
    at += grapheme.length;
  }
  return at;
}
