// A bar on stderr while a file is worked on; nothing where stderr is not a terminal.

import { basename } from "node:path";
import { printable } from "../gguf/index.js";

const WIDTH = 30;

/** `show` takes the fraction that is done, and the whole, such as "12 MiB", where it is known. */
export function progressBar(path: string, doing: string): { show(fraction: number, of?: string): void; clear(): void } {
  if (!process.stderr.isTTY) return { show: () => undefined, clear: () => undefined };
  const name = printable(basename(path), 40);
  return {
    show(fraction, of) {
      const done = Math.round(fraction * WIDTH);
      const percent = `${Math.floor(fraction * 100)}`.padStart(3);
      const bar = `[${"#".repeat(done)}${" ".repeat(WIDTH - done)}] ${percent} %`;
      process.stderr.write(`\r${doing} ${name} ${bar}${of === undefined ? "" : ` of ${of}`}`);
    },
    clear: () => void process.stderr.write("\r\x1b[K"),
  };
}
