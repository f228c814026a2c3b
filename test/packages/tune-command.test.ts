// `cria tune` as a user has it, and what loads with what it has kept.

import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { demoModel, loadModel, loadPool } from "cria";
import { openGguf } from "cria/gguf";
import { type Tuning, tune } from "cria/lab";
import { describe, expect, it } from "vitest";
import { rememberTuning } from "../../dist/api/load/tunings.js";
import { epyc, meminfo, withMachine } from "../support/cpu-machines.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const entry = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));
const folder = temporaryFolder();
const cache = folder.path("cache");
const COLUMNS = 80;
process.env["CRIA_CACHE"] = cache; // of this file's process
process.env["CRIA_TEST_BURSTS"] = "20"; // how fast the machine is, nobody asks here

function cria(...args: readonly string[]) {
  const env = { ...process.env, CRIA_CACHE: cache, CRIA_THREADS: "", CRIA_KERNELS: "" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], { encoding: "utf8", env });
  return { code: status, out: stdout, err: stderr };
}

const widest = (out: string) => Math.max(...out.split("\n").map((line) => line.length));

describe("without a tuning", () => {
  it("loadModel says that there is none, and how to make one", async () => {
    await expect(loadModel(demoModel, { tune: true })).rejects.toMatchObject({
      code: "NOT_TUNED",
      message:
        "tune is set, but there is no tuning of cria-demo-Q4_K_S.gguf for this machine, its limits, this Node and this cria: " +
        "cria tune -m MODEL makes one",
    });
  });

  it("so does the command line", () => {
    const { code, err } = cria("run", "--tuned", "-n", "2", "Once");
    expect([code, err.startsWith("cria: tune is set, but there is no tuning of ")]).toEqual([1, true]);
  });
});

describe("another machine", () => {
  it("is reasoned about: what would be tried, and why", async () => {
    await withMachine({ ...epyc, ...meminfo(2 ** 35) }, async (root) => {
      const { code, out } = cria("tune", "--simulate", root);
      expect(code).toBe(0);
      expect(widest(out)).toBeLessThanOrEqual(COLUMNS);
      expect(out).toMatch(/^AMD EPYC 7302 16-Core Processor, 64 processors; Node/m);
      expect(out).toMatch(/^ {2}pins {11}none, physical, l3:0, node:0$/m);
      expect(out.replace(/\s+/g, " ")).toContain("64 uses both hardware threads of each core (SMT)");
      expect(out).toMatch(/^ {2}instances {6}1 x 32, 2 x 16, 8 x 4, 16 x 2$/m);
    });
  });
});

describe("a tuning", () => {
  it("is measured, explained, kept and used", { timeout: 300_000 }, async () => {
    const { code, out, err } = cria("tune", "--json");
    expect([code, err]).toEqual([0, ""]);
    const tuning = JSON.parse(out) as Tuning;
    expect(tuning.notKept).toBeUndefined();
    const axes = new Set(tuning.rows.map(({ axis }) => axis));
    for (const axis of ["prefill chunk", "KV cache"] as const) expect(axes).toContain(axis);
    expect(tuning.rows.every(({ decode, prefill }) => (decode?.rate ?? prefill?.rate ?? 0) > 0)).toBe(true);
    expect(tuning.batch.map(({ texts }) => texts)).toEqual([1, 2, 4, 8, 16, 32]);
    expect(tuning.recommendations.every(({ reason }) => reason.length > 3)).toBe(true);
    for (const name of Object.keys(tuning.settings)) {
      expect(["threads", "threadsBatch", "kernels", "prefillChunk", "pin"]).toContain(name);
    }

    const tuned = await loadModel(demoModel, { tune: true });
    const plain = await loadModel(demoModel);
    try {
      expect(tuned.info.tuned).toEqual(tuning.settings);
      expect(plain.info.tuned).toBeUndefined();
      const options = { temperature: 0, maxTokens: 12 };
      const [a, b] = [await tuned.complete("Once upon", options), await plain.complete("Once upon", options)];
      expect(a.text).toBe(b.text);
    } finally {
      await tuned.dispose();
      await plain.dispose();
    }
    const own = await loadModel(demoModel, { tune: true, threads: 1, threadsBatch: 1, prefillChunk: 64 });
    expect([own.info.threads, own.info.threadsBatch]).toEqual([1, 1]);
    await own.dispose();

    expect(cria("run", "--tuned", "-n", "2", "Once").code).toBe(0);
    expect(cria("embed", "--tuned", "a text").code).toBe(0);
    const rows = cria("bench", "--tuned", "-p", "32", "-n", "4", "-r", "1", "-o", "jsonl");
    expect([rows.code, rows.out.trim().split("\n").length]).toEqual([0, 2]);
  });
});

describe("a pool", () => {
  it.skipIf(availableParallelism() < 2)(
    "has as many instances as the tuning says, unless the program says how many",
    async () => {
      const gguf = await openGguf(demoModel);
      const kept = { settings: { prefillChunk: 64, threads: 2 }, instances: 2, threadsOfInstance: 1, time: 0 };
      expect(await rememberTuning(gguf, undefined, kept)).toBeUndefined();
      await gguf.close();
      for (const [instances, count] of [
        [undefined, 2],
        ["auto", 2],
        [1, 1],
      ] as const) {
        const pool = await loadPool(demoModel, {
          tune: true,
          threads: 1,
          ...(instances !== undefined && { instances }),
        });
        expect([pool.stats().instances.length, pool.info.tuned]).toEqual([count, { prefillChunk: 64 }]);
        await pool.dispose();
      }
    },
  );
});

describe("options", () => {
  it.each([
    [{ keep: "yes" }, /^keep must be true or false; it is "yes"/],
    [{ quantize: "Q4_0" }, /^quantize must be/],
    [{ thread: 1 }, /^tune has no option "thread"; it has quantize, keep, root, onProgress, signal$/],
  ])("%j is refused", async (options, message) => {
    await expect(tune(demoModel, options as object)).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringMatching(message),
    });
  });

  it("a signal ends it", async () => {
    const reason = new Error("enough");
    await expect(tune(demoModel, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const onProgress = () => setTimeout(() => controller.abort(reason), 300);
    await expect(tune(demoModel, { keep: false, signal: controller.signal, onProgress })).rejects.toBe(reason);
  });
});
