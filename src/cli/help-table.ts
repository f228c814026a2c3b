// Two columns that fit the terminal: options and what they do, commands and what they are for.

import { styled } from "./color.js";
import { columnsOf, wrapped } from "./wrap.js";

/** Wider lines are hard to read. */
const MOST_COLUMNS = 120;
/** The first column's width, where the second one is still wide enough. */
const WIDE_FLAGS = 36;
const NARROW_FLAGS = 24;

/** Columns of what help prints. */
export function helpColumns(): number {
  return Math.min(MOST_COLUMNS, columnsOf(process.stdout));
}

/** Rows as lines; where the first column is too wide the second goes below it. */
export function helpTable(rows: readonly (readonly [string, string])[]): string[] {
  const columns = helpColumns();
  const most = columns >= 100 ? WIDE_FLAGS : NARROW_FLAGS;
  const width = Math.min(most, Math.max(...rows.map(([left]) => left.length)));
  const bold = (text: string) => styled(process.stdout, "bold", text);
  return rows.flatMap(([left, right]) => {
    const lines = right.split("\n").flatMap((line) => wrapped(line, columns - width - 4));
    const below = lines.map((line) => `  ${" ".repeat(width)}  ${line}`);
    if (left.length > width) return [`  ${bold(left)}`, ...below];
    return [`  ${bold(left)}${" ".repeat(width - left.length)}  ${lines[0]}`, ...below.slice(1)];
  });
}
