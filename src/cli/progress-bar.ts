// What is shown on stderr while a file is worked on, on one line that is written over.

import { basename } from "node:path";
import { printable } from "../gguf/index.js";
import type { DownloadWait } from "../index.js";
import { columnsOf } from "./wrap.js";

/** Characters of the bar itself, where there is room for them. */
const MOST_WIDTH = 30;
const LEAST_WIDTH = 8;

/** `show` takes the fraction that is done, and the whole, such as "12 MiB", where it is known. Nothing where stderr is not a terminal. */
export function progressBar(path: string, doing: string): { show(fraction: number, of?: string): void; clear(): void } {
  const line = statusLine();
  const name = printable(basename(path), 40);
  return {
    show(fraction, of) {
      const percent = `${Math.floor(fraction * 100)}`.padStart(3);
      const behind = ` ${percent} %${of === undefined ? "" : ` of ${of}`}`;
      const before = `${doing} ${name} `;
      const free = columnsOf(process.stderr) - 1 - before.length - 2 - behind.length;
      const width = Math.max(LEAST_WIDTH, Math.min(MOST_WIDTH, free));
      const done = Math.round(fraction * width);
      line.show(`${before}[${"#".repeat(done)}${" ".repeat(width - done)}]${behind}`);
    },
    clear: line.clear,
  };
}

/** A line that says what is being done; nothing where stderr is not a terminal. `clear` touches no line but its own. */
export function statusLine(): { show(text: string): void; clear(): void } {
  let isShown = false;
  return {
    show(text) {
      if (!process.stderr.isTTY) return;
      overwrite(text);
      isShown = true;
    },
    clear() {
      if (isShown) overwrite("");
      isShown = false;
    },
  };
}

/** Tells what a download waits for: on a terminal every second, elsewhere once for each silence. */
export function waitingLine(): { show(wait: DownloadWait): void; clear(): void } {
  const status = statusLine();
  let last = Number.POSITIVE_INFINITY;
  return {
    show({ waitsFor, milliseconds }) {
      const line = `waiting for ${printable(waitsFor, 300)}, ${Math.round(milliseconds / 1000)} s so far`;
      if (process.stderr.isTTY) status.show(line);
      else if (milliseconds < last) process.stderr.write(`${line}\n`);
      last = milliseconds;
    },
    clear: status.clear,
  };
}

/** Writes a line over the last one. One that the terminal has no room for would leave its beginning behind: it is cut. */
function overwrite(line: string): void {
  process.stderr.write(`\r\x1b[K${line.slice(0, columnsOf(process.stderr) - 1)}`);
}
