// Models of the hub by name: which file is meant, who may have it, where it lies, and what happens without a network. A hub on this
// machine answers.

import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DownloadProgress, downloadModel, loadModel } from "cria";
import { describe, expect, it } from "vitest";
import {
  digestAt,
  failure,
  fakeModel,
  home,
  hub,
  leftovers,
  repoFolder,
  repository,
  unusedPort,
  useHub,
} from "../../support/hub-fixture.js";
import { COMMIT, sha256 } from "../../support/hub-server.js";

useHub();
const demo = readFileSync(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));

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
    "https://user:password@exa mple.com/model.gguf",
    "user:password@example.com/model.gguf",
    "ftp://user:password@example.com/model.gguf?X-Amz-Signature=password",
    "file:///etc/passwd",
    "data:text/plain,GGUF",
    "http://",
  ])("%s is refused without a request", async (source) => {
    const { code, message } = await failure(source);
    expect(code).toBe("DOWNLOAD_SOURCE");
    expect(message).not.toContain("password@");
    expect(message).not.toContain("Signature");
    expect(hub.seen).toEqual([]);
  });

  it.each([null, 5, undefined, Object.create(null), ["hf:user/repo"]])(
    "a source that is %s is refused",
    async (source) => {
      expect(await failure(source as unknown as string)).toMatchObject({
        code: "INVALID_OPTION",
        message: expect.stringMatching(/^source must be a string or a URL; it is /),
      });
    },
  );

  const digest = "a".repeat(64);
  const listings: readonly (readonly [string, unknown, string, RegExp])[] = [
    ["a row that is null", [null], "HUB_LISTING", /siblings\[0\] must be an object/],
    ["a row that is a string", ["m-Q8_0.gguf"], "HUB_LISTING", /siblings\[0\] must be an object/],
    ["a list that is null", null, "HUB_LISTING", /it lists no files/],
    ["a list that is an object", {}, "HUB_LISTING", /it lists no files/],
    ...[null, "1000", -1, 0.5, 1e300, [1000]].map((size): [string, unknown, string, RegExp] => {
      const row = { rfilename: "m-Q8_0.gguf", lfs: { sha256: digest, size } };
      return [`a size of ${JSON.stringify(size)}`, [row], "HUB_NOT_FOUND", /no GGUF file/];
    }),
    ["a name that is a number", [{ rfilename: 5, size: 5, blobId: digest }], "HUB_NOT_FOUND", /no GGUF file/],
    [
      "a digest that is null",
      [{ rfilename: "m.gguf", lfs: { sha256: null, size: 5 } }],
      "HUB_NOT_FOUND",
      /no GGUF file/,
    ],
  ];
  it.each(listings)("a listing with %s is refused", async (_, siblings, code, message) => {
    hub.fault = () => ({ status: 200, body: JSON.stringify({ sha: COMMIT, siblings }) });
    const failed = await failure("hf:user/repo");
    expect(failed).toMatchObject({ name: "DownloadError", code });
    expect(failed.message).toMatch(message);
    expect(hub.seen.length).toBe(1);
  });

  it.each(["null", "5", '"text"', "[]", '{"sha": null}', '{"sha": 5, "siblings": []}'])(
    "a listing that is %s is refused",
    async (body) => {
      hub.fault = () => ({ status: 200, body });
      expect(await failure("hf:user/repo")).toMatchObject({ name: "DownloadError", code: "HUB_LISTING" });
      expect(hub.seen.length).toBe(1);
    },
  );

  it("a listing whose rows have null where large files have more is used", async () => {
    const content = Buffer.from("GGUF and nothing else");
    const blobId = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
    repository("user/repo", { "m-Q8_0.gguf": content });
    hub.listed = (rfilename) => ({ rfilename, size: content.length, blobId, lfs: null });
    expect(await downloadModel("hf:user/repo")).toMatch(/m-Q8_0\.gguf$/);
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

  it("a password in HF_ENDPOINT is refused, and not shown", async () => {
    process.env["HF_ENDPOINT"] = "https://user:password@hub.example/?X-Amz-Signature=abc";
    expect(await failure("hf:user/repo")).toMatchObject({
      code: "DOWNLOAD_SETTING",
      message: 'HF_ENDPOINT must be an https: URL without a password; it is "https://hub.example/"',
    });
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
    [304, {}, "DOWNLOAD_STATUS", /HTTP status 304/],
    [
      418,
      { "x-error-message": "see https://u:p@h.example/x?token=y!" },
      "DOWNLOAD_STATUS",
      /: see https:\/\/h\.example\/x$/,
    ],
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
    process.env["HF_ENDPOINT"] = `http://127.0.0.1:${await unusedPort()}`;
    expect(await downloadModel("hf:user/repo")).toBe(paths[0]);
    expect(await failure("hf:user/other")).toMatchObject({
      code: "DOWNLOAD_CONNECTION",
      message: expect.stringMatching(/127\.0\.0\.1:\d+\/api.*ECONNREFUSED.*given up after 6 tries/),
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
