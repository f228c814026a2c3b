// The text files in which the kernel describes the machine, under a root folder. Reading never throws: what is missing, unreadable,
// or not a file of text is undefined.

/** Reads the first 64 KiB of a file: more than any of them needs. */
export interface HostFiles {
  /** The text of the file at an absolute path, or undefined. */
  text(path: string): string | undefined;
  /** The text without the white space around it; undefined when nothing is left. */
  word(path: string): string | undefined;
  /** A non-negative integer, or undefined. */
  count(path: string): number | undefined;
}

const MOST = 65536;

/** Imported once: a test runner may refuse imports when its test is over, and timers may come later. */
let fileSystem: Promise<typeof import("node:fs")> | undefined;

/** The files under `root`, which stands for `/`. */
export async function hostFiles(root: string): Promise<HostFiles> {
  fileSystem ??= import("node:fs");
  const { closeSync, constants, openSync, readSync } = await fileSystem;
  const buffer = new Uint8Array(MOST);
  const text = (path: string): string | undefined => {
    let file: number | undefined;
    try {
      // Nobody may ever write to a FIFO: do not wait for them.
      file = openSync(root + path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      let length = 0;
      for (let got = -1; got !== 0 && length < MOST; length += got)
        got = readSync(file, buffer, length, MOST - length, null);
      return new TextDecoder().decode(buffer.subarray(0, length));
    } catch {
      return undefined;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  };
  const word = (path: string) => text(path)?.trim() || undefined;
  return { text, word, count: (path) => integer(word(path)) };
}

/** A non-negative integer in decimal, or undefined. */
export function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
