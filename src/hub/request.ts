// One GET, as a downloader needs it: redirects followed by hand, so that a token stays with the host it is meant for and https stays
// https; an answer that does not come, or stops coming, ends; what may pass by itself is told from what will not.

import { DownloadError, printable } from "../errors.js";

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the URL's own origin, and to no other. */
  readonly token?: string;
  readonly signal: AbortSignal | undefined;
  readonly idleMilliseconds: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Ends with Interruption where the connection breaks off. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Drops the rest of the body, and the connection. */
  cancel(): void;
}

/** A failure that may pass by itself: the connection broke off, or the server says that it is busy. */
export class Interruption extends Error {
  /** What it is once nobody tries again. */
  readonly failure: DownloadError;
  /** How long the server asks to wait. */
  readonly waitMilliseconds: number | undefined;

  constructor(failure: DownloadError, waitMilliseconds?: number) {
    super(failure.message);
    this.failure = failure;
    this.waitMilliseconds = waitMilliseconds;
  }
}

const MOST_REDIRECTS = 10;
const MOST_SKIPPED_BYTES = 2 ** 16;
const REDIRECTS = [301, 302, 303, 307, 308];
const PASSING = [408, 425, 429, 500, 502, 503, 504];

/**
 * Asks for a URL. Statuses of 400 and more are answers too, except those that may pass.
 *
 * @throws Interruption, DownloadError DOWNLOAD_REDIRECT, or the signal's reason
 */
export async function request(url: URL, options: RequestOptions): Promise<Answer> {
  const origin = url.origin;
  let at = url;
  let token = options.token;
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    if (at.origin !== origin) token = undefined; // for good, also where a later redirect leads back
    const answer = await hop(at, token, options);
    if (!REDIRECTS.includes(answer.status)) {
      if (!PASSING.includes(answer.status)) return answer;
      answer.cancel();
      const failure = new DownloadError("DOWNLOAD_STATUS", `${shown(at)} answered with HTTP status ${answer.status}`, {
        status: answer.status,
      });
      throw new Interruption(failure, retryAfter(answer.headers));
    }
    await skip(answer);
    at = redirected(at, answer.headers.get("location"));
  }
  throw new DownloadError("DOWNLOAD_REDIRECT", `${shown(url)} redirects more than ${MOST_REDIRECTS} times`);
}

/** Reads what an answer says besides, so that its connection can be used again; too much of it is dropped. */
async function skip(answer: Answer): Promise<void> {
  let bytes = 0;
  for await (const chunk of answer.body) {
    bytes += chunk.length;
    if (bytes > MOST_SKIPPED_BYTES) break;
  }
}

async function hop(url: URL, token: string | undefined, options: RequestOptions): Promise<Answer> {
  const { signal, idleMilliseconds } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const silence = () => {
    controller.abort(new Error(`nothing arrived for ${idleMilliseconds / 1000} s`));
  };
  let timer = setTimeout(silence, idleMilliseconds);
  const end = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  };
  const interrupted = (cause: unknown) => {
    end();
    if (signal?.aborted) return signal.reason;
    const failure = new DownloadError("DOWNLOAD_CONNECTION", `${shown(url)}: ${reasonOf(cause)}`, { cause });
    return new Interruption(failure);
  };
  let response: Response;
  try {
    response = await fetch(url, {
      redirect: "manual",
      signal: controller.signal,
      headers: {
        ...options.headers,
        "accept-encoding": "identity",
        "user-agent": "cria",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
    });
  } catch (cause) {
    throw interrupted(cause);
  }
  const { body } = response;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body ?? []) {
        clearTimeout(timer);
        yield chunk;
        timer = setTimeout(silence, idleMilliseconds);
      }
    } catch (cause) {
      throw interrupted(cause);
    } finally {
      end();
    }
  }
  const cancel = () => {
    end();
    controller.abort();
  };
  return { status: response.status, headers: response.headers, body: chunks(), cancel };
}

function redirected(from: URL, location: string | null): URL {
  if (location === null || !URL.canParse(location, from)) {
    throw new DownloadError("DOWNLOAD_REDIRECT", `${shown(from)} redirects to nowhere`);
  }
  const to = new URL(location, from);
  to.hash = "";
  if (to.protocol === "https:" || (to.protocol === "http:" && from.protocol === "http:")) return to;
  const what = to.protocol === "http:" ? "plain http" : printable(to.protocol, 20);
  throw new DownloadError("DOWNLOAD_REDIRECT", `${shown(from)} redirects to ${what}, which is refused: ${shown(to)}`);
}

/** Seconds, or a date. */
function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  const milliseconds = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}

/** A URL as messages have it: without the query, which may be a signature. */
export function shown(url: URL): string {
  return printable(`${url.origin}${url.pathname}`, 200);
}

/** Why fetch failed: its own message never says. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? cause.message : error.message;
}
