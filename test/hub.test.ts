// Models from the network: the hub and plain URLs, their caches, and everything that servers and connections do wrong. A hub on this
// machine answers.

import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DownloadOptions, type DownloadProgress, downloadModel, loadModel } from "cria";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { COMMIT, type Fault, HubServer, type SeenRequest, sha256 } from "./hub-server.js";
import { temporaryFolder } from "./temporary-folder.js";

const demo = readFileSync(new URL("../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const reason = new Error("the user has changed their mind");
const folder = temporaryFolder();
const names = [
  "HF_ENDPOINT",
  "HF_HOME",
  "HF_HUB_CACHE",
  "HF_TOKEN",
  "HF_HUB_OFFLINE",
  "HF_HUB_DOWNLOAD_TIMEOUT",
  "CRIA_CACHE",
];
const before = Object.fromEntries(names.map((name) => [name, process.env[name]]));

let hub: HubServer;
let home = "";
let count = 0;
beforeAll(async () => {
  hub = await HubServer.start();
});
afterAll(async () => {
  await hub.stop();
  for (const [name, value] of Object.entries(before)) setVariable(name, value);
});
beforeEach(() => {
  home = folder.path(`home-${count++}`);
  for (const name of names) setVariable(name, undefined);
  process.env["HF_ENDPOINT"] = hub.origin;
  process.env["HF_HOME"] = home;
  process.env["CRIA_CACHE"] = join(home, "urls");
  hub.repositories.clear();
  hub.files.clear();
  hub.seen.length = 0;
  hub.commit = COMMIT;
});
afterEach(() => {
  hub.fault = () => undefined;
  hub.listed = (_, row) => row;
});

function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

/** A repository with these files. */
function repository(name: string, files: Readonly<Record<string, Uint8Array>>): void {
  hub.repositories.set(name, new Map(Object.entries(files)));
}

/** Something of `bytes` bytes that begins as a model does. */
function fakeModel(bytes: number, seed = 1): Uint8Array {
  const content = new Uint8Array(bytes);
  let state = seed;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    content[i] = state >>> 24;
  }
  content.set(Buffer.from("GGUF"));
  return content;
}

/** The file at a path, as a digest: shows in a failing test what a megabyte does not. */
const digestAt = (path: string) => sha256(readFileSync(path));
const repoFolder = () => join(home, "hub", "models--user--repo");
const leftovers = (path: string) =>
  readdirSync(dirname(path)).filter((name) => name.includes("cria-") || name.endsWith(".tmp"));

/** The download's error. */
async function failure(source: string, options: DownloadOptions = {}) {
  const error: unknown = await downloadModel(source, options).then(
    (path) => new Error(`${path} was brought`),
    (error) => error,
  );
  const { name, code, status, message } = error as { name: string; code: string; status?: number; message: string };
  return { name, code, status, message };
}

describe("a model of the hub", () => {
  it("is loaded by its name, and answers; the second time nothing but the listing is asked for", async () => {
    repository("user/repo", { "README.md": Buffer.from("# a repo"), "demo-Q4_K_M.gguf": demo });
    const downloads: DownloadProgress[] = [];
    const model = await loadModel("hf:user/repo", { threads: 2, onDownload: (progress) => downloads.push(progress) });
    const { text } = await model.complete("Once upon a time", { temperature: 0, maxTokens: 8 });
    await model.dispose();
    expect(text.length).toBeGreaterThan(10);
    expect(downloads.at(-1)).toEqual({
      ...{ file: "demo-Q4_K_M.gguf", part: 1, parts: 1 },
      ...{ receivedBytes: demo.length, totalBytes: demo.length },
    });
    const received = downloads.map(({ receivedBytes }) => receivedBytes);
    expect(received).toEqual(received.toSorted((a, b) => a - b));

    hub.seen.length = 0;
    const again = await loadModel("hf:user/repo", { threads: 2 });
    await again.dispose();
    expect(hub.seen.map(({ path }) => path)).toEqual(["/api/models/user/repo/revision/main?blobs=true"]);
  });

  it("lies in Hugging Face's cache as Hugging Face's tools lay it", async () => {
    const content = fakeModel(1000);
    repository("user/repo", { "q/model-Q8_0.gguf": content });
    const path = await downloadModel("hf:user/repo");
    expect(path).toBe(join(repoFolder(), "snapshots", COMMIT, "q", "model-Q8_0.gguf"));
    expect(lstatSync(path).isSymbolicLink()).toBe(process.platform !== "win32");
    expect(readdirSync(join(repoFolder(), "blobs"))).toEqual([sha256(content)]);
    expect(readFileSync(join(repoFolder(), "refs", "main"), "utf8")).toBe(COMMIT);
    expect(digestAt(path)).toBe(sha256(content));
    expect(leftovers(path)).toEqual([]);
  });

  it("that another tool has brought is used, also for another commit", async () => {
    const content = fakeModel(1000);
    repository("user/repo", { "model-Q8_0.gguf": content });
    mkdirSync(join(repoFolder(), "blobs"), { recursive: true });
    writeFileSync(join(repoFolder(), "blobs", sha256(content)), content);
    const path = await downloadModel("hf:user/repo");
    expect(digestAt(path)).toBe(sha256(content));
    hub.commit = "f".repeat(40);
    expect(await downloadModel("hf:user/repo")).toContain("f".repeat(40));
    expect(hub.contentRequests).toEqual([]);
  });

  it("whose link leads nowhere, or whose content is cut short, is brought again", async () => {
    const content = fakeModel(1000);
    repository("user/repo", { "model-Q8_0.gguf": content });
    const path = await downloadModel("hf:user/repo");
    rmSync(join(repoFolder(), "blobs", sha256(content)));
    expect(digestAt(await downloadModel("hf:user/repo"))).toBe(sha256(content));
    writeFileSync(join(repoFolder(), "blobs", sha256(content)), content.subarray(0, 10));
    expect(await downloadModel("hf:user/repo")).toBe(path);
    expect(digestAt(path)).toBe(sha256(content));
  });

  it("comes in parts side by side", async () => {
    const content = fakeModel(3_000_000);
    repository("user/repo", { "model-Q8_0.gguf": content });
    expect(digestAt(await downloadModel("hf:user/repo"))).toBe(sha256(content));
    const ranges = hub.contentRequests.map(({ headers }) => headers.range);
    expect(ranges.length).toBe(12); // parts of 256 KiB
    expect(new Set(ranges).size).toBe(12);
  });

  it("split in parts comes whole, and its first part's path is returned", async () => {
    const part = (i: number) => fakeModel(1000 + i, i);
    repository("user/repo", {
      "m-Q4_K_M-00001-of-00003.gguf": part(1),
      "m-Q4_K_M-00002-of-00003.gguf": part(2),
      "m-Q4_K_M-00003-of-00003.gguf": part(3),
    });
    const parts: string[] = [];
    const onProgress = ({ part, parts: of }: DownloadProgress) => void parts.push(`${part}/${of}`);
    const path = await downloadModel("hf:user/repo", { onProgress });
    expect(path).toMatch(/m-Q4_K_M-00001-of-00003\.gguf$/);
    for (let i = 1; i <= 3; i++) expect(digestAt(path.replace("00001", `0000${i}`))).toBe(sha256(part(i)));
    expect([...new Set(parts)]).toEqual(["1/3", "2/3", "3/3"]);
    rmSync(path.replace("00001", "00002"));
    expect(await failure("hf:user/repo", { offline: true })).toMatchObject({ code: "DOWNLOAD_OFFLINE" });
    expect(await failure("hf:user/repo/m-Q4_K_M-00002-of-00003.gguf")).toMatchObject({
      code: "DOWNLOAD_SOURCE",
      message: expect.stringContaining("part 2 of 3"),
    });
  });

  it("a split model that lacks a part is refused before anything is fetched", async () => {
    repository("user/repo", { "m-00001-of-00002.gguf": fakeModel(1000) });
    expect(await failure("hf:user/repo")).toMatchObject({
      code: "HUB_NOT_FOUND",
      message: expect.stringContaining("m-00002-of-00002.gguf"),
    });
    expect(hub.contentRequests).toEqual([]);
  });
});

describe("which file", () => {
  const files = [
    "imatrix.gguf",
    "m-BF16.gguf",
    "m-F16.gguf",
    "m-Q4_K_M.gguf",
    "m-Q8_0.gguf",
    "mmproj-Q4_K_M.gguf",
    "UD/m-UD-IQ2_M.gguf",
  ];
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ["hf:user/repo", files, "m-Q4_K_M.gguf"],
    ["hf:user/repo", ["mmproj-Q4_K_M.gguf", "b-Q5_0.gguf", "c-q8_0.gguf"], "c-q8_0.gguf"],
    ["hf:user/repo", ["z.gguf", "a.txt", "b-Q5_0.gguf"], "b-Q5_0.gguf"],
    ["hf:user/repo:q8_0", files, "m-Q8_0.gguf"],
    ["hf:user/repo:F16", files, "m-F16.gguf"],
    ["hf:user/repo:IQ2_M", files, "UD/m-UD-IQ2_M.gguf"],
    ["hf:user/repo:UD-IQ2_M", files, "UD/m-UD-IQ2_M.gguf"],
    ["hf:user/repo/UD/m-UD-IQ2_M.gguf", files, "UD/m-UD-IQ2_M.gguf"],
    ["hf:user/repo/mmproj-Q4_K_M.gguf", files, "mmproj-Q4_K_M.gguf"],
    ["hf:user/repo@main:BF16", files, "m-BF16.gguf"],
    ["hf:user/repo@refs%2Fpr%2F1/m-F16.gguf", files, "m-F16.gguf"],
    [`hf://user/repo@${COMMIT}`, files, "m-Q4_K_M.gguf"],
    ["HUB/user/repo/resolve/main/UD/m-UD-IQ2_M.gguf?download=true", files, "UD/m-UD-IQ2_M.gguf"],
    ["HUB/user/repo/blob/main/m-F16.gguf", files, "m-F16.gguf"],
  ];
  it.each(cases)("%s of %j", async (source, paths, expected) => {
    repository("user/repo", Object.fromEntries(paths.map((path, i) => [path, fakeModel(100 + i)])));
    const path = await downloadModel(source.replace("HUB", hub.origin));
    expect(path).toBe(join(repoFolder(), "snapshots", COMMIT, ...expected.split("/")));
    // What is there decides alone, offline.
    expect(await downloadModel(source.replace("HUB", hub.origin), { offline: true })).toBe(path);
  });

  it("is told where there is none of that quantisation", async () => {
    repository("user/repo", {
      "m-Q8_0.gguf": fakeModel(10),
      "m-F16.gguf": fakeModel(10),
      "mmproj.gguf": fakeModel(10),
    });
    expect(await failure("hf:user/repo:Q4_K_M")).toMatchObject({
      code: "HUB_NOT_FOUND",
      message: 'user/repo has no file of "Q4_K_M"; it has m-F16.gguf, m-Q8_0.gguf',
    });
    repository("user/repo", { "model.safetensors": fakeModel(10) });
    expect(await failure("hf:user/repo")).toMatchObject({ message: "user/repo has no GGUF file" });
  });

  it.each([
    "hf:",
    "hf:repo",
    "hf:user/repo:",
    "hf:user/repo/",
    "hf:user/../repo",
    "hf:../user/model.gguf",
    "hf:user/repo/../../etc/passwd",
    "hf:user/repo/a//b.gguf",
    "hf:user/repo/a\\b.gguf",
    "hf:user/repo@../..",
    "hf:user/repo@%2e%2e%2fx/model.gguf",
    "hf:us--er/repo",
    "https://user:password@example.com/model.gguf",
    "http://",
  ])("%s is refused without a request", async (source) => {
    const { code, message } = await failure(source);
    expect(code).toBe("DOWNLOAD_SOURCE");
    expect(message).not.toContain("password@");
    expect(hub.seen).toEqual([]);
  });

  it("a listing that names files outside of the repository, or without a digest, is not followed", async () => {
    repository("user/repo", { "../../../evil-Q4_K_M.gguf": fakeModel(10), "/evil-Q4_K_M.gguf": fakeModel(10) });
    expect(await failure("hf:user/repo")).toMatchObject({ code: "HUB_NOT_FOUND" });
    repository("user/repo", { "m-Q4_K_M.gguf": fakeModel(10) });
    hub.listed = (rfilename) => ({ rfilename });
    expect(await failure("hf:user/repo")).toMatchObject({ code: "HUB_NOT_FOUND" });
    hub.commit = "../../..";
    expect(await failure("hf:user/repo")).toMatchObject({ code: "HUB_LISTING" });
    hub.fault = () => ({ status: 200, body: "<html>a captive portal</html>" });
    expect(await failure("hf:user/repo")).toMatchObject({ code: "HUB_LISTING" });
  });
});

