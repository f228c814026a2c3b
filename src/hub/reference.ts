// What a source names: a file on some server, or a model in a repository of the hub.
//
//   hf:user/repo                      the repository's default file (choose-file.ts)
//   hf:user/repo:Q4_K_M               its file of that quantisation, as llama.cpp's -hf has it
//   hf:user/repo/folder/file.gguf     that file
//   hf:user/repo@revision...          each of them at a branch, tag or commit
//   https://huggingface.co/user/repo/resolve/revision/file.gguf   the same file (also with /blob/, which is the page about it)
//   https://anywhere/else.gguf        a file on some server

import { DownloadError, printable, printableUrl } from "../errors.js";
import { invalidOption } from "../options.js";

/** A model in a repository of the hub: by a file's path, by a quantisation, or neither. */
export interface HubReference {
  readonly kind: "hub";
  /** user/name */
  readonly repo: string;
  readonly revision: string;
  readonly file?: string;
  readonly quant?: string;
}

export interface UrlReference {
  readonly kind: "url";
  readonly url: URL;
}

/** @throws DownloadError DOWNLOAD_SOURCE for what cannot name a model; CriaError INVALID_OPTION */
export function parseReference(source: string | URL, endpoint: string): HubReference | UrlReference {
  if (typeof source !== "string" && !(source instanceof URL))
    throw invalidOption("source", "a string or a URL", source);
  const text = String(source);
  if (/^hf:/i.test(text)) return parseHubName(text);
  if (!URL.canParse(text)) throw refused(text, "it is not a URL");
  const url = new URL(text);
  url.hash = "";
  if (!/^https?:$/.test(url.protocol)) throw refused(text, "it must be hf:user/repo or an https: URL");
  if (url.username !== "" || url.password !== "") throw refused(url.host, "the URL must not have a password in it");
  return hubFileOf(url, endpoint) ?? { kind: "url", url };
}

function parseHubName(text: string): HubReference {
  const match = /^hf:(?:\/\/)?([^/:@]+\/[^/:@]+)(?:@([^/:]+))?(?:\/([^:]+)|:([^/:]+))?$/i.exec(text);
  if (match === null) throw refused(text, "expected hf:user/repo, hf:user/repo:quant or hf:user/repo/file.gguf");
  const [, repo, behind, path, quant] = match;
  checkRepo(repo!, text);
  // A revision ends where the path begins; one with a slash in it (refs/pr/1) is written refs%2Fpr%2F1, as in the hub's URLs.
  const revision = decode(behind ?? "main", text);
  checkPath(revision, text);
  if (path === undefined) return { kind: "hub", repo: repo!, revision, quant };
  checkPath(path, text);
  return { kind: "hub", repo: repo!, revision, file: path };
}

/** The hub's own URLs of files. */
function hubFileOf(url: URL, endpoint: string): HubReference | undefined {
  const prefix = `${endpoint}/`;
  if (!url.href.startsWith(prefix)) return undefined;
  const path = url.href.slice(prefix.length).replace(/\?.*/, "");
  const [, repo, revision, file] = /^([^/]+\/[^/]+)\/(?:resolve|blob)\/([^/]+)\/(.+)$/.exec(path) ?? [];
  if (repo === undefined) return undefined;
  const reference = { repo, revision: decode(revision!, url.href), file: decode(file!, url.href) };
  checkRepo(reference.repo, url.href);
  checkPath(reference.revision, url.href);
  checkPath(reference.file, url.href);
  return { kind: "hub", ...reference };
}

/** Whether a path of the hub can be one below a folder of ours, on every system. */
export function isSafePath(path: string): boolean {
  return path.split("/").every((name) => !/^\.{0,2}$|[\\:*?"<>|\p{Cc}]|[. ]$/u.test(name));
}

function checkPath(path: string, source: string): void {
  if (!isSafePath(path)) throw refused(source, `"${printable(path)}" is not a path below the repository`);
}

function checkRepo(repo: string, source: string): void {
  if (!/^\w[\w.-]{0,95}\/\w[\w.-]{0,95}$/.test(repo) || /\.\.|--|[.-](\/|$)/.test(repo)) {
    throw refused(source, `"${printable(repo)}" is not the name of a repository`);
  }
}

function decode(text: string, source: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused(source, `"${printable(text)}" is not well-formed`);
  }
}

function refused(source: string, message: string): DownloadError {
  return new DownloadError("DOWNLOAD_SOURCE", `${printableUrl(source)}: ${message}`);
}
