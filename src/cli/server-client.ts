// Requests to a server: cria's own, or another one with OpenAI's routes.

import { ContextError, CriaError, printable, printableUrl } from "../errors.js";
import { invalidOption } from "../options.js";
import type { OptionTable } from "./command.js";

/** Where `cria serve` listens unless it is told otherwise. */
export const DEFAULT_URL = "http://127.0.0.1:8080";

export const serverOptions = {
  url: {
    flags: ["--url"],
    type: "string",
    value: "URL",
    help: "let a server answer, such as http://127.0.0.1:8080 of cria serve; -m is then a name that the server knows",
  },
  apiKey: {
    flags: ["--api-key"],
    type: "string",
    value: "KEY",
    help: "the server's key (default: CRIA_API_KEY)",
  },
} as const satisfies OptionTable;

/** Of commands about a server. */
export const runningServerOptions = {
  url: { flags: ["--url"], type: "string", value: "URL", help: `where the server is (default: ${DEFAULT_URL})` },
  apiKey: serverOptions.apiKey,
} as const satisfies OptionTable;

/** What a server says of a model (routes/state.ts): without `bytes`, it is not loaded. */
export interface ServerModel {
  readonly name: string;
  readonly state: string;
  readonly requests_running: number;
  readonly requests_waiting: number;
  readonly bytes?: number;
  readonly instances?: readonly { readonly state: string }[];
  readonly unloads_in_seconds?: number;
}

/** The models of a server of ours. @throws CriaError when there is none, or it is another one */
export async function modelsOfServer(client: ServerClient, signal: AbortSignal): Promise<readonly ServerModel[]> {
  const { models } = (await client.json("/props", { signal })) as { readonly models?: readonly ServerModel[] };
  if (Array.isArray(models) && models.every(({ state }) => typeof state === "string")) return models;
  throw new CriaError("SERVER_ANSWER", `${client.url} is not a server of cria's: it does not tell its models`);
}

/** The longest text of a server's error that is shown. */
const LONGEST_ERROR = 500;

export class ServerClient {
  /** Without a slash at its end, and without the /v1 that OpenAI's clients are given. */
  readonly url: string;
  readonly #key: string | undefined;

  /** @throws CriaError INVALID_OPTION when it is not a URL */
  constructor(url: string, key: string | undefined) {
    const whole = url.includes("://") ? url : `http://${url}`;
    const parsed = URL.canParse(whole) ? new URL(whole) : undefined;
    if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.username !== "") {
      throw invalidOption("--url", `an http: or https: URL, such as ${DEFAULT_URL}`, url);
    }
    this.url = `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, "").replace(/\/v1$/, "");
    this.#key = key ?? (process.env["CRIA_API_KEY"] || undefined);
  }

  /** Asks and returns the answer's JSON. With a body it is POST. @throws CriaError, ContextError, the signal's reason */
  async json(path: string, options: { readonly body?: object; readonly signal?: AbortSignal } = {}): Promise<unknown> {
    const response = await this.#ask(path, options);
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new CriaError(
        "SERVER_ANSWER",
        `${this.#shown}${path} does not answer as a server of models: ${brief(text)}`,
      );
    }
  }

  /** Asks for a stream of events and returns each event's JSON. @throws as `json`; an event that tells of an error is thrown */
  async *events(path: string, body: object, signal: AbortSignal | undefined): AsyncGenerator<unknown, void, undefined> {
    const response = await this.#ask(path, { body, signal });
    if (response.body === null) throw this.#ended();
    let rest = "";
    for await (const chunk of this.#chunksOf(response.body, signal)) {
      const lines = (rest + chunk).split(/\r?\n/);
      rest = lines.pop()!;
      for (const line of lines) {
        if (!line.startsWith("data:")) continue; // comments keep the connection; names of events do not matter
        const data = line.slice("data:".length).trim();
        if (data === "[DONE]") return;
        const event = this.#parsed(data);
        const { error } = event as { readonly error?: unknown };
        if (error !== undefined && error !== null) throw this.#refusal(200, error);
        yield event;
      }
    }
    throw this.#ended();
  }

  async #ask(
    path: string,
    { body, signal }: { readonly body?: object; readonly signal?: AbortSignal | undefined },
  ): Promise<Response> {
    const response = await this.#fetch(path, {
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
      headers: {
        "content-type": "application/json",
        ...(this.#key !== undefined && { authorization: `Bearer ${this.#key}` }),
      },
      signal,
    });
    if (response.ok) return response;
    const text = await response.text().catch(() => "");
    throw this.#refusal(response.status, errorIn(text) ?? text);
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(`${this.url}${path}`, init);
    } catch (error) {
      init.signal?.throwIfAborted();
      const code = codeOf(error);
      const why =
        code === "ECONNREFUSED" ? "nobody listens there; cria serve starts a server" : `it cannot be reached: ${code}`;
      throw new CriaError("SERVER_UNREACHABLE", `${this.#shown}: ${why}`, { cause: error });
    }
  }

  async *#chunksOf(
    body: ReadableStream<Uint8Array>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<string, void, undefined> {
    const decoder = new TextDecoder();
    try {
      for await (const bytes of body) yield decoder.decode(bytes, { stream: true });
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#ended(error);
    }
  }

  #parsed(data: string): object {
    try {
      const event: unknown = JSON.parse(data);
      if (typeof event === "object" && event !== null) return event;
    } catch {
      // Told below.
    }
    throw new CriaError("SERVER_ANSWER", `${this.#shown} sends what is not an event of JSON: ${brief(data)}`);
  }

  #ended(cause?: unknown): CriaError {
    return new CriaError("SERVER_UNREACHABLE", `${this.#shown} ended its answer before it was complete`, { cause });
  }

  /** What a server says went wrong. */
  #refusal(status: number, error: unknown): CriaError {
    const { message, code } = (typeof error === "object" && error !== null ? error : { message: error }) as {
      readonly message?: unknown;
      readonly code?: unknown;
    };
    const text = brief(String(message ?? "")) || "no reason";
    if (code === "context_length_exceeded") return new ContextError("CONTEXT_FULL", text);
    const hint = status === 401 ? "; --api-key or CRIA_API_KEY gives one" : "";
    const answer = status === 200 ? "" : ` answers ${status}`;
    return new CriaError("SERVER_REFUSED", `${this.#shown}${answer}: ${text}${hint}`);
  }

  get #shown(): string {
    return printableUrl(this.url);
  }
}

/** The `error` of a JSON body: an object, or of Ollama's routes a text. */
function errorIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { readonly error?: unknown } | null)?.error;
  } catch {
    return undefined;
  }
}

const brief = (text: string) => printable(text.trim(), LONGEST_ERROR);

/** What the system calls a failed connection. */
function codeOf(error: unknown): string | undefined {
  const cause = (error as Error).cause as { readonly code?: unknown; readonly message?: unknown } | undefined;
  const code = cause?.code ?? cause?.message ?? (error as { readonly code?: unknown }).code;
  return code === undefined ? undefined : String(code);
}
