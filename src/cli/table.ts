// Rows of cells as lines that fit the terminal.

import { terminalColumns } from "./wrap.js";

/**
 * A head and its rows, each column as wide as its widest cell. Where that is wider than the terminal, each row has its first cell on a
 * line of its own.
 */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widest = terminalColumns(process.stdout) ?? Number.POSITIVE_INFINITY;
  const lines = columns([head, ...rows]);
  if (lines.every((line) => line.length <= widest)) return lines;
  const behind = columns([head.slice(1), ...rows.map((row) => row.slice(1))]);
  return behind.flatMap((line, i) => [(i === 0 ? head : rows[i - 1]!)[0]!, `  ${line}`]);
}

/** Names and values, two columns. */
export function factLines(facts: readonly (readonly [name: string, value: string])[]): string[] {
  return columns(facts).map((line) => `  ${line}`);
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join("  ")
      .trimEnd(),
  );
}
