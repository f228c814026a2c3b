// A folder with those that it lies in. Node's own `mkdir` with `recursive` never returns where a folder that exists takes no new ones and
// says ENOENT, as those below /proc do: it makes the parent, which is there, and tries again, for ever (measured on Node 20, 24 and 26).

import { mkdirSync, statSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** Makes a folder where there is none, and those around it. @throws what `mkdir` throws */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  const isFolder = () =>
    stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
  if (await isFolder()) return;
  if (dirname(path) !== path) await makeFolder(dirname(path), mode);
  try {
    await mkdir(path, mode);
  } catch (error) {
    if (!(await isFolder())) throw error; // else another process was first
  }
}

/** The same, for what must be done before it returns. */
export function makeFolderSync(path: string, mode?: number): void {
  const isFolder = () => {
    try {
      return statSync(path).isDirectory();
    } catch {
      return false;
    }
  };
  if (isFolder()) return;
  if (dirname(path) !== path) makeFolderSync(dirname(path), mode);
  try {
    mkdirSync(path, mode);
  } catch (error) {
    if (!isFolder()) throw error;
  }
}
