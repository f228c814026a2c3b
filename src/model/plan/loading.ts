// Loading: every worker reads pieces of the file straight into shared memory and packs them there. Each worker takes the next piece when
// it is free, so that all cores read and pack at once.

import { GROUP_ROWS } from "#abi";
import { GgufError, printable } from "../../errors.js";
import { fileIdentity, type KnownFile } from "../../file-identity.js";
import type { Member } from "../../machine/member.js";
import { weightValueError } from "../../weight-value.js";
import { endOfPiece, firstOfPiece, piecesIn } from "../ranges.js";
import { LORA_PART } from "./low-rank.js";
import { type PlacedWeight, PROGRESS_UNIT } from "./memory-plan.js";
import { STAGING_BYTES } from "./scratch.js";
import type { Shard, WorkerShard } from "./shard.js";
import { samplesOf, tableParts } from "./tables.js";
import type { Encoding } from "./weights.js";

/** Where a model's bytes come from: the parts of a split file, in order. A file that is not split has one part. Browsers have Blobs. */
export type ModelSource =
  | { readonly kind: "files"; readonly files: readonly KnownFile[] }
  | { readonly kind: "bytes"; readonly parts: readonly ArrayBufferLike[] }
  | { readonly kind: "blob"; readonly blob: Blob };

/** What a model is loaded from. */
export interface LoadInput {
  readonly source: ModelSource;
  /** What LoRA adapters add, in F32: the weights of LORA_PART. A worker lets go of it when it is loaded. */
  lora: ArrayBufferLike | undefined;
}

/** Reads `bytes` bytes at `offset` of part `part` to `address` in a shard, synchronously. */
type Read = (part: number, offset: number, to: Shard, address: number, bytes: number) => void;

/** Whom a worker tells how far it has come. */
export interface LoadWatch {
  /** What it adds to, in units of PROGRESS_UNIT bytes. */
  readonly progress: Int32Array;
  /** Called after each piece. */
  readonly onPiece?: () => void;
}

/**
 * This worker's share of the loading: first the rows that it will multiply in decode, then what others have not begun. The caller waits
 * for the others. `decodeWorkers`: how many workers a step of one row has.
 */
export async function loadShare(
  member: Member,
  shards: readonly WorkerShard[],
  { source, lora }: LoadInput,
  decodeWorkers: number,
  { progress, onPiece }: LoadWatch = { progress: shards[0]!.progress },
): Promise<void> {
  const { layout } = shards[0]!;
  const reader = await readerOf(source);
  const weights = layout.weights.filter(({ role }) => role !== "table");
  const added = lora && bytesReader([lora]);
  const read: Read = (part, ...where) => {
    if (part === LORA_PART) added!.read(0, ...where);
    else reader.read(part, ...where);
  };
  try {
    const pieces = (weight: PlacedWeight, range: number) =>
      piecesIn(groupsOf(weight), range, decodeWorkers, pieceGroups(weight));
    const cell = member.openTickets();
    for (let turn = 0; turn < decodeWorkers; turn++) {
      const range = member.rangeInTurn(turn, decodeWorkers);
      const all = weights.reduce((sum, weight) => sum + pieces(weight, range), 0);
      let piece = member.ticket(cell, range, all);
      let begun = 0; // pieces of the weights before this one
      for (const weight of weights) {
        const count = pieces(weight, range);
        for (; piece < begun + count; piece = member.ticket(cell, range, all)) {
          const rows = rowsOfPiece(weight, range, decodeWorkers, piece - begun);
          loadPiece(shards[weight.shard]!, weight, rows.first, rows.count, read);
          Atomics.add(progress, 0, Math.ceil((rows.count * inFile(weight).rowBytes) / PROGRESS_UNIT));
          onPiece?.();
        }
        begun += count;
      }
    }
    if (member.index === 0) {
      for (const weight of layout.weights) {
        if (weight.role === "table") loadSamples(shards[weight.shard]!, weight, layout.rows, reader.read);
      }
    }
    reader.verifyUnchanged();
  } finally {
    reader.close();
  }
}

function loadSamples(shard: WorkerShard, table: PlacedWeight, stepRows: number, read: Read): void {
  let to = table.address + tableParts(table, stepRows).samples;
  for (const { at, bytes } of samplesOf(table.rows * table.rowBytes)) {
    read(table.part, table.offset + at, shard, to, bytes);
    to += bytes;
  }
}

/** How many groups of rows of a weight are read at once: whole groups, so that no two workers pack into the same one. */
function pieceGroups(weight: PlacedWeight): number {
  return Math.max(1, Math.floor(STAGING_BYTES / inFile(weight).rowBytes / GROUP_ROWS));
}

function groupsOf(weight: PlacedWeight): number {
  return Math.ceil(weight.rows / GROUP_ROWS);
}

function rowsOfPiece(weight: PlacedWeight, range: number, owners: number, piece: number) {
  const groups = groupsOf(weight);
  const size = pieceGroups(weight);
  const from = firstOfPiece(groups, range, owners, piece, size);
  const to = endOfPiece(groups, range, owners, from, size);
  return { first: from * GROUP_ROWS, count: Math.min(to * GROUP_ROWS, weight.rows) - from * GROUP_ROWS };
}

/** How the file has a weight. */
function inFile(weight: PlacedWeight): Encoding {
  return weight.encodedFrom ?? weight;
}

