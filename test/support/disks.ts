// Disks that fail: one that becomes full, and folders that may not be written, whoever runs the tests.

import { type FileHandle, open } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** While `work` goes on, all files of this thread together take so many bytes more; then the disk is full. */
export async function withFullDisk<Result>(bytes: number, work: () => Promise<Result>): Promise<Result> {
  const probe = await open(fileURLToPath(import.meta.url));
  const prototype = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  const { write, writeFile } = prototype;
  let left = bytes;
  const take = (data: string | Uint8Array) => {
    left -= data.length;
    if (left < 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };
  prototype.write = async function (this: FileHandle, ...args: [Uint8Array, ...unknown[]]) {
    take(args[0]);
    return Reflect.apply(write, this, args);
  } as FileHandle["write"];
  prototype.writeFile = async function (this: FileHandle, ...args: [string | Uint8Array, ...unknown[]]) {
    take(args[0]);
    return Reflect.apply(writeFile, this, args);
  } as FileHandle["writeFile"];
  try {
    return await work();
  } finally {
    Object.assign(prototype, { write, writeFile });
  }
}

const NOBODY = 65534;

/** Does `work` as a user whom permissions hold: root may do everything. */
export async function asUser<Result>(work: () => Promise<Result>): Promise<Result> {
  if (process.getuid?.() !== 0) return work();
  process.seteuid!(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid!(0);
  }
}
