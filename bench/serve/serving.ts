// `cria serve` in a process of its own, and what it takes of the machine while clients ask it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../../dist/bin/main.js", import.meta.url));

/** A server that runs. */
export class Serving {
  readonly url: string;
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
    this.port = Number(new URL(url).port);
  }

  static async start(given: readonly string[]): Promise<Serving> {
    const child = spawn(process.execPath, [program, "serve", "--port", "0", ...given], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    return new Promise((resolve, reject) => {
      child.stderr.setEncoding("utf8").on("data", (piece: string) => {
        said += piece;
        const url = / at (http:\/\/\S+)\n/.exec(said)?.[1];
        if (url !== undefined) resolve(new Serving(child, url));
      });
      child.once("exit", (code) => reject(new Error(`cria serve ended with ${code}: ${said}`)));
    });
  }

  /** Ends it, and says how: 0 is in order. */
  async stop(): Promise<number | null> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    return (await ended)[0];
  }

  get lives(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resident memory, MiB. */
  residentMebibytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]) / 1024;
  }

  /** Open files, sockets among them. */
  files(): number {
    return readdirSync(`/proc/${this.#child.pid}/fd`).length;
  }

  async get(path: string): Promise<string> {
    return (await this.ask(path, undefined)).text();
  }

  /** The value of a metric; 0: it is not there. */
  async metric(name: string): Promise<number> {
    const escaped = name.replace(/[{}"]/g, "\\$&");
    return Number(new RegExp(`^${escaped} (\\S+)$`, "m").exec(await this.get("/metrics"))?.[1] ?? 0);
  }

  /** Waits until no request runs or waits. @returns whether that was within `seconds` */
  async becomesFree(seconds: number): Promise<boolean> {
    for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
      if (JSON.parse(await this.get("/slots")).length === 0) return true;
      await pause(50);
    }
    return false;
  }

  /** Asks, on a connection that is kept. Rejects when the connection breaks. */
  async ask(path: string, body: unknown, signal?: AbortSignal): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const request = httpRequest(`${this.url}${path}`, {
      ...{ method: text === undefined ? "GET" : "POST", agent: this.#agent, signal },
      headers:
        text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) },
    });
    request.end(text);
    const [message] = (await once(request, "response")) as [IncomingMessage];
    return new Answer(message);
  }
}

/** An answer as it comes. */
export class Answer {
  readonly #message: IncomingMessage;

  constructor(message: IncomingMessage) {
    this.#message = message;
  }

  get status(): number {
    return this.#message.statusCode!;
  }

  get retryAfter(): number {
    return Number(this.#message.headers["retry-after"] ?? 1);
  }

  async text(): Promise<string> {
    return Buffer.concat(await this.#message.toArray()).toString();
  }

  /** The events of a stream, parsed. [DONE] is not among them. */
  async *events(): AsyncGenerator<{
    readonly choices?: readonly { readonly text?: string }[];
    readonly error?: unknown;
  }> {
    let rest = "";
    for await (const piece of this.#message.setEncoding("utf8")) {
      const events = (rest + piece).split("\n\n");
      rest = events.pop()!;
      for (const event of events) if (event.startsWith("data: {")) yield JSON.parse(event.slice("data: ".length));
    }
  }
}

export const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The value below which this share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
