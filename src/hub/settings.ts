// What the environment says of downloads: Hugging Face's own variables, so that a cache and a token that exist already are used.

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../cache-folder.js";
import { DownloadError, printable, printableUrl } from "../errors.js";
import type { SilenceWatch } from "./silence.js";

export interface Settings {
  /** The hub, without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  /** Where repositories are kept, in Hugging Face's layout. */
  readonly hubCache: string;
  /** Where files of plain URLs are kept. */
  readonly urlCache: string;
  readonly offline: boolean;
  /** A connection on which nothing arrives for so long is dead. */
  readonly idleMilliseconds: number;
  /** Whoever wants to know what is waited for. */
  readonly watch?: SilenceWatch | undefined;
}

const DEFAULT_ENDPOINT = "https://huggingface.co";
const DEFAULT_IDLE_SECONDS = 30;

/** @throws DownloadError DOWNLOAD_SETTING where a variable makes no sense */
export async function readSettings(): Promise<Settings> {
  const hubHome = variable("HF_HOME") ?? join(variable("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface");
  const endpoint = endpointOf(variable("HF_ENDPOINT") ?? DEFAULT_ENDPOINT);
  const token = variable("HF_TOKEN") ?? (await readToken(variable("HF_TOKEN_PATH") ?? join(hubHome, "token")));
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new DownloadError("DOWNLOAD_SETTING", "the Hugging Face token must have the characters of a token only");
  }
  if (token !== undefined && endpoint.protocol === "http:" && !isLoopback(endpoint)) {
    throw new DownloadError(
      "DOWNLOAD_SETTING",
      "HF_ENDPOINT is plain http, on which others could read the token: use https",
    );
  }
  return {
    endpoint: `${endpoint.origin}${endpoint.pathname}`.replace(/\/+$/, ""),
    token,
    hubCache: variable("HF_HUB_CACHE") ?? join(hubHome, "hub"),
    urlCache: cacheFolder(),
    offline: /^(1|on|yes|true)$/i.test(variable("HF_HUB_OFFLINE") ?? ""),
    idleMilliseconds: 1000 * secondsOf("HF_HUB_DOWNLOAD_TIMEOUT", DEFAULT_IDLE_SECONDS),
  };
}

/** An environment variable; one that is empty is not set. */
function variable(name: string): string | undefined {
  return process.env[name] || undefined;
}

function endpointOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "") return url;
  const message = `HF_ENDPOINT must be an https: URL without a password; it is "${printableUrl(text)}"`;
  throw new DownloadError("DOWNLOAD_SETTING", message);
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

function secondsOf(name: string, otherwise: number): number {
  const text = variable(name);
  if (text === undefined) return otherwise;
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 86_400) return seconds;
  throw new DownloadError(
    "DOWNLOAD_SETTING",
    `${name} must be a number of seconds in 0 .. 86400; it is "${printable(text)}"`,
  );
}

/** The token that `hf auth login` has left; to have none is not an error. */
async function readToken(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim() || undefined;
  } catch {
    return undefined;
  }
}
