// A hub on this machine: the API, the files behind a redirect to another origin (the CDN), files of plain URLs, and every way in which a
// server or a connection can fail, as a test asks for it.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What goes wrong with one answer. */
export interface Fault {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** The connection is cut after so many bytes of the body. */
  readonly cutAfter?: number;
  /** After so many bytes nothing comes any more; of a listing nothing at all. */
  readonly stallAfter?: number;
  /** The whole file, with status 200, whatever range was asked for. */
  readonly ignoresRange?: boolean;
  /** So many bytes less than the range, with an orderly end. */
  readonly shortBy?: number;
}

export interface SeenRequest {
  /** hub, or cdn: the other origin. */
  readonly server: "hub" | "cdn";
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

export class HubServer {
  /** user/name -> path -> content. */
  readonly repositories = new Map<string, Map<string, Uint8Array>>();
  /** Path -> content, of plain URLs. */
  readonly files = new Map<string, Uint8Array>();
  readonly seen: SeenRequest[] = [];
  commit = COMMIT;
  /** Decides what goes wrong with a request. */
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  /** What the listing says of a file, beside the truth. */
  listed: (path: string, row: object) => object = (_, row) => row;
  readonly #hub: Server;
  readonly #cdn: Server;
  readonly #blobs = new Map<string, Uint8Array>();

  private constructor() {
    this.#hub = createServer((request, response) => this.#answer("hub", request, response));
    this.#cdn = createServer((request, response) => this.#answer("cdn", request, response));
  }

  static async start(): Promise<HubServer> {
    const server = new HubServer();
    for (const one of [server.#hub, server.#cdn])
      await new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get origin(): string {
    return originOf(this.#hub);
  }

  get cdnOrigin(): string {
    return originOf(this.#cdn);
  }

  /** Requests for contents, not for the listing. */
  get contentRequests(): readonly SeenRequest[] {
    return this.seen.filter(({ path }) => /^\/(blob|files)\//.test(path));
  }

  async stop(): Promise<void> {
    for (const one of [this.#hub, this.#cdn]) {
      one.closeAllConnections();
      await new Promise((resolve) => one.close(resolve));
    }
  }

  #answer(server: "hub" | "cdn", request: IncomingMessage, response: ServerResponse): void {
    const seen = { server, path: request.url!, headers: request.headers };
    this.seen.push(seen);
    const fault = this.fault(seen) ?? {};
    if (fault.status !== undefined) {
      response.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    const path = seen.path.replace(/\?.*/, "");
    const [, api, revision] = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(path) ?? [];
    if (api !== undefined) {
      if (fault.stallAfter === undefined) this.#list(api, revision!, response);
      return;
    }
    const [, repo, , file] = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    const content = repo === undefined ? undefined : this.repositories.get(repo)?.get(decodeURIComponent(file!));
    if (content !== undefined) {
      const digest = sha256(content);
      this.#blobs.set(digest, content);
      const location = `${this.cdnOrigin}/blob/${digest}?signature=secret`;
      const linked = { "x-linked-etag": `"${digest}"`, "x-linked-size": String(content.length) };
      response.writeHead(302, { location, "x-repo-commit": this.commit, ...linked }).end("Found");
      return;
    }
    const bytes = path.startsWith("/blob/") ? this.#blobs.get(path.slice(6)) : this.files.get(path);
    if (bytes === undefined) response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
    else this.#send(bytes, fault, request, response);
  }

  #list(repo: string, revision: string, response: ServerResponse): void {
    const files = this.repositories.get(repo);
    const known = revision === "main" || revision === this.commit || revision === "refs%2Fpr%2F1";
    if (files === undefined || !known) {
      response.writeHead(404, { "x-error-code": files === undefined ? "RepoNotFound" : "RevisionNotFound" }).end();
      return;
    }
    const siblings = [...files].map(([rfilename, content]) => {
      const lfs = { sha256: sha256(content), size: content.length, pointerSize: 130 };
      return this.listed(rfilename, { rfilename, size: content.length, blobId: "0".repeat(40), lfs });
    });
    const headers = { "content-type": "application/json" };
    response.writeHead(200, headers).end(JSON.stringify({ id: repo, sha: this.commit, siblings }));
  }

  #send(bytes: Uint8Array, fault: Fault, request: IncomingMessage, response: ServerResponse): void {
    const etag = `"${sha256(bytes).slice(0, 16)}"`;
    if (request.headers["if-none-match"] === etag) {
      response.writeHead(304, { etag }).end();
      return;
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const valid = (request.headers["if-range"] ?? etag) === etag && fault.ignoresRange !== true;
    const from = range === null || !valid ? 0 : Number(range[1]);
    const to = range === null || !valid ? bytes.length : Math.min(bytes.length, Number(range[2] || bytes.length) + 1);
    const body = bytes.subarray(from, to - (fault.shortBy ?? 0));
    const headers: Record<string, string> = { etag, "content-length": String(body.length), ...fault.headers };
    const partial = range !== null && valid;
    if (partial) headers["content-range"] ??= `bytes ${from}-${to - 1}/${bytes.length}`;
    for (const [name, value] of Object.entries(headers)) if (value === "") delete headers[name];
    response.writeHead(partial ? 206 : 200, headers);
    const { cutAfter, stallAfter } = fault;
    if (cutAfter !== undefined) {
      response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 5));
    } else if (stallAfter !== undefined) {
      response.write(body.subarray(0, stallAfter));
    } else {
      response.end(body);
    }
  }
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