function loadPiece(shard: WorkerShard, weight: PlacedWeight, first: number, count: number, read: Read): void {
  const { rowBytes } = inFile(weight);
  const { gather, encodedFrom, role } = weight;
  const direct = role !== "matrix" && encodedFrom === undefined;
  const to = direct ? weight.address + first * rowBytes : shard.scratch.values;
  if (gather === undefined) read(weight.part, weight.offset + first * rowBytes, shard, to, count * rowBytes);
  else {
    for (const [i, row] of gather.rows.slice(first, first + count).entries()) {
      read(weight.part, weight.offset + row * rowBytes, shard, to + i * rowBytes, rowBytes);
    }
  }
  if (direct) return;
  if (encodedFrom !== undefined) encodeRows(shard, weight, encodedFrom, first, count);
  else shard.kernels.packRows(weight.type, to, first, count, weight.columns, weight.address, shard.scratch.job);
}

/** Encodes `count` rows as the weight has them in memory, one after another, and puts each in its place; `first` is the first of them. */
function encodeRows(shard: WorkerShard, weight: PlacedWeight, from: Encoding, first: number, count: number): void {
  const { type, columns, address, rowBytes, role } = weight;
  const { kernels, scratch } = shard;
  const { job, values, floats, encoded, quantizer } = scratch;
  for (let i = 0; i < count; i++) {
    const row = first + i;
    const to = role === "matrix" ? encoded : address + row * rowBytes;
    kernels.dequantizeRow(from.type, values + i * from.rowBytes, columns, floats, job);
    const done = kernels.quantizeRow(type, floats, columns, to, quantizer);
    if (done < columns) {
      const value = shard.floats(floats, columns)[done]!;
      throw weightValueError(weight.name, row * columns + done, value, weight.format, kernels.formatLargest(type));
    }
    if (role === "matrix") kernels.packRows(type, to, row, 1, columns, address, job);
  }
}

/** Reads a model's bytes. */
export interface Reader {
  readonly read: Read;
  /** Fails with GgufError where the bytes are no longer those whose header was read. */
  verifyUnchanged(): void;
  close(): void;
}

async function readerOf(source: ModelSource): Promise<Reader> {
  if (source.kind === "files") return fileReader(source.files, "while it was being loaded");
  return source.kind === "bytes" ? bytesReader(source.parts) : blobReader(source.blob);
}

/**
 * Every worker opens the files again. What it opens must be the files whose header was read, before and after it reads.
 * @param when for messages: "while it was being loaded"
 */
export async function fileReader(files: readonly KnownFile[], when: string): Promise<Reader> {
  const { closeSync, fstatSync, openSync, readSync } = await import("node:fs");
  const open: number[] = [];
  const identityOf = (descriptor: number) => fileIdentity(fstatSync(descriptor, { bigint: true }));
  const verify = (part: number) => {
    const { path, identity } = files[part]!;
    if (identityOf(open[part]!) === identity) return;
    throw new GgufError("GGUF_CHANGED", `${printable(path)} was replaced or modified ${when}`);
  };
  const close = () => {
    for (const descriptor of open) closeSync(descriptor);
  };
  try {
    for (const [part, { path }] of files.entries()) {
      try {
        open.push(openSync(path, "r"));
      } catch (cause) {
        const message = `${printable(path)} can no longer be opened: ${(cause as NodeJS.ErrnoException).code}`;
        throw new GgufError("GGUF_CHANGED", message, { cause });
      }
      verify(part);
    }
  } catch (error) {
    close();
    throw error;
  }
  const read: Read = (part, offset, to, address, bytes) => {
    for (let done = 0; done < bytes; ) {
      const got = readSome(part, to.bytes, address + done, bytes - done, offset + done);
      if (got === 0) {
        const message = `${printable(files[part]!.path)} became ${bytes - done} bytes shorter ${when}`;
        throw new GgufError("GGUF_CHANGED", message, { offset: offset + done });
      }
      done += got;
    }
  };
  const readSome = (part: number, memory: Uint8Array, address: number, bytes: number, offset: number) => {
    try {
      return readSync(open[part]!, memory, address, bytes, offset);
    } catch (cause) {
      const message = `${printable(files[part]!.path)} cannot be read: ${(cause as NodeJS.ErrnoException).code}`;
      throw new GgufError("GGUF_UNREADABLE", message, { offset, cause });
    }
  };
  const verifyUnchanged = () => {
    for (const part of files.keys()) verify(part);
  };
  return { read, verifyUnchanged, close };
}

function bytesReader(parts: readonly ArrayBufferLike[]): Reader {
  return {
    read: (part, offset, to, address, bytes) => to.bytes.set(new Uint8Array(parts[part]!, offset, bytes), address),
    verifyUnchanged: () => undefined,
    close: () => undefined,
  };
}

/** Of the libraries of types, the one for browsers' workers is not loaded. */
declare const FileReaderSync: new () => { readAsArrayBuffer(blob: Blob): ArrayBuffer };

/** Reads a Blob piece by piece, so that no copy of the model is made. Only workers of browsers can do so without waiting. */
function blobReader(blob: Blob): Reader {
  const file = new FileReaderSync();
  return {
    read: (_, offset, to, address, bytes) => {
      let piece: ArrayBuffer;
      try {
        piece = file.readAsArrayBuffer(blob.slice(offset, offset + bytes));
      } catch (cause) {
        throw new GgufError("GGUF_CHANGED", "the Blob can no longer be read", { offset, cause });
      }
      if (piece.byteLength < bytes) {
        throw new GgufError("GGUF_CHANGED", "the Blob became shorter while it was being loaded", { offset });
      }
      to.bytes.set(new Uint8Array(piece), address);
    },
    verifyUnchanged: () => undefined, // one over a file that has changed fails in `read`
    close: () => undefined,
  };
}
