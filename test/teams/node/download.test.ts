// Downloads, and everything that servers, connections, disks and other processes do wrong. A hub on this machine does it.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { type DownloadWait, downloadModel, loadModel } from "cria";
import { beforeEach, describe, expect, it } from "vitest";
import { request } from "../../../dist/hub/request.js";
import { withFullDisk } from "../../support/disks.js";
import {
  digestAt,
  failure,
  fakeModel,
  home,
  hub,
  leftovers,
  repoFolder,
  repository,
  useHub,
} from "../../support/hub-fixture.js";
import { COMMIT, type Fault, type SeenRequest, sha256 } from "../../support/hub-server.js";

useHub();

const reason = new Error("the user has changed their mind");

describe("a plain URL", () => {
  it("is kept under its name, asked for changes, and brought again when it has changed", async () => {
    hub.files.set("/files/a%20model.gguf", fakeModel(700_000));
    const url = `${hub.origin}/files/a%20model.gguf?key=secret`;
    const path = await downloadModel(url);
    expect(path).toMatch(/urls[/\\][0-9a-f]{32}[/\\]a_20model\.gguf$/);
    expect(digestAt(path)).toBe(sha256(fakeModel(700_000)));
    expect(readFileSync(`${path}.json`, "utf8")).not.toContain("secret");
    hub.seen.length = 0;
    expect(await downloadModel(url)).toBe(path);
    expect(hub.seen.length).toBe(1);
    hub.files.set("/files/a%20model.gguf", fakeModel(800_000, 2));
    expect(await downloadModel(url)).toBe(path);
    expect(digestAt(path)).toBe(sha256(fakeModel(800_000, 2)));
    writeFileSync(path, "cut short");
    expect(digestAt(await downloadModel(url))).toBe(sha256(fakeModel(800_000, 2)));
    expect(leftovers(path)).toEqual([]);
  });

  it("of a split model brings all parts", async () => {
    for (const i of [1, 2]) hub.files.set(`/files/m-0000${i}-of-00002.gguf`, fakeModel(1000 + i, i));
    const path = await downloadModel(`${hub.origin}/files/m-00001-of-00002.gguf`);
    expect(digestAt(path)).toBe(sha256(fakeModel(1001, 1)));
    expect(digestAt(path.replace("00001-of", "00002-of"))).toBe(sha256(fakeModel(1002, 2)));
  });

  it("of a server without ranges, or without versions, or without either and a length", async () => {
    const content = fakeModel(900_000);
    hub.files.set("/files/m.gguf", content);
    const faults: Fault[] = [
      { ignoresRange: true },
      { headers: { etag: "" } },
      { ignoresRange: true, headers: { etag: "", "content-length": "", "transfer-encoding": "chunked" } },
    ];
    for (const [i, fault] of faults.entries()) {
      hub.fault = () => fault;
      expect(digestAt(await downloadModel(`${hub.origin}/files/m.gguf?${i}`))).toBe(sha256(content));
    }
  });

  it("that is there no more, or no model", async () => {
    expect(await failure(`${hub.origin}/files/none.gguf?key=secret`)).toEqual({
      ...{ name: "DownloadError", code: "DOWNLOAD_STATUS", status: 404 },
      message: `${hub.origin}/files/none.gguf answered with HTTP status 404: there is no such file`,
    });
    hub.files.set("/files/m.gguf", Buffer.from("<!doctype html><title>Sign in</title>".padEnd(100)));
    for (const fault of [{}, { ignoresRange: true }, { headers: { etag: "" } }]) {
      hub.fault = () => fault;
      expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({
        code: "DOWNLOAD_NOT_GGUF",
        message: expect.stringContaining("this is an HTML page: the download went wrong"),
      });
    }
    hub.files.set("/files/m.gguf", new Uint8Array(0));
    hub.fault = () => ({ status: 416 });
    expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({
      message: expect.stringContaining("it is empty"),
    });
  });
});

describe("redirects", () => {
  it.each([
    ["file:///etc/passwd", /redirects to file:, which is refused/],
    ["ftp://example.com/x", /ftp:/],
    ["/files/m.gguf", /redirects more than 10 times/],
    [undefined, /redirects to nowhere/],
  ])("to %s are refused", async (location, message) => {
    const headers: Record<string, string> = location === undefined ? {} : { location };
    hub.fault = () => ({ status: 302, headers });
    const failed = await failure(`${hub.origin}/files/m.gguf`);
    expect(failed.code).toBe("DOWNLOAD_REDIRECT");
    expect(failed.message).toMatch(message);
  });
});

