// `cria plan` as a user has it: on this machine, on copies of others, and for a model of the hub of which it reads the header alone.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plan } from "cria/lab";
import { describe, expect, it } from "vitest";
import { epyc, meminfo, withMachine } from "../support/cpu-machines.js";
import { hub, repository, useHub } from "../support/hub-fixture.js";

useHub();
const entry = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));
const demo = readFileSync(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const COLUMNS = 80;

async function cria(...args: readonly string[]) {
  const child = spawn(process.execPath, [entry, "plan", ...args], { stdio: ["ignore", "pipe", "pipe"] });
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

const widest = (out: string) => Math.max(...out.split("\n").map((line) => line.length));

describe("memory", () => {
  it("of the demo model, within 80 columns", async () => {
    const { code, out, err } = await cria("--no-speeds", "--memory", "1G", "-t", "2");
    expect([code, err]).toEqual([0, ""]);
    expect(widest(out)).toBeLessThanOrEqual(COLUMNS);
    expect(out).toMatch(/^memory {8}1\.00 GiB, as asked$/m);
    expect(out).toMatch(/^ {2}KV cache {8}1\.0 MiB {2}f16, 1 sequence of 512 positions$/m);
    expect(out).toMatch(/^ {2}512 x 16 +[\d.]+ MiB +[\d.]+ MiB +[\d.]+ MiB *$/m);
    expect(out).toMatch(/^ {2}f16 +512 \(all\) +\d+$/m);
  });

  it("that is too small is said so", async () => {
    const { out } = await cria("--no-speeds", "--memory", "60M", "-t", "2", "-np", "2");
    expect(out).toMatch(/^one instance: [\d.]+ MiB, MORE THAN THERE IS$/m);
    expect(out).toMatch(/^ {2}! {2}more than there is$/m);
    expect(out).toMatch(/^ {2}f16 +none +none$/m);
  });

  it("as JSON, sizes in bytes", async () => {
    const { out } = await cria("--no-speeds", "--memory", "1G", "--json", "-c", "128");
    const plan = JSON.parse(out) as Plan;
    expect(plan.budget).toEqual({ bytes: 2 ** 30, source: "memory" });
    expect(plan.need).toMatchObject({ contextSize: 128, sequences: 1, kvCache: "f16", fits: true });
  });
});

describe("speeds", () => {
  it("are predicted from a measurement, which is kept; and have a price", { timeout: 120_000 }, async () => {
    const first = await cria("--price", "0.79 EUR/h");
    expect([first.code, first.err]).toEqual([0, ""]);
    expect(widest(first.out)).toBeLessThanOrEqual(COLUMNS);
    expect(first.out).toMatch(/^ {2}1 x \d+ +[\d.]+ [MG]iB( +[\d.]+){5}$/m);
    expect(first.out).toMatch(/EUR a million tokens +\d+ a core-hour$/m);
    expect(first.out).toMatch(/EUR \/ \([\d.]+ tokens\/s x 3600 s\) x 1000000\s+= /);
    const begin = performance.now();
    const again = JSON.parse((await cria("--json")).out) as Plan;
    expect(performance.now() - begin).toBeLessThan(5000);
    expect(again.splits[0]!.decode![1]).toBeGreaterThan(1);
    expect(again.splits[0]!.prefill).toBeGreaterThan(1);
  });

  it("of another machine are not", async () => {
    await withMachine({ ...epyc, ...meminfo(2 ** 35) }, async (root) => {
      const { code, out } = await cria("--simulate", root, "--price", "1/h");
      expect(code).toBe(0);
      expect(out).toMatch(/^memory {8}32\.00 GiB can be taken \(MemAvailable\)$/m);
      expect(out).toMatch(/^ {2}8 x 4 +[\d.]+ MiB *$/m);
      expect(out).toMatch(/^price: there are no speeds to divide it by$/m);
    });
  });
});

describe("a model on the network", () => {
  /** As large as a model is: the header, and zeros in place of its weights. */
  const padded = (megabytes: number) => {
    const file = Buffer.alloc(megabytes * 2 ** 20);
    demo.copy(file);
    return file;
  };

  it("its header alone is read", async () => {
    repository("user/repo", { "demo-Q4_K_M.gguf": padded(64) });
    // Behind the header, nothing comes any more.
    hub.fault = ({ path }) => (path.startsWith("/blob/") ? { stallAfter: 2 ** 19 } : undefined);
    const { code, out } = await cria("-m", "hf:user/repo", "--no-speeds");
    expect(code).toBe(0);
    expect(out).toMatch(/^model +cria demo, llama, 2\.9M weights, 64\.0 MiB in the file,$/m);
    expect(hub.contentRequests.length).toBe(1);
  });

  it("of a URL, too", async () => {
    hub.files.set("/files/demo.gguf", demo);
    const { code, out } = await cria("-m", `${hub.origin}/files/demo.gguf`, "--no-speeds");
    expect([code, out.includes("1.8 MiB in the file")]).toEqual([0, true]);
  });

  it("is not read offline", async () => {
    repository("user/repo", { "demo-Q4_K_M.gguf": demo });
    const { code, err } = await cria("-m", "hf:user/repo", "--offline", "--no-speeds");
    expect(code).toBe(1);
    expect(err).toMatch(/is not in the cache/);
  });
});
