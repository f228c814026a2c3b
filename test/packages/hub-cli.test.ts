// How the command line reaches models on the network: cria pull, and -m, -hf and --offline of the other commands.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { digestAt, home, hub, repoFolder, repository, useHub } from "../support/hub-fixture.js";
import { COMMIT, sha256 } from "../support/hub-server.js";

useHub();
const entry = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));
const demo = readFileSync(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const cached = () => join(repoFolder(), "snapshots", COMMIT, "demo-Q4_K_M.gguf");

beforeEach(() => repository("user/repo", { "demo-Q4_K_M.gguf": demo }));

/** Runs a command; the hub answers meanwhile. `onStart` is given its process. */
async function cria(args: readonly string[], onStart?: (child: ReturnType<typeof spawn>) => void) {
  const child = spawn(process.execPath, [entry, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => {
    out += data;
  });
  child.stderr.on("data", (data) => {
    err += data;
  });
  onStart?.(child);
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, out, err };
}

describe("cria pull", () => {
  it("prints the path of the download, and downloads only once", async () => {
    expect(await cria(["pull", "hf:user/repo"])).toEqual({ code: 0, out: `${cached()}\n`, err: "" });
    expect(digestAt(cached())).toBe(sha256(demo));
    hub.seen.length = 0;
    expect(await cria(["pull", "hf:user/repo:Q4_K_M", "--offline"])).toEqual({
      code: 0,
      out: `${cached()}\n`,
      err: "",
    });
    expect(hub.seen).toEqual([]);
  });

  it("of a URL", async () => {
    hub.files.set("/files/demo.gguf", demo);
    const { code, out } = await cria(["pull", `${hub.origin}/files/demo.gguf`]);
    expect([code, digestAt(out.trim())]).toEqual([0, sha256(demo)]);
    expect(out).toContain(join(home, "urls"));
  });

  it.each<[readonly string[], number, RegExp]>([
    [["pull"], 2, /pull takes one model/],
    [["pull", "model.gguf"], 2, /the model must be hf:.* or an https: URL; it is "model\.gguf"/],
    [["pull", "hf:user/other"], 1, /the hub has no repository user\/other/],
    [["pull", "hf:user/repo:Q9_9"], 1, /no file of "Q9_9"; it has demo-Q4_K_M\.gguf/],
    [["pull", "--offline", "hf:user/repo"], 1, /is not in the cache/],
    [["run", "-m", "a.gguf", "-hf", "user/repo", "hi"], 2, /-m and -hf both name a model/],
  ])("%j: one line, and the exit code", async (args, code, message) => {
    const result = await cria(args);
    expect([result.code, result.out]).toEqual([code, ""]);
    expect(result.err).toMatch(message);
    expect(result.err.trimEnd().split("\n")).toHaveLength(1);
  });

  it.skipIf(process.platform === "win32")("Ctrl-C ends it with code 130, and the next one goes on", async () => {
    // Of eight requests for content one hangs; when the last is made, at least three parts have come.
    let interrupt: (() => void) | undefined;
    hub.fault = ({ server, headers }) => {
      if (server === "cdn" && hub.contentRequests.length === 8) interrupt?.();
      return server === "cdn" && headers.range?.includes("=1048576-") ? { stallAfter: 1000 } : undefined;
    };
    const { code, err } = await cria(["pull", "hf:user/repo"], (child) => {
      interrupt = () => setTimeout(() => child.kill("SIGINT"), 100);
    });
    expect([code, err]).toEqual([130, ""]);
    hub.fault = () => undefined;
    hub.seen.length = 0;
    expect((await cria(["pull", "hf:user/repo"])).code).toBe(0);
    expect(digestAt(cached())).toBe(sha256(demo));
    expect(hub.contentRequests.length).toBeLessThan(6);
  });
});

describe("commands on models from the network", () => {
  it("run takes -hf and -m hf:, as if the file were named", async () => {
    const options = ["Once", "--temp", "0", "-n", "8", "-t", "1"];
    const { out } = await cria(["run", ...options]);
    expect(out.length).toBeGreaterThan(10);
    expect(await cria(["run", "-hf", "user/repo", ...options])).toMatchObject({ code: 0, out });
    expect(await cria(["run", "-m", "hf:user/repo:q4_k_m", "--offline", ...options])).toMatchObject({ code: 0, out });
  });

  it("inspect, perplexity and quantize do, too", async () => {
    const inspected = await cria(["inspect", "hf:user/repo", "-c", "0"]);
    expect(inspected.out).toContain("memory plan: context 512");
    const text = fileURLToPath(new URL("../../README.md", import.meta.url));
    const { code, out } = await cria([
      "perplexity",
      "-hf",
      "user/repo",
      "-f",
      text,
      "-c",
      "32",
      "--chunks",
      "1",
      "-t",
      "1",
    ]);
    expect([code, out]).toEqual([0, expect.stringContaining("Final estimate: PPL = ")]);
    // A quantised model is refused, so the file was found and read.
    const quantized = await cria(["quantize", "hf:user/repo", join(home, "out.gguf"), "Q8_0"]);
    expect(quantized.err).toMatch(/a quantised tensor is not quantised again/);
  });
});