describe("secrets", () => {
  const secrets = /user|:password|abc123/;
  it.each([
    ["http://user:password@127.0.0.1:1/m.gguf?X-Amz-Signature=abc123", /redirects to a URL with a password in it/],
    ["http://:password@127.0.0.1:1/m.gguf", /redirects to a URL with a password in it/],
    ["ftp://user:password@127.0.0.1/m.gguf?X-Amz-Signature=abc123", /redirects to a URL with a password in it/],
    ["ftp://127.0.0.1/m.gguf?X-Amz-Signature=abc123", /redirects to ftp:, which is refused/],
    ["data:text/plain,GGUF", /redirects to data:, which is refused/],
    ["http://user:password@", /redirects to nowhere/],
  ])("in a redirect to %s are not shown, and it is followed no more", async (location, message) => {
    hub.fault = () => ({ status: 302, headers: { location } });
    const error = await downloadModel(`${hub.origin}/files/m.gguf`).catch((error: Error) => error);
    expect(error).toMatchObject({
      name: "DownloadError",
      code: "DOWNLOAD_REDIRECT",
      message: expect.stringMatching(message),
    });
    expect(inspect(error)).not.toMatch(secrets);
    expect(hub.seen.length).toBe(1);
  });

  it.each<readonly [string, Fault]>([
    ["the server does not find it", { status: 404 }],
    ["it is not a model", { ignoresRange: true }],
    ["the answer is another range", { headers: { "content-range": "bytes 5-6/7" } }],
    ["the answer has no range", { headers: { "content-range": "x".repeat(10_000) } }],
    ["the answer is compressed", { headers: { "content-encoding": "\x9b31mgzip" } }],
  ])("in a query are not shown: %s", async (_, fault) => {
    hub.files.set("/files/m.gguf", Buffer.from("no model".padEnd(100)));
    hub.fault = () => fault;
    const error = await downloadModel(`${hub.origin}/files/m.gguf?X-Amz-Signature=abc123`).catch(
      (error: Error) => error,
    );
    expect(error).toMatchObject({ name: "DownloadError" });
    expect(inspect(error)).not.toMatch(secrets);
    expect((error as Error).message).not.toMatch(/[\p{Cc}]/u);
    expect((error as Error).message.length).toBeLessThan(500);
  });

  it("are not shown where no connection comes", async () => {
    const url = "http://127.0.0.1:6667/m.gguf?X-Amz-Signature=abc123";
    const error = await downloadModel(url).catch((error: Error) => error);
    expect(error).toMatchObject({ code: "DOWNLOAD_CONNECTION" });
    expect(inspect(error)).not.toMatch(secrets);
  });
});

