// Who may ask, and how much: keys, the names by which this server may be called, pages of other origins, and sizes. Each refusal is an
// answer in OpenAI's shape.

import { createHash, timingSafeEqual } from "node:crypto";

/** A request that is refused before a model sees it. */
export interface Refusal {
  readonly status: 401 | 403 | 413 | 421;
  readonly code: string;
  readonly message: string;
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host) || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

const digest = (text: string) => createHash("sha256").update(text).digest();

/**
 * Whether a request has one of the keys, as `Authorization: Bearer KEY` or `X-Api-Key: KEY`. Digests of equal length are compared, and all
 * of them, so that the time tells nothing.
 */
export function hasKey(headers: Headers, keys: readonly Buffer[]): boolean {
  const given = /^Bearer\s+(.+)$/i.exec(headers.get("authorization") ?? "")?.[1] ?? headers.get("x-api-key") ?? "";
  const offered = digest(given.trim());
  let found = 0;
  for (const key of keys) found |= timingSafeEqual(key, offered) ? 1 : 0;
  return found === 1;
}

/** What `hasKey` compares with. */
export const keyDigests = (keys: readonly string[]) => keys.map(digest);

/**
 * A server on a loopback address is only called by its own names: a page whose host name was made to point here (DNS rebinding) calls it
 * by another one. `allowed`: further names; where there are any, they are checked on every address.
 */
export function hostRefusal(
  { headers, url }: Request,
  listensAt: string,
  allowed: readonly string[],
): Refusal | undefined {
  if (allowed.length === 0 && !isLoopback(listensAt)) return undefined;
  // A request line may have a whole address, whose host is another one.
  const names = [(headers.get("host") ?? "").toLowerCase().replace(/:\d+$/, ""), new URL(url).hostname];
  const isOwn = (host: string) =>
    allowed.includes(host) || (isLoopback(listensAt) && LOOPBACK.has(host)) || host === listensAt;
  const host = names.find((name) => !isOwn(name));
  if (host === undefined) return undefined;
  const message = `this server is not called ${JSON.stringify(host)}; --allowed-host adds a name`;
  return { status: 421, code: "wrong_host", message };
}

/**
 * A page of another origin may not even send: without CORS it could not read the answer, but it would have its work done. Requests without
 * `Origin` do not come from pages of other origins. `origins`: those that are allowed; "*" is all.
 */
export function originRefusal(headers: Headers, origins: readonly string[]): Refusal | undefined {
  const origin = headers.get("origin");
  if (origin === null || origins.includes("*") || origins.includes(origin)) return undefined;
  const host = headers.get("host");
  if (origin === `http://${host}` || origin === `https://${host}`) return undefined;
  const message = `pages of ${JSON.stringify(origin)} may not use this server; --cors allows an origin`;
  return { status: 403, code: "wrong_origin", message };
}