describe("access", () => {
  it("a token goes to the hub, and not to the host that it redirects to", async () => {
    process.env["HF_TOKEN"] = "hf_secret";
    repository("user/repo", { "m-Q8_0.gguf": fakeModel(600_000) });
    await downloadModel("hf:user/repo");
    const sent = (server: string) =>
      hub.seen.filter((one) => one.server === server).map((one) => one.headers.authorization);
    expect(new Set(sent("hub"))).toEqual(new Set(["Bearer hf_secret"]));
    expect(new Set(sent("cdn"))).toEqual(new Set([undefined]));
  });

  it("a token is not sent to a plain URL, nor to the hub again behind another host", async () => {
    process.env["HF_TOKEN"] = "hf_secret";
    hub.files.set("/files/m.gguf", fakeModel(1000));
    await downloadModel(`${hub.origin}/files/m.gguf`);
    expect(hub.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    repository("user/repo", { "m-Q8_0.gguf": fakeModel(1000) });
    hub.fault = ({ server, path }) => {
      const location = server === "cdn" ? `${hub.origin}/files/m.gguf` : `${hub.cdnOrigin}/there`;
      return server === "cdn" || path.includes("/resolve/") ? { status: 307, headers: { location } } : undefined;
    };
    hub.seen.length = 0;
    hub.files.set("/files/m.gguf", fakeModel(1000));
    await downloadModel("hf:user/repo");
    expect(hub.seen.map(({ server, path, headers }) => [server, path.split("/")[1], headers.authorization])).toEqual([
      ["hub", "api", "Bearer hf_secret"],
      ["hub", "user", "Bearer hf_secret"],
      ["cdn", "there", undefined],
      ["hub", "files", undefined],
    ]);
  });

  it("the token of `hf auth login` is used", async () => {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "token"), "hf_login\n");
    repository("user/repo", { "m-Q8_0.gguf": fakeModel(1000) });
    await downloadModel("hf:user/repo");
    expect(hub.seen[0]!.headers.authorization).toBe("Bearer hf_login");
  });

  it("a token is not sent over plain http to another machine", async () => {
    process.env["HF_TOKEN"] = "hf_secret";
    process.env["HF_ENDPOINT"] = "http://hub.example";
    expect(await failure("hf:user/repo")).toMatchObject({ code: "DOWNLOAD_SETTING" });
  });

  const refusals: readonly (readonly [number, Record<string, string>, string, RegExp])[] = [
    [
      401,
      { "x-error-code": "GatedRepo" },
      "HUB_GATED",
      /no token is set: accept its terms on its page, and set HF_TOKEN/,
    ],
    [403, { "x-error-code": "GatedRepo" }, "HUB_GATED", /accept its terms/],
    [401, {}, "HUB_GATED", /set HF_TOKEN/],
    [401, { "x-error-code": "RepoNotFound" }, "HUB_NOT_FOUND", /no repository user\/repo, or it is private/],
    [404, { "x-error-code": "RevisionNotFound" }, "HUB_NOT_FOUND", /no revision "main"/],
    [404, {}, "HUB_NOT_FOUND", /no repository/],
    [418, { "x-error-message": "a teapot\u009b31m" }, "DOWNLOAD_STATUS", /HTTP status 418: a teapot\\u\{9b\}/],
  ];
  it.each(refusals)("status %i %j: %s", async (status, headers, code, message) => {
    hub.fault = () => ({ status, headers });
    const failed = await failure("hf:user/repo");
    expect(failed).toMatchObject({ name: "DownloadError", code, status });
    expect(failed.message).toMatch(message);
    expect(hub.seen.length).toBe(1);
  });

  it("a file whose access ends while it comes is told, and goes on later", async () => {
    const content = fakeModel(2_000_000);
    repository("user/repo", { "m-Q8_0.gguf": content });
    const startOf = (range = "=0-") => Number(/=(\d+)/.exec(range)![1]);
    hub.fault = ({ path, headers }) => {
      return path.includes("/resolve/") && startOf(headers.range) > 1_500_000 ? { status: 403 } : undefined;
    };
    expect(await failure("hf:user/repo")).toMatchObject({ code: "HUB_GATED", status: 403 });
    hub.fault = () => undefined;
    const before = hub.contentRequests.length;
    expect(digestAt(await downloadModel("hf:user/repo"))).toBe(sha256(content));
    expect(hub.contentRequests.length - before).toBeLessThan(8);
  });
});