describe("answers that are not HTTP", () => {
  it.each(["NaN", "-5", "1e3", "99999999999999999999999", "12, 13"])(
    "a length of %s is refused at once",
    async (length) => {
      hub.files.set("/files/m.gguf", fakeModel(1000));
      hub.fault = () => ({ ignoresRange: true, headers: { "content-length": length } });
      expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({
        name: "DownloadError",
        code: "DOWNLOAD_CONNECTION",
      });
      expect(hub.seen.length).toBe(1);
    },
  );

  it("a head without end, and no HTTP at all, are refused at once", async () => {
    let connections = 0;
    const answers = [`HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`, "SSH-2.0-OpenSSH_9.6\r\n"];
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined).write(answers[connections++ % 2]!);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`;
    for (let i = 1; i <= 2; i++) {
      expect(await failure(url)).toMatchObject({ name: "DownloadError", code: "DOWNLOAD_CONNECTION" });
      expect(connections).toBe(i);
    }
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it("a port that fetch never asks on is refused at once", async () => {
    const begin = performance.now();
    expect(await failure("http://127.0.0.1:6667/m.gguf")).toMatchObject({
      code: "DOWNLOAD_CONNECTION",
      message: "http://127.0.0.1:6667/m.gguf: bad port",
    });
    expect(performance.now() - begin).toBeLessThan(200);
  });

  it("a part where the whole was asked for is refused", async () => {
    hub.files.set("/files/m.gguf", fakeModel(1000));
    let requests = 0;
    hub.fault = () => (requests++ === 0 ? { ignoresRange: true } : { status: 206, body: fakeModel(1000) });
    expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({ code: "DOWNLOAD_RANGE", status: undefined });
  });
});

describe("connections that break", () => {
  it("parts go on where they were", async () => {
    const content = fakeModel(2_000_000);
    repository("user/repo", { "m-Q8_0.gguf": content });
    let requests = 0;
    hub.fault = ({ server }) => (server === "cdn" && requests++ % 2 === 1 ? { cutAfter: 100_000 } : undefined);
    expect(digestAt(await downloadModel("hf:user/repo"))).toBe(sha256(content));
    const starts = hub.contentRequests.map(({ headers }) => Number(/=(\d+)/.exec(headers.range!)![1]));
    expect(starts.some((start) => start % 2 ** 18 !== 0)).toBe(true);
  });

  it("an orderly end that comes too early is one, too", async () => {
    const content = fakeModel(600_000);
    hub.files.set("/files/m.gguf", content);
    let requests = 0;
    hub.fault = () => (requests++ === 2 ? { shortBy: 1000 } : undefined);
    expect(digestAt(await downloadModel(`${hub.origin}/files/m.gguf`))).toBe(sha256(content));
  });

  it("a whole file in one answer begins anew", async () => {
    const content = fakeModel(600_000);
    hub.files.set("/files/m.gguf", content);
    let requests = 0;
    hub.fault = () => ({ ignoresRange: true, ...(requests++ === 1 && { cutAfter: 300_000 }) });
    expect(digestAt(await downloadModel(`${hub.origin}/files/m.gguf`))).toBe(sha256(content));
  });

  it("silence ends them", async () => {
    process.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "0.3";
    const content = fakeModel(600_000);
    hub.files.set("/files/m.gguf", content);
    let requests = 0;
    hub.fault = () => (requests++ === 1 ? { stallAfter: 1000 } : undefined);
    expect(digestAt(await downloadModel(`${hub.origin}/files/m.gguf`))).toBe(sha256(content));
    process.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "soon";
    expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({ code: "DOWNLOAD_SETTING" });
  });

  it("an abort and silence end them even where the body does not hear of it", async () => {
    const { fetch } = globalThis;
    const once = (controller: ReadableStreamDefaultController) => controller.enqueue(new Uint8Array(10));
    globalThis.fetch = async () => new Response(new ReadableStream({ start: once }));
    try {
      const leave = new AbortController();
      const read = async (signal: AbortSignal | undefined, idleMilliseconds: number) => {
        const answer = await request(new URL("http://127.0.0.1/file"), { signal, idleMilliseconds });
        for await (const chunk of answer.body) {
          expect(chunk.length).toBe(10);
          setTimeout(() => leave.abort(new Error("left")), 20);
        }
      };
      await expect(read(leave.signal, 60_000)).rejects.toThrow(/^left$/);
      await expect(read(undefined, 50)).rejects.toThrow("nothing arrived for 0.05 s");
    } finally {
      globalThis.fetch = fetch;
    }
  });

  it("silence tells what is waited for: the first answer, bytes, the next try", async () => {
    process.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "0.6";
    const content = fakeModel(600_000);
    hub.files.set("/files/m.gguf", content);
    const waits: DownloadWait[] = [];
    const onWait = (wait: DownloadWait) => waits.push(wait);
    await downloadModel(`${hub.origin}/files/m.gguf`, { onWait });
    expect(waits).toEqual([]);
    hub.files.set("/files/n.gguf", content);
    let requests = 0;
    hub.fault = () => [{ stallAfter: 0 }, { status: 503, headers: { "retry-after": "1" } }][requests++];
    await downloadModel(`${hub.origin}/files/n.gguf`, { onWait });
    expect(waits[0]!.waitsFor).toBe(new URL(hub.origin).host);
    expect(waits[0]!.milliseconds).toBeGreaterThanOrEqual(200);
    expect(waits.some(({ waitsFor }) => /^the next try: .* HTTP status 503/.test(waitsFor))).toBe(true);
    const count = waits.length;
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(waits.length).toBe(count);
  });

  it("a server that is busy is asked again, when it says so; one that asks for too much is not waited for", async () => {
    const content = fakeModel(1000);
    hub.files.set("/files/m.gguf", content);
    const busy: [number, Record<string, string>][] = [
      [429, { "retry-after": "1" }],
      [500, {}],
      [503, { "retry-after": new Date(Date.now() - 1000).toUTCString() }],
    ];
    hub.fault = () => {
      const [status, headers] = busy.shift() ?? [];
      return status === undefined ? undefined : { status, headers };
    };
    const begin = performance.now();
    expect(digestAt(await downloadModel(`${hub.origin}/files/m.gguf`))).toBe(sha256(content));
    expect(performance.now() - begin).toBeGreaterThan(1000);
    hub.fault = () => ({ status: 429, headers: { "retry-after": "3600" } });
    expect(await failure(`${hub.origin}/files/n.gguf`)).toMatchObject({
      ...{ code: "DOWNLOAD_STATUS", status: 429 },
      message: expect.stringContaining("asks to come back in 3600 s"),
    });
  });
});

describe("servers that lie", () => {
  const content = fakeModel(1_000_000);
  const later = (fault: object) => {
    let requests = 0;
    hub.fault = ({ path }) => (path.startsWith("/files/") && requests++ > 0 ? fault : undefined);
  };
  beforeEach(() => hub.files.set("/files/m.gguf", content));

  it.each([
    ["the wrong bytes", { headers: { "content-range": "bytes 0-99/1000000" } }, "DOWNLOAD_RANGE"],
    ["another size", { headers: { "content-range": "bytes 262144-524287/2000000" } }, "DOWNLOAD_CHANGED"],
    ["no such header", { headers: { "content-range": "" } }, "DOWNLOAD_RANGE"],
    ["nonsense", { headers: { "content-range": "bytes */*" } }, "DOWNLOAD_RANGE"],
    ["a size out of range", { headers: { "content-range": `bytes 0-9/${"9".repeat(400)}` } }, "DOWNLOAD_RANGE"],
    ["the whole file", { ignoresRange: true }, "DOWNLOAD_RANGE"],
    ["a compressed answer", { headers: { "content-encoding": "gzip" } }, "DOWNLOAD_RANGE"],
    ["another version", { headers: { etag: '"other"' } }, "DOWNLOAD_CHANGED"],
  ])("about ranges: %s", async (_, fault, code) => {
    later(fault);
    expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({ code });
    hub.fault = () => undefined;
    expect(digestAt(await downloadModel(`${hub.origin}/files/m.gguf`))).toBe(sha256(content));
  });

  it("a file that changes half way, also between two tries", async () => {
    let requests = 0;
    hub.fault = () => {
      if (requests++ === 3) hub.files.set("/files/m.gguf", fakeModel(1_000_000, 2));
      return undefined;
    };
    expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({ code: "DOWNLOAD_CHANGED" });
    hub.fault = ({ headers }) => (headers.range?.startsWith("bytes=0-") ? undefined : { status: 404 });
    expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({ code: "DOWNLOAD_STATUS" });
    hub.files.set("/files/m.gguf", fakeModel(1_000_000, 3));
    hub.fault = () => undefined;
    expect(digestAt(await downloadModel(`${hub.origin}/files/m.gguf`))).toBe(sha256(fakeModel(1_000_000, 3)));
  });

  it("about the content: the digest tells, and nothing of it stays", async () => {
    repository("user/repo", { "m-Q8_0.gguf": content });
    hub.listed = (_, row) => ({ ...row, lfs: { sha256: "a".repeat(64), size: content.length } });
    expect(await failure("hf:user/repo")).toMatchObject({
      code: "DOWNLOAD_CHECKSUM",
      message: expect.stringContaining(`is ${sha256(content)}, the hub says ${"a".repeat(64)}`),
    });
    expect(readdirSync(join(repoFolder(), "blobs"))).toEqual([]);
    hub.listed = (_, row) => ({ ...row, lfs: { sha256: sha256(content), size: content.length + 1 } });
    expect(await failure("hf:user/repo")).toMatchObject({ code: "DOWNLOAD_SIZE" });
  });

  it("git's own digests are checked, too", async () => {
    repository("user/repo", { "m-Q8_0.gguf": Buffer.from("GGUF and nothing else") });
    hub.listed = (rfilename) => ({ rfilename, size: 21, blobId: "2dcee2ebf1a7ea47d4a7c3f2b70cd4f2fd8f7a0e" });
    expect(await failure("hf:user/repo")).toMatchObject({ code: "DOWNLOAD_CHECKSUM" });
    const git = /git hash of what arrived is ([0-9a-f]{40})/.exec((await failure("hf:user/repo")).message)![1]!;
    hub.listed = (rfilename) => ({ rfilename, size: 21, blobId: git });
    expect(await downloadModel("hf:user/repo")).toMatch(/m-Q8_0\.gguf$/);
    const { stdout } = spawnSync("git", ["hash-object", "--stdin"], {
      input: "GGUF and nothing else",
      encoding: "utf8",
    });
    expect(stdout.trim()).toBe(git);
  });
});

describe("the folder", () => {
  it("a disk that is too small is told before anything is written", async () => {
    hub.files.set("/files/m.gguf", fakeModel(300_000));
    hub.fault = () => ({ headers: { "content-range": `bytes 0-262143/${2 ** 50}` } });
    expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({
      code: "DOWNLOAD_NO_SPACE",
      message: expect.stringMatching(new RegExp(`${2 ** 50} bytes are to come, \\d+ are free`)),
    });
  });

  const everything = () =>
    readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory());

  it.each<readonly [string, Fault]>([
    ["in parts", {}],
    ["in one answer", { ignoresRange: true }],
    [
      "in one answer of unknown length",
      { ignoresRange: true, headers: { etag: "", "content-length": "", "transfer-encoding": "chunked" } },
    ],
  ])("that becomes full is told, and nothing stays of a file that comes %s", async (_, fault) => {
    hub.files.set("/files/m.gguf", fakeModel(2_000_000));
    hub.fault = () => fault;
    await withFullDisk(900_000, async () => {
      expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({
        ...{ name: "DownloadError", code: "DOWNLOAD_NO_SPACE" },
        message: expect.stringContaining("(ENOSPC)"),
      });
    });
    expect(everything()).toEqual([]);
  });

  it("keeps nothing of a download that cannot be resumed: the connection is cut, then the file is gone", async () => {
    hub.files.set("/files/m.gguf", fakeModel(600_000));
    let requests = 0;
    hub.fault = () => (requests++ < 2 ? { ignoresRange: true, cutAfter: 300_000 } : { status: 404 });
    expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({ code: "DOWNLOAD_STATUS", status: 404 });
    expect(requests).toBe(3);
    expect(everything()).toEqual([]);
  });

  it("keeps nothing of a download that cannot be resumed: it is aborted", async () => {
    hub.files.set("/files/m.gguf", fakeModel(600_000));
    hub.fault = () => ({ ignoresRange: true, stallAfter: 300_000 });
    const controller = new AbortController();
    const onProgress = () => controller.abort(reason);
    await expect(downloadModel(`${hub.origin}/files/m.gguf`, { signal: controller.signal, onProgress })).rejects.toBe(
      reason,
    );
    while (everything().length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  });

  it("in whose place of a file a folder is, is told", async () => {
    hub.files.set("/files/m.gguf", fakeModel(600_000));
    for (const fault of [{}, { ignoresRange: true }]) {
      hub.fault = () => fault;
      const path = await downloadModel(`${hub.origin}/files/m.gguf`);
      rmSync(path);
      mkdirSync(`${path}.cria-incomplete`);
      expect(await failure(`${hub.origin}/files/m.gguf`)).toMatchObject({
        name: "DownloadError",
        code: "DOWNLOAD_FOLDER",
      });
      rmSync(`${path}.cria-incomplete`, { recursive: true });
    }
  });

  it("that cannot be made is told", async () => {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "hub"), "a file");
    repository("user/repo", { "m-Q8_0.gguf": fakeModel(100) });
    expect(await failure("hf:user/repo")).toMatchObject({
      code: "DOWNLOAD_FOLDER",
      message: expect.stringContaining("HF_HUB_CACHE and CRIA_CACHE name other folders"),
    });
  });

  it("with a link to elsewhere in a file's place is not written through", async () => {
    repository("user/repo", { "m-Q8_0.gguf": fakeModel(100) });
    const elsewhere = join(home, "elsewhere");
    const place = join(repoFolder(), "snapshots", COMMIT, "m-Q8_0.gguf");
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(elsewhere, "untouched");
    symlinkSync(elsewhere, place);
    expect(digestAt(await downloadModel("hf:user/repo"))).toBe(sha256(fakeModel(100)));
    expect(readFileSync(elsewhere, "utf8")).toBe("untouched");
  });
});

describe("cancelling", () => {
  const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  const moments: readonly (readonly [string, (request: SeenRequest) => boolean, number])[] = [
    ["while the hub is asked", ({ path }) => path.startsWith("/api/"), 0],
    ["before the first bytes", ({ server }) => server === "cdn", 0],
    ["while parts come", ({ headers }) => headers.range?.includes("=1048576-") === true, 5000],
  ];
  it.each(moments)("%s settles at once with the reason, and what came is kept", async (_, isSlow, stallAfter) => {
    const content = fakeModel(2_000_000);
    repository("user/repo", { "m-Q8_0.gguf": content });
    let stalled = false;
    hub.fault = (request) => {
      if (!isSlow(request)) return undefined;
      stalled = true;
      return { stallAfter };
    };
    const controller = new AbortController();
    const loading = loadModel("hf:user/repo", { signal: controller.signal });
    // Of eight requests for content one hangs; when the last is made, at least three parts have come.
    while (!stalled || (stallAfter > 0 && hub.contentRequests.length < 8)) await wait(5);
    await wait(100);
    const begin = performance.now();
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
    expect(performance.now() - begin).toBeLessThan(200);
    hub.fault = () => undefined;
    repository("user/repo", { "m-Q8_0.gguf": content });
    hub.seen.length = 0;
    expect(digestAt(await downloadModel("hf:user/repo"))).toBe(sha256(content));
    if (stallAfter > 0) expect(hub.contentRequests.length).toBeLessThan(6);
  });

  it("before it begins, and while another process has the lock", async () => {
    repository("user/repo", { "m-Q8_0.gguf": fakeModel(100) });
    await expect(downloadModel("hf:user/repo", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(hub.seen).toEqual([]);
    const blobs = join(repoFolder(), "blobs");
    mkdirSync(blobs, { recursive: true });
    writeFileSync(join(blobs, `${sha256(fakeModel(100))}.cria-lock`), JSON.stringify({ pid: 1, host: "another" }));
    const controller = new AbortController();
    const waiting = downloadModel("hf:user/repo", { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 300);
    await expect(waiting).rejects.toBe(reason);
    expect(hub.contentRequests).toEqual([]);
  });
});

describe("several at once", () => {
  /** A process of its own that brings a model and prints its path. */
  const startPull = () => {
    const code = 'import { downloadModel } from "cria"; console.log(await downloadModel("hf:user/repo"));';
    const cwd = fileURLToPath(new URL("../../..", import.meta.url));
    return spawn(process.execPath, ["--input-type=module", "--eval", code], { cwd });
  };

  it("calls in one process, and other processes, bring a file once", async () => {
    const content = fakeModel(2_000_000);
    repository("user/repo", { "m-Q8_0.gguf": content });
    const pull = () =>
      new Promise<string>((resolve) => {
        let out = "";
        const child = startPull();
        child.stdout.on("data", (data) => {
          out += data;
        });
        child.on("exit", () => resolve(out.trim()));
      });
    const paths = await Promise.all([downloadModel("hf:user/repo"), downloadModel("hf:user/repo"), pull(), pull()]);
    expect(new Set(paths)).toEqual(new Set([paths[0]]));
    expect(digestAt(paths[0])).toBe(sha256(content));
    expect(hub.contentRequests.length).toBe(8);
  });

  it("what a process that was killed has left is gone on with", async () => {
    const content = fakeModel(4_000_000);
    repository("user/repo", { "m-Q8_0.gguf": content });
    // Most comes, the rest hangs: long enough for the journal to be written.
    hub.fault = ({ headers }) =>
      Number(/=(\d+)/.exec(headers.range ?? "")?.[1]) > 3_500_000 ? { stallAfter: 10 } : undefined;
    const child = startPull();
    const blob = join(repoFolder(), "blobs", sha256(content));
    const journal = `${blob}.cria-incomplete.json`;
    const arrived = () =>
      existsSync(journal) &&
      (JSON.parse(readFileSync(journal, "utf8")) as { done: number[] }).done.reduce((a, b) => a + b, 0);
    while (Number(arrived()) < 3_000_000) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGKILL");
    await new Promise((resolve) => child.on("exit", resolve));
    expect(existsSync(`${blob}.cria-lock`)).toBe(true);
    hub.fault = () => undefined;
    hub.seen.length = 0;
    expect(digestAt(await downloadModel("hf:user/repo"))).toBe(sha256(content));
    expect(hub.contentRequests.length).toBeLessThan(6); // of 16
    expect(leftovers(blob)).toEqual([]);
  });
});
