// A bar on stderr while a file is worked on; nothing where stderr is no terminal.

import { basename } from "node:path";
import { printable } from "../gguf/index.js";

const WIDTH = 30;

export function progressBar(path: string, doing: string): { show(fraction: number): void; clear(): void } {
  if (!process.stderr.isTTY) return { show: () => undefined, clear: () => undefined };
  const name = printable(basename(path), 40);
  return {
    show(fraction) {
      const done = Math.round(fraction * WIDTH);
      const percent = `${Math.floor(fraction * 100)}`.padStart(3);
      process.stderr.write(`\r${doing} ${name} [${"#".repeat(done)}${" ".repeat(WIDTH - done)}] ${percent} %`);
    },
    clear: () => void process.stderr.write("\r\x1b[K"),
  };
}
