// A hub that answers anything: lists of files and files with damaged bytes, headers and redirects. A download ends in the file that the
// hub has by its digest, or in a typed error.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { downloadModel } from "cria";
import type { Random } from "../../bench/synthetic/random.js";
import { outcomeOf, pick, target } from "./target.js";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Hub {
  readonly source: string;
  readonly list: Answer;
  readonly file: Answer;
}

const commit = "a".repeat(40);
const statuses = [...new Array<number>(24).fill(200), 204, 206, 301, 304, 400, 401, 403, 404, 410, 416, 418];
const odd: readonly unknown[] = [
  ...[
    null,
    1,
    -1,
    1e308,
    "",
    "../../etc/passwd",
    "a/../../b.gguf",
    "\0.gguf",
    "/abs.gguf",
    "x".repeat(5000),
    [],
    {},
    true,
  ],
  ...["model.gguf", "model-Q4_0.gguf", "model-00001-of-00002.gguf", "model-00001-of-99999.gguf", ".gguf", "a\\b.gguf"],
];
const headerNames = [
  "content-length",
  "content-range",
  "etag",
  "location",
  "x-repo-commit",
  "x-linked-size",
  "x-linked-etag",
];
const headerValues = [
  "",
  "0",
  "-1",
  "1e9",
  "abc",
  '"x"',
  "bytes 0-3/4",
  "bytes 5-1/0",
  "hf:x",
  "/blob",
  "http://[",
  "../..",
  "x".repeat(300),
];

function listOf(random: Random, body: string): unknown {
  const value = (usual: unknown): unknown => (random.below(12) === 0 ? pick(random, odd) : usual);
  const row = () => {
    if (random.below(12) === 0) return pick(random, odd);
    const sha256 = createHash("sha256").update(body).digest("hex");
    const lfs = { sha256: value(sha256), size: value(body.length), pointerSize: 130 };
    return { rfilename: value("model.gguf"), size: value(body.length), blobId: value("0".repeat(40)), lfs: value(lfs) };
  };
  const siblings = Array.from({ length: random.below(4) }, row);
  return value({ id: value("user/repo"), sha: value(commit), siblings: value(siblings) });
}

/** The usual headers of an answer, some of them changed. */
function headersOf(random: Random, usual: Readonly<Record<string, string>>): Record<string, string> {
  const names = headerNames.filter(() => random.below(24) === 0);
  return { ...usual, ...Object.fromEntries(names.map((name) => [name, pick(random, headerValues)])) };
}

export const hub = target({
  name: "hub",
  executes: "a model downloaded from a hub with damaged lists, files and headers",
  perBuild: false,
  perProcess: 5000,
  milliseconds: 1000,
  open: async () => {
    const folder = mkdtempSync(join(tmpdir(), "cria-fuzz-hub-"));
    let now: Hub | undefined;
    const server = createServer((request, response) => {
      const answer = request.url?.startsWith("/api/") ? now!.list : now!.file;
      // What HTTP itself cannot say is refused by Node's server; then the connection ends.
      try {
        response.writeHead(answer.status, answer.headers).end(answer.body);
      } catch {
        response.destroy();
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    process.env["HF_ENDPOINT"] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    process.env["HF_HOME"] = folder;
    return {
      make: (random: Random): Hub => {
        const body = pick(random, ["GGUF", "GGUF", "GGUF0000", "", "<html>", "\0\0"]);
        const etag = `"${createHash("sha256").update(body).digest("hex")}"`;
        const list = JSON.stringify(listOf(random, body));
        return {
          source: pick(random, ["hf:user/repo", "hf:user/repo/model.gguf", "hf:user/repo:Q4_0", "hf:user/repo@main"]),
          list: {
            status: pick(random, statuses),
            headers: headersOf(random, { "content-type": "application/json" }),
            body: random.below(10) === 0 ? list.slice(0, random.below(list.length)) : list,
          },
          file: { status: pick(random, statuses), headers: headersOf(random, { etag, "x-repo-commit": commit }), body },
        };
      },
      run: async (input: Hub) => {
        now = input;
        rmSync(folder, { recursive: true, force: true });
        // What may pass by itself is tried again for minutes: half a second is enough here.
        const signal = AbortSignal.timeout(500);
        return outcomeOf(async () => {
          try {
            const path = await downloadModel(input.source, { signal });
            if (!path.startsWith(folder)) throw new Error(`the file was written to ${path}`);
            if (!readFileSync(path).subarray(0, 4).equals(Buffer.from("GGUF"))) throw new Error("not the file");
          } catch (error) {
            if (error !== signal.reason) throw error;
          }
        });
      },
      close: async () => {
        server.close();
        server.closeAllConnections();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
});
