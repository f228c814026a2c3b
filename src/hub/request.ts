// One GET, as a downloader needs it: redirects followed by hand, so that a token stays with the host it is meant for and https stays
// https; an answer that does not come, or stops coming, ends; what may pass by itself is told from what will not.

import { DownloadError, printable, printableUrl } from "../errors.js";
import type { SilenceWatch } from "./silence.js";

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the URL's own origin, and to no other. */
  readonly token?: string;
  readonly signal: AbortSignal | undefined;
  readonly idleMilliseconds: number;
  readonly watch?: SilenceWatch | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Ends with Interruption where the connection breaks off. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Drops the rest of the body, and the connection. */
  cancel(): void;
}

/** No answer, or only half of one: the connection broke off, or the server says that it is busy. What is in the cache will do instead. */
export class Interruption extends Error {
  /** What it is once nobody tries again. */
  readonly failure: DownloadError;
  /** How long the server asks to wait. */
  readonly waitMilliseconds: number | undefined;
  /** Whether another try would fail in the same way: what answers does not speak HTTP, or its certificate is another's. */
  readonly lasts: boolean;

  constructor(failure: DownloadError, { waitMilliseconds, lasts = false }: Partial<Interruption> = {}) {
    super(failure.message);
    this.failure = failure;
    this.waitMilliseconds = waitMilliseconds;
    this.lasts = lasts;
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
      const failure = new DownloadError(
        "DOWNLOAD_STATUS",
        `${printableUrl(at)} answered with HTTP status ${answer.status}`,
        {
          status: answer.status,
        },
      );
      throw new Interruption(failure, { waitMilliseconds: retryAfter(answer.headers) });
    }
    await skip(answer);
    at = redirected(at, answer.headers.get("location"));
  }
  throw new DownloadError("DOWNLOAD_REDIRECT", `${printableUrl(url)} redirects more than ${MOST_REDIRECTS} times`);
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
  const { signal, idleMilliseconds, watch } = options;
  signal?.throwIfAborted();
  watch?.waitFor(url.host);
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
    const failure = new DownloadError("DOWNLOAD_CONNECTION", `${printableUrl(url)}: ${reasonOf(cause)}`, { cause });
    return new Interruption(failure, { lasts: lasts(cause) });
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
  watch?.heard();
  const reader = response.body?.getReader();
  // A body does not always end when its request is aborted (Node 20 under load, now and then), so the abort itself ends the wait for it.
  let leave: (reason: unknown) => void = () => undefined;
  controller.signal.addEventListener("abort", () => leave(controller.signal.reason), { once: true });
  const next = (from: ReadableStreamDefaultReader<Uint8Array>) => {
    return new Promise<ReadableStreamReadResult<Uint8Array>>((resolve, reject) => {
      leave = reject;
      if (controller.signal.aborted) reject(controller.signal.reason);
      else from.read().then(resolve, reject);
    });
  };
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      while (reader !== undefined) {
        const { done, value } = await next(reader);
        if (done) return;
        clearTimeout(timer);
        watch?.heard();
        yield value;
        timer = setTimeout(silence, idleMilliseconds);
      }
    } catch (cause) {
      throw interrupted(cause);
    } finally {
      end();
      reader?.cancel().catch(() => undefined);
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
    throw new DownloadError("DOWNLOAD_REDIRECT", `${printableUrl(from)} redirects to nowhere`);
  }
  const to = new URL(location, from);
  to.hash = "";
  if (to.username !== "" || to.password !== "") {
    const message = `${printableUrl(from)} redirects to a URL with a password in it, which is refused: ${printableUrl(to)}`;
    throw new DownloadError("DOWNLOAD_REDIRECT", message);
  }
  if (to.protocol === "https:" || (to.protocol === "http:" && from.protocol === "http:")) return to;
  const what = to.protocol === "http:" ? "plain http" : printable(to.protocol, 20);
  throw new DownloadError(
    "DOWNLOAD_REDIRECT",
    `${printableUrl(from)} redirects to ${what}, which is refused: ${printableUrl(to)}`,
  );
}

/** Seconds, or a date. */
function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  const milliseconds = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}

/** What a server or the host says, in which URLs may stand. */
export function withoutSecrets(text: string): string {
  return printable(text.replace(/[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi, printableUrl), 200);
}

/** Why fetch failed: its own message never says. */
function reasonOf(error: unknown): string {
  const cause = causeOf(error);
  const reason = withoutSecrets(cause instanceof Error ? cause.message : String(cause));
  return cause instanceof Error && "code" in cause && NO_NETWORK.test(String(cause.code))
    ? `${reason} (is this machine on a network?)`
    : reason;
}

/** No name server knows the host or answers, or no way leads there. */
const NO_NETWORK = /^(ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH)$/;

function causeOf(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof AggregateError && cause.errors.length > 0) return causeOf(cause.errors[0]);
  return cause instanceof Error ? cause : error;
}

/**
 * Whether a connection fails in the same way the next time: the answer is not HTTP (llhttp's codes; an end within the head may be a
 * connection that broke), its head is too long, its certificate does not hold, or fetch never asks on that port.
 */
function lasts(error: unknown): boolean {
  const cause = causeOf(error);
  if (!(cause instanceof Error)) return false;
  // Node 26 gives the parser's errors no code, and takes the first of two lengths for the length.
  if (cause.name === "HTTPParserError") return !/EOF/i.test(cause.message);
  const code = "code" in cause ? String(cause.code) : "";
  const lasting = /^UND_ERR_(HEADERS_OVERFLOW|INVALID_ARG|RES_CONTENT_LENGTH_MISMATCH)$|CERT|^ERR_(SSL|TLS)_/;
  if (lasting.test(code)) return true;
  return cause.message === "bad port";
}
