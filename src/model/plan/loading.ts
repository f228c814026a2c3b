// Loading: every worker reads pieces of the file straight into shared memory and packs them there. Each worker takes the next piece when
// it is free, so that all cores read and pack at once.

import { GROUP_ROWS } from "#abi";
import { GgufError } from "../../errors.js";
import type { Member } from "../../machine/member.js";
import { type PlacedWeight, PROGRESS_UNIT } from "./memory-plan.js";
import { STAGING_BYTES } from "./scratch.js";
import type { Shard } from "./shard.js";

/** Where a model's bytes come from: the parts of a split file, in order. A file that is not split has one part. */
export type ModelSource =
  | { readonly kind: "files"; readonly paths: readonly string[] }
  | { readonly kind: "bytes"; readonly parts: readonly SharedArrayBuffer[] };

/** Reads `bytes` bytes at `offset` of part `part` to `address` in shared memory, synchronously. */
type Read = (part: number, offset: number, address: number, bytes: number) => void;

/** This worker's share of the loading. The caller waits for the others. */
export async function loadShare(member: Member, shard: Shard, source: ModelSource): Promise<void> {
  const { bytes, progress } = shard;
  const reader = source.kind === "files" ? await fileReader(source.paths, bytes) : bytesReader(source.parts, bytes);
  try {
    const cell = member.openTickets();
    let ticket = member.ticket(cell);
    let firstPiece = 0;
    for (const weight of shard.layout.weights) {
      const rows = pieceRows(weight);
      const pieces = Math.ceil(weight.rows / rows);
      for (; ticket < firstPiece + pieces; ticket = member.ticket(cell)) {
        const first = (ticket - firstPiece) * rows;
        const count = Math.min(rows, weight.rows - first);
        loadPiece(member, shard, weight, first, count, reader.read);
        Atomics.add(progress, 0, Math.ceil((count * weight.rowBytes) / PROGRESS_UNIT));
      }
      firstPiece += pieces;
    }
  } finally {
    reader.close();
  }
}

/** How many rows of a weight are read at once: whole groups, so that no two workers pack into the same group. */
function pieceRows(weight: PlacedWeight): number {
  return Math.max(1, Math.floor(STAGING_BYTES / weight.rowBytes / GROUP_ROWS)) * GROUP_ROWS;
}

function loadPiece(member: Member, shard: Shard, weight: PlacedWeight, first: number, count: number, read: Read): void {
  const bytes = count * weight.rowBytes;
  const offset = weight.offset + first * weight.rowBytes;
  if (weight.role !== "matrix") {
    read(weight.part, offset, weight.address + first * weight.rowBytes, bytes);
    return;
  }
  const { job, values } = shard.scratch(member.index);
  read(weight.part, offset, values, bytes);
  member.kernels.packRows(weight.type, values, first, count, weight.columns, weight.address, job);
}

async function fileReader(paths: readonly string[], memory: Uint8Array): Promise<{ read: Read; close(): void }> {
  const { closeSync, openSync, readSync } = await import("node:fs");
  const files: number[] = [];
  const close = () => {
    for (const file of files) closeSync(file);
  };
  try {
    for (const path of paths) files.push(openSync(path, "r"));
  } catch (error) {
    close();
    throw error;
  }
  const read: Read = (part, offset, address, bytes) => {
    for (let done = 0; done < bytes; ) {
      const got = readSync(files[part]!, memory, address + done, bytes - done, offset + done);
      if (got === 0) {
        throw new GgufError(
          "GGUF_TRUNCATED",
          `the file ended ${bytes - done} bytes early: it changed while it was being loaded`,
          {
            offset: offset + done,
          },
        );
      }
      done += got;
    }
  };
  return { read, close };
}

function bytesReader(parts: readonly SharedArrayBuffer[], memory: Uint8Array): { read: Read; close(): void } {
  return {
    read: (part, offset, address, bytes) => memory.set(new Uint8Array(parts[part]!, offset, bytes), address),
    close: () => undefined,
  };
}
