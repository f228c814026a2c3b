// Which file a path leads to, and in which state: whoever opens a model's file again compares it with the file whose header was read.

import type { BigIntStats } from "node:fs";

/** A file of a model, as it was when its header was read. */
export interface KnownFile {
  readonly path: string;
  readonly identity: string;
}

/** Device, inode, size and time of modification: another file or a modified one differs in one of them. */
export function fileIdentity({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}`;
}
