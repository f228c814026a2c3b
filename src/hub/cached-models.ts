// The models that are in the cache, and how they leave it. Hugging Face's folder has other things beside models: those stay.

import { lstat, readdir, readFile, realpath, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { chooseFile, modelFiles, partsOf } from "./choose-file.js";
import { withLock } from "./lock.js";
import { parseReference } from "./reference.js";
import { readSettings } from "./settings.js";
import { urlFolder } from "./url-model.js";

/** A model in the cache. */
export interface CachedModel {
  /** What brings it: `hf:user/repo:Q4_K_M`, `hf:user/repo/file.gguf`, or a URL. */
  readonly source: string;
  /** Of its (first) file. */
  readonly path: string;
  /** Of all its files; of a split model, all parts. */
  readonly paths: readonly string[];
  readonly bytes: number;
  /** When it was last read, as far as the file system notes that. */
  readonly used: Date;
  /** The folder of its repository, or of its URL, which nothing is removed outside of. */
  readonly folder: string;
  /** Of a repository: its name, the revisions that stand where this file is from, and the file's path there. */
  readonly hub: { readonly repo: string; readonly revisions: readonly string[]; readonly file: string } | undefined;
}

/** All models in the cache, by their sources. @throws DownloadError DOWNLOAD_SETTING */
export async function cachedModels(): Promise<readonly CachedModel[]> {
  const { hubCache, urlCache } = await readSettings();
  const [hub, urls] = await Promise.all([modelsOfHub(hubCache), modelsOfUrls(urlCache)]);
  return [...hub, ...urls].toSorted((a, b) => (a.source < b.source ? -1 : 1));
}

/** Those of them that a source or a path means. @throws DownloadError for what cannot name a model */
export async function cachedModelsOf(name: string, models: readonly CachedModel[]): Promise<readonly CachedModel[]> {
  const exact = models.filter(({ source, path }) => source === name || path === resolve(name));
  if (exact.length > 0 || !/^(hf|https?):/i.test(name)) return exact;
  const { endpoint, urlCache } = await readSettings();
  const reference = parseReference(name, endpoint);
  if (reference.kind === "url") {
    const folder = urlFolder(urlCache, reference.url);
    return models.filter((model) => model.folder === folder);
  }
  const { repo, revision, file, quant } = reference;
  const there = models.filter(({ hub }) => hub?.repo === repo && hub.revisions.includes(revision));
  const files = there.map(({ hub }) => hub!.file);
  const wanted = file ?? (quant === undefined ? undefined : (chooseFile(files, quant) ?? ""));
  return wanted === undefined ? there : there.filter(({ hub }) => hub!.file === wanted);
}

/** Removes a model from the cache. Contents that another file has too stay. Returns the bytes that are free. */
export async function removeCached(model: CachedModel): Promise<number> {
  let freed = 0;
  for (const path of model.paths) freed += await removeFile(path, model);
  await removeEmpty(dirname(model.path), model.folder);
  const left = await filesIn(model.folder);
  // A repository of which nothing is left but notes, and what a download that broke off has left.
  const isWhole = left.some((path) => {
    const [first = ""] = relative(model.folder, path).split(sep);
    return model.hub === undefined ? /\.gguf$/i.test(path) : first === "snapshots";
  });
  if (isWhole) return freed;
  const sizes = await Promise.all(
    left.map((path) =>
      lstat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  await rm(model.folder, { recursive: true, force: true });
  return sizes.reduce((sum, size) => sum + size, freed);
}

/** @returns the bytes that are free */
async function removeFile(path: string, { folder, hub }: CachedModel): Promise<number> {
  const content = await realpath(path).catch(() => path);
  const isInside = content.startsWith((await realpath(folder)) + sep);
  return withLock(`${content}.cria-lock`, undefined, undefined, async () => {
    const { size } = await stat(path);
    await rm(path, { force: true });
    if (hub === undefined) {
      await rm(`${path}.json`, { force: true });
      return size;
    }
    if (content === resolve(path) || (await isFile(path))) return size;
    for (const other of await filesIn(join(folder, "snapshots"))) {
      if ((await realpath(other).catch(() => "")) === content) return 0;
    }
    if (!isInside) return 0; // a link to somewhere else, which is somebody else's
    await rm(content, { force: true });
    return size;
  });
}

const isFile = (path: string) =>
  lstat(path).then(
    (found) => found.isFile(),
    () => false,
  );

/** Removes folders that are empty, upwards, but not `top`. */
async function removeEmpty(folder: string, top: string): Promise<void> {
  for (let at = folder; at !== top && at.startsWith(top + sep); at = dirname(at)) {
    if (
      !(await rmdir(at).then(
        () => true,
        () => false,
      ))
    )
      return;
  }
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return found.filter((entry) => !entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
}

async function modelsOfHub(hubCache: string): Promise<readonly CachedModel[]> {
  const names = await readdir(hubCache).catch(() => []);
  const models: CachedModel[] = [];
  for (const name of names) {
    const [, user, repository] = /^models--(.+?)--(.+)$/.exec(name) ?? [];
    if (user === undefined) continue;
    const folder = join(hubCache, name);
    const revisions = await revisionsIn(folder);
    for (const commit of await readdir(join(folder, "snapshots")).catch(() => [])) {
      const snapshot = join(folder, "snapshots", commit);
      const files = (await filesIn(snapshot)).map((path) => relative(snapshot, path).split(sep).join("/"));
      for (const file of modelFiles(files)) {
        const standing = revisions.filter(([, at]) => at === commit).map(([revision]) => revision);
        const repo = `${user}/${repository}`;
        const model = await modelAt(
          partsOf(file).map((part) => join(snapshot, ...part.split("/"))),
          { source: sourceOf(repo, standing[0] ?? commit, file, files), folder },
          { repo, revisions: [...standing, commit], file },
        );
        if (model !== undefined) models.push(model);
      }
    }
  }
  return models;
}

/** The revisions of a repository and their commits, main first. */
async function revisionsIn(folder: string): Promise<readonly (readonly [revision: string, commit: string])[]> {
  const refs = join(folder, "refs");
  const found = await Promise.all(
    (await filesIn(refs)).map(async (path) => {
      const commit = (await readFile(path, "utf8").catch(() => "")).trim();
      return [relative(refs, path).split(sep).join("/"), commit] as const;
    }),
  );
  return found.toSorted(([a], [b]) => Number(b === "main") - Number(a === "main") || (a < b ? -1 : 1));
}

/** By the quantisation, where that names this file. */
function sourceOf(repo: string, revision: string, file: string, files: readonly string[]): string {
  const at = revision === "main" ? "" : `@${revision.replaceAll("/", "%2F")}`;
  const quant = /(?<![a-z0-9])((?:I?Q|TQ)\d\w*|MXFP4\w*|B?F16|F32)(?=[./-])/gi.exec(basename(file))?.[1];
  const isNamed = quant !== undefined && chooseFile(files, quant) === file;
  return `hf:${repo}${at}${isNamed ? `:${quant}` : `/${file}`}`;
}

async function modelsOfUrls(urlCache: string): Promise<readonly CachedModel[]> {
  const folders = (await readdir(urlCache).catch(() => [])).filter((name) => /^[0-9a-f]{32}$/.test(name));
  const models: CachedModel[] = [];
  for (const name of folders) {
    const folder = join(urlCache, name);
    const files = await readdir(folder).catch(() => []);
    for (const file of modelFiles(files)) {
      const record = await readFile(join(folder, `${file}.json`), "utf8").catch(() => "");
      const url = /"url":"([^"\\]+)"/.exec(record)?.[1];
      const paths = partsOf(file).map((part) => join(folder, part));
      const model = url === undefined ? undefined : await modelAt(paths, { source: url, folder }, undefined);
      if (model !== undefined) models.push(model);
    }
  }
  return models;
}

/** The model of these files; undefined where one of them is not there. */
async function modelAt(
  paths: readonly string[],
  { source, folder }: Pick<CachedModel, "source" | "folder">,
  hub: CachedModel["hub"],
): Promise<CachedModel | undefined> {
  const files = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  if (!files.every((file) => file?.isFile() === true)) return undefined;
  const used = Math.max(...files.map((file) => Math.max(file!.atimeMs, file!.mtimeMs)));
  const bytes = files.reduce((sum, file) => sum + file!.size, 0);
  return { source, path: paths[0]!, paths, bytes, used: new Date(used), folder, hub };
}