describe("offline", () => {
  it("no request is made: what is there is used, what is not is an error", async () => {
    repository("user/repo", { "m-Q4_K_M.gguf": fakeModel(100), "m-Q8_0.gguf": fakeModel(100) });
    hub.files.set("/files/m.gguf", fakeModel(1000));
    const [q8, url] = [await downloadModel("hf:user/repo:Q8_0"), await downloadModel(`${hub.origin}/files/m.gguf`)];
    hub.seen.length = 0;
    process.env["HF_HUB_OFFLINE"] = "1";
    expect(await downloadModel("hf:user/repo:Q8_0")).toBe(q8);
    expect(await downloadModel("hf:user/repo")).toBe(q8);
    expect(await downloadModel(`${hub.origin}/files/m.gguf`)).toBe(url);
    for (const source of ["hf:user/repo:Q4_K_M", "hf:user/other", "hf:user/repo@v2", `${hub.origin}/files/n.gguf`]) {
      expect(await failure(source)).toMatchObject({
        code: "DOWNLOAD_OFFLINE",
        message: expect.stringContaining("cache"),
      });
    }
    await expect(loadModel("hf:user/other")).rejects.toMatchObject({ code: "DOWNLOAD_OFFLINE" });
    expect(hub.seen).toEqual([]);
    // The option outdoes the variable.
    expect(await downloadModel("hf:user/repo:Q4_K_M", { offline: false })).toMatch(/Q4_K_M/);
  });

  it("a hub that cannot be reached: the cache will do, and where it has nothing the error says why", async () => {
    repository("user/repo", { "m-Q8_0.gguf": fakeModel(100) });
    hub.files.set("/files/m.gguf", fakeModel(1000));
    const sources = ["hf:user/repo", `${hub.origin}/files/m.gguf`];
    const paths = await Promise.all(sources.map((source) => downloadModel(source)));
    hub.fault = () => ({ status: 503 });
    expect(await Promise.all(sources.map((source) => downloadModel(source)))).toEqual(paths);
    process.env["HF_ENDPOINT"] = "http://127.0.0.1:1";
    expect(await downloadModel("hf:user/repo")).toBe(paths[0]);
    expect(await failure("hf:user/other")).toMatchObject({
      code: "DOWNLOAD_CONNECTION",
      message: expect.stringMatching(/127\.0\.0\.1:1\/api.*(ECONNREFUSED|bad port).*given up after 6 tries/),
    });
  });

  it("a file of a commit is final: no request", async () => {
    repository("user/repo", { "m-Q8_0.gguf": fakeModel(100) });
    const source = `hf:user/repo@${COMMIT}/m-Q8_0.gguf`;
    const path = await downloadModel(source);
    hub.seen.length = 0;
    expect(await downloadModel(source)).toBe(path);
    expect(hub.seen).toEqual([]);
  });
});

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
    const elsewhere = folder.path("elsewhere");
    writeFileSync(elsewhere, "untouched");
    const place = join(repoFolder(), "snapshots", COMMIT, "m-Q8_0.gguf");
    mkdirSync(dirname(place), { recursive: true });
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
    while (!stalled) await wait(5);
    await wait(300);
    const begin = performance.now();
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
    expect(performance.now() - begin).toBeLessThan(200);
    hub.fault = () => undefined;
    repository("user/repo", { "m-Q8_0.gguf": content });
    hub.seen.length = 0;
    expect(digestAt(await downloadModel("hf:user/repo"))).toBe(sha256(content));
    if (stallAfter > 0) expect(hub.contentRequests.length).toBeLessThan(4);
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
  it("calls in one process, and other processes, bring a file once", async () => {
    const content = fakeModel(2_000_000);
    repository("user/repo", { "m-Q8_0.gguf": content });
    const pull = () =>
      new Promise<string>((resolve) => {
        let out = "";
        const child = spawn(process.execPath, ["--input-type=module", "--eval", PULL], {
          cwd: fileURLToPath(new URL("..", import.meta.url)),
        });
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
    const child = spawn(process.execPath, ["--input-type=module", "--eval", PULL], {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
    });
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

const PULL = `import { downloadModel } from "cria"; console.log(await downloadModel("hf:user/repo"));`;
