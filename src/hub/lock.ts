// One process at a time brings a file: the others wait, and then find it there. A lock is a file that its owner touches now and then; one
// that nobody touches any more, or whose owner is dead, is taken away. Two owners at once, which a stopped clock or a paused process could
// bring about, would do no harm: both write the same bytes to the same places, and renaming is atomic.

import { randomUUID } from "node:crypto";
import { readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { errorCode, folderFailure } from "./folder-failure.js";
import type { SilenceWatch } from "./silence.js";

const TOUCH_MILLISECONDS = 2000;
const DEAD_MILLISECONDS = 15_000;
const POLL_MILLISECONDS = 100;

/** Does `work` while this process owns the lock. @throws DownloadError DOWNLOAD_FOLDER, or the signal's reason */
export async function withLock<Result>(
  path: string,
  signal: AbortSignal | undefined,
  watch: SilenceWatch | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  const owner = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  while (!(await take(path, owner))) {
    if (await isDead(path)) {
      await rm(path, { force: true });
    } else {
      watch?.waitFor("another process that downloads the same file");
      await wait(POLL_MILLISECONDS, undefined, { signal }).catch(() => undefined);
    }
    signal?.throwIfAborted();
  }
  watch?.heard();
  const touch = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined); // gone, if somebody believed us dead
  }, TOUCH_MILLISECONDS);
  touch.unref();
  try {
    return await work();
  } finally {
    clearInterval(touch);
    if ((await readFile(path, "utf8").catch(() => "")) === owner) await rm(path, { force: true });
  }
}

async function take(path: string, owner: string): Promise<boolean> {
  try {
    await writeFile(path, owner, { flag: "wx" });
    return true;
  } catch (error) {
    // Windows says EPERM while a file of this name is being deleted.
    if (errorCode(error) === "EEXIST" || (process.platform === "win32" && errorCode(error) === "EPERM")) return false;
    // On a full disk the file is there, and empty: nobody's lock, which others would wait for.
    if (errorCode(error) === "ENOSPC" || errorCode(error) === "EDQUOT")
      await rm(path, { force: true }).catch(() => undefined);
    throw folderFailure(path, error);
  }
}

async function isDead(path: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > DEAD_MILLISECONDS) return true;
    const { pid, host } = JSON.parse(await readFile(path, "utf8")) as { pid: number; host: string };
    if (host !== hostname()) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errorCode(error) === "ESRCH"; // no such process; anything else: the lock is gone, or not yet written
  }
}
