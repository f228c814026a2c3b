// Where a command's output goes: to stdout, or to a file, which takes its name when it is complete.

import { once } from "node:events";
import { NewFile } from "../files.js";

/** An output that is written piece by piece. */
export interface Output {
  write(piece: string | Uint8Array): Promise<void>;
  /** The output is complete. `head`: what its first bytes become. */
  finish(head?: Uint8Array): Promise<void>;
  /** There is no output. What was in a file of that name stays. */
  discard(): Promise<void>;
}

/** @throws FileError where the file cannot be made */
export async function outputTo(path: string | undefined): Promise<Output> {
  if (path === undefined) return stdout;
  const file = await NewFile.create(path);
  return {
    write: (piece) => file.write(typeof piece === "string" ? Buffer.from(piece) : piece),
    async finish(head) {
      if (head !== undefined) await file.rewriteHead(head);
      await file.finish();
    },
    discard: () => file.discard(),
  };
}

const stdout: Output = {
  async write(piece) {
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  },
  finish: async () => undefined,
  discard: async () => undefined,
};
