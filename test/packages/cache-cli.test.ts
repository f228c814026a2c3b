// The cache at the command line: aliases, cria list, cria show and cria rm.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { demoModel, downloadModel, loadModel } from "cria";
import { beforeEach, describe, expect, it } from "vitest";
import { setAlias } from "../../dist/hub/aliases.js";
import { cachedModels } from "../../dist/hub/cached-models.js";
import { home, hub, repoFolder, repository, useHub } from "../support/hub-fixture.js";
import { COMMIT } from "../support/hub-server.js";

useHub();
const entry = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));
const demo = readFileSync(demoModel);
/** The same model, and other bytes: what stands behind the last tensor is not read. */
const other = Buffer.concat([demo, Buffer.alloc(32)]);
const inSnapshot = (file: string) => join(repoFolder(), "snapshots", COMMIT, file);

beforeEach(() => repository("user/repo", { "demo-Q4_K_M.gguf": demo, "demo-Q8_0.gguf": other, "note.txt": demo }));

async function cria(...args: readonly string[]) {
  const child = spawn(process.execPath, [entry, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => {
    out += data;
  });
  child.stderr.on("data", (data) => {
    err += data;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, out, err };
}

/** What `cria pull` does, in this process. */
async function pull(source: string, alias?: string): Promise<string> {
  const path = await downloadModel(source);
  if (alias !== undefined) await setAlias(alias, source);
  return path;
}

describe("an alias", () => {
  it("stands for its model in every command and in loadModel; a file of that name goes before it", async () => {
    const { out } = await cria("pull", "hf:user/repo:Q4_K_M", "--as", "mine");
    expect(out.trim()).toBe(inSnapshot("demo-Q4_K_M.gguf"));
    const run = ["Once", "-n", "4", "--temp", "0", "-t", "1"];
    const [own, named] = await Promise.all([cria("run", ...run), cria("run", "-m", "mine", "--offline", ...run)]);
    expect([named.code, named.out]).toEqual([0, own.out]);
    const model = await loadModel("mine", { threads: 1, offline: true });
    expect(model.info.parameters).toBeGreaterThan(1e6);
    await model.dispose();
    hub.seen.length = 0;
    expect((await cria("pull", "mine", "--offline")).out).toBe(out);
    const folder = process.cwd();
    try {
      mkdirSync(join(home, "work"));
      process.chdir(join(home, "work"));
      writeFileSync("mine", "not a model");
      await expect(loadModel("mine")).rejects.toMatchObject({ name: "GgufError" });
    } finally {
      process.chdir(folder);
    }
    await expect(loadModel("nobody")).rejects.toMatchObject({ code: "GGUF_NOT_FOUND" });
  });

  it("that cannot be one is refused before anything is fetched", async () => {
    for (const name of ["a/b", "m.gguf"]) {
      const { code, err } = await cria("pull", "hf:user/repo", `--as=${name}`);
      expect([name, code]).toEqual([name, 2]);
      expect(err).toMatch(/--as must be a name of letters, digits, dots, dashes and underscores/);
    }
    expect(hub.seen).toEqual([]);
  });
});

describe("cria list", () => {
  it("says what brings each model, what it is, and how large; of nothing but models", async () => {
    expect(await cria("list")).toMatchObject({
      code: 0,
      out: "",
      err: expect.stringMatching(/the cache has no models/),
    });
    await pull("hf:user/repo:Q4_K_M", "mine");
    await pull("hf:user/repo:Q8_0");
    hub.files.set("/files/demo.gguf", demo);
    await pull(`${hub.origin}/files/demo.gguf`);
    const day = new Date(Date.now() - 3 * 86_400_000);
    utimesSync(inSnapshot("demo-Q8_0.gguf"), day, day);
    const { code, out } = await cria("list");
    expect(code).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^NAME +SIZE +FORMAT +ARCHITECTURE +READ$/);
    expect(lines[1]).toMatch(/^mine = hf:user\/repo:Q4_K_M +1\.8 MiB +Q4_K +llama +\d+ s ago$/);
    expect(lines[2]).toMatch(/^hf:user\/repo:Q8_0 +1\.8 MiB +Q4_K +llama +.* ago$/);
    expect(lines[3]).toMatch(/^http:\/\/.*\/files\/demo\.gguf +1\.8 MiB/);
    expect(lines).toHaveLength(4);
    expect(JSON.parse((await cria("list", "--json")).out)).toMatchObject([
      { source: "hf:user/repo:Q4_K_M", aliases: ["mine"], bytes: demo.length, path: inSnapshot("demo-Q4_K_M.gguf") },
      { source: "hf:user/repo:Q8_0", aliases: [], bytes: other.length, architecture: "llama" },
      { aliases: [] },
    ]);
  });

  it("has files that are not models, revisions, and aliases whose models are gone", async () => {
    await pull("hf:user/repo@main/demo-Q8_0.gguf", "gone");
    writeFileSync(join(repoFolder(), "refs", "main"), "f".repeat(40)); // it stands elsewhere now
    writeFileSync(inSnapshot("broken.gguf"), "not a model");
    expect((await cachedModels()).map(({ source }) => source)).toEqual([
      `hf:user/repo@${COMMIT}/broken.gguf`,
      `hf:user/repo@${COMMIT}:Q8_0`,
    ]);
    const { out, err } = await cria("list");
    expect(out).toMatch(/broken\.gguf +0\.0 MiB +\? +\? /);
    expect(err).toMatch(/^gone = hf:user\/repo@main\/demo-Q8_0\.gguf is not in the cache; cria pull gone brings it$/m);
  });
});

it("cria show says what a model is, from the header alone", async () => {
  const { code, out } = await cria("show", "hf:user/repo:Q4_K_M");
  expect(code).toBe(0);
  for (const line of [
    /architecture +llama/,
    /parameters +2\.9 M/,
    /context +512/,
    /can +completion/,
    /licence +MIT/,
    /in memory +\d+\.\d MiB with 512/,
  ]) {
    expect(out).toMatch(line);
  }
  expect(existsSync(inSnapshot("demo-Q4_K_M.gguf"))).toBe(false); // it was not brought
  await pull("hf:user/repo:Q4_K_M", "mine");
  const shown = JSON.parse((await cria("show", "mine", "--json", "--offline")).out);
  expect(shown).toMatchObject({ source: "hf:user/repo:Q4_K_M", architecture: "llama", contextLength: 512 });
  expect(shown.files).toEqual([{ name: "demo-Q4_K_M.gguf", path: expect.any(String), bytes: demo.length }]);
  const [template, file, nothing] = await Promise.all([
    cria("show", "mine", "--template"),
    cria("show", fileURLToPath(demoModel)),
    cria("show", "nobody"),
  ]);
  expect(template.out).toMatch(/^\{\{- bos_token \}\}/);
  expect(file.out).toMatch(/format +Q4_K/);
  expect([nothing.code, nothing.err.split("\n").length]).toEqual([1, 2]);
});

describe("cria rm", () => {
  it("removes models by name, alias and path, says what is free, and leaves no empty folders", async () => {
    await pull("hf:user/repo:Q4_K_M", "mine");
    await pull("hf:user/repo:Q8_0");
    hub.files.set("/files/demo.gguf", demo);
    const path = await pull(`${hub.origin}/files/demo.gguf`);
    const many = await cria("rm", "mine", "hf:user/repo");
    expect([many.code, many.err]).toEqual([2, expect.stringMatching(/means 2 models: hf:user\/repo:Q4_K_M, hf:user/)]);
    expect(await cachedModels()).toHaveLength(3); // nothing was removed before all was clear
    expect(await cria("rm", "mine")).toEqual({
      ...{ code: 0, err: "" },
      out: "removed hf:user/repo:Q4_K_M: 1.8 MiB are free\n",
    });
    await expect(loadModel("mine")).rejects.toMatchObject({ code: "GGUF_NOT_FOUND" });
    expect(readdirSync(join(repoFolder(), "blobs"))).toHaveLength(1);
    expect((await cria("rm", "hf:user/repo")).out).toBe("removed hf:user/repo:Q8_0: 1.8 MiB are free\n");
    expect(existsSync(repoFolder())).toBe(false);
    expect((await cria("rm", path)).code).toBe(0);
    expect(existsSync(path)).toBe(false);
    expect(await cachedModels()).toEqual([]);
    const unknown = await cria("rm", "hf:user/repo:Q8_0");
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringMatching(/the cache has no model "hf:user/)]);
  });

  it("leaves what others share, what is not a model, and what is not in the cache", async () => {
    repository("user/repo", { "a-Q4_0.gguf": demo, "b-Q8_0.gguf": demo });
    await pull("hf:user/repo:Q4_0");
    await pull("hf:user/repo:Q8_0");
    const outside = join(home, "outside.gguf");
    writeFileSync(outside, demo);
    symlinkSync(outside, inSnapshot("linked-Q5_0.gguf"));
    writeFileSync(inSnapshot("config.json"), "{}");
    const shared = await cria("rm", "hf:user/repo:Q4_0");
    expect(shared.out).toBe(
      "removed hf:user/repo:Q4_0: 0.0 MiB are free; another file has the same contents, which stay\n",
    );
    expect(existsSync(inSnapshot("b-Q8_0.gguf"))).toBe(true);
    expect((await cria("rm", "hf:user/repo:Q5_0")).code).toBe(0);
    expect(existsSync(outside)).toBe(true);
    expect((await cria("rm", "hf:user/repo:Q8_0")).out).toMatch(/1\.8 MiB are free$/m);
    expect(existsSync(inSnapshot("config.json"))).toBe(true);
    const file = await cria("rm", outside);
    expect([file.code, existsSync(outside)]).toEqual([1, true]);
  });
});
