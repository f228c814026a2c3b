// Short names for models of the network: one file for each in the cache's folder, so that two processes do not disturb each other.
//
//   CACHE/aliases/NAME.json    { "source": "hf:user/repo:Q4_K_M" }

import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../cache-folder.js";
import { makeFolder } from "../make-folder.js";
import { invalidOption } from "../options.js";
import { folderFailure } from "./folder-failure.js";

/** A name that no path, URL or `hf:` source looks like. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

function isAliasName(name: string): boolean {
  return NAME.test(name) && !/\.gguf$/i.test(name);
}

/** @throws CriaError INVALID_OPTION for what cannot be a short name */
export function checkAlias(option: string, name: string): void {
  if (isAliasName(name)) return;
  const what = "a name of letters, digits, dots, dashes and underscores that does not end in .gguf";
  throw invalidOption(option, what, name);
}

/** Lets a name, which is checked, stand for a source from now on. @throws DownloadError DOWNLOAD_FOLDER */
export async function setAlias(name: string, source: string): Promise<void> {
  const path = pathOf(name);
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    await makeFolder(folder());
    await writeFile(draft, `${JSON.stringify({ source })}\n`, { flag: "wx" });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw folderFailure(path, error);
  }
}

/** What a name stands for; undefined: nothing, or there is a file of that name in the current folder. */
export async function aliasOf(name: string): Promise<string | undefined> {
  if (!isAliasName(name)) return undefined;
  const source = await sourceIn(pathOf(name));
  if (source === undefined) return undefined;
  const isThere = await stat(name).then(
    (found) => found.isFile(),
    () => false,
  );
  return isThere ? undefined : source;
}

/** All names, and what they stand for. */
export async function allAliases(): Promise<ReadonlyMap<string, string>> {
  const files = await readdir(folder()).catch(() => []);
  const aliases = new Map<string, string>();
  for (const file of files.toSorted()) {
    const name = file.replace(/\.json$/, "");
    const source = file.endsWith(".json") && isAliasName(name) ? await sourceIn(pathOf(name)) : undefined;
    if (source !== undefined) aliases.set(name, source);
  }
  return aliases;
}

/** The name stands for nothing any more. */
export async function removeAlias(name: string): Promise<void> {
  await rm(pathOf(name), { force: true });
}

async function sourceIn(path: string): Promise<string | undefined> {
  try {
    const { source } = JSON.parse(await readFile(path, "utf8")) as { readonly source?: unknown };
    return typeof source === "string" ? source : undefined;
  } catch {
    return undefined;
  }
}

const folder = () => join(cacheFolder(), "aliases");
const pathOf = (name: string) => join(folder(), `${name}.json`);
