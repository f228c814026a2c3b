// Neighbours of our own: a program that streams memory on one of the processors, and a quota. The model names what disturbs it, and what
// it says that it has lost is what it has lost.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { cpuTopology, type Disturbance } from "cria";
import { afterEach, describe, expect, it } from "vitest";
import { cpuNoise, noiseBetween } from "../../../dist/machine/cpu/noise.js";

const { allowed, source } = await cpuTopology();
const program = fileURLToPath(new URL("../../support/programs/computes.mjs", import.meta.url));

const works = (run: () => unknown): boolean => {
  try {
    run();
    return true;
  } catch {
    return false;
  }
};
const pins = source === "sysfs" && allowed.length >= 2 && works(() => execFileSync("taskset", ["--version"]));

// Version 1 and version 2 of control groups, where a test may make them.
const folder = `cria-test-${process.pid}`;
const groups = [
  {
    path: `/sys/fs/cgroup/cpu/${folder}`,
    limit: (path: string) => writeFileSync(`${path}/cpu.cfs_quota_us`, "50000"),
    free: (path: string) => writeFileSync(`${path}/cpu.cfs_quota_us`, "-1"),
  },
  {
    path: `/sys/fs/cgroup/${folder}`,
    limit: (path: string) => writeFileSync(`${path}/cpu.max`, "50000 100000"),
    free: (path: string) => writeFileSync(`${path}/cpu.max`, "max 100000"),
  },
];
const group = groups.find(({ path, free }) =>
  works(() => {
    mkdirSync(path);
    try {
      free(path);
    } finally {
      rmdirSync(path);
    }
  }),
);

let children: ChildProcess[] = [];
afterEach(async () => {
  const alive = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  const ends = alive.map((child) => new Promise((resolve) => child.once("exit", resolve)));
  for (const child of alive) child.kill("SIGKILL");
  await Promise.all(ends);
  children = [];
});

function start(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return child;
}

/** The program, and what it has said. */
function compute() {
  const child = start(process.execPath, [program]);
  const counts: { steps: number; time: number }[] = [];
  const disturbances: Disturbance[] = [];
  createInterface({ input: child.stdout! }).on("line", (line) => {
    const said = JSON.parse(line);
    if (said.disturbance !== undefined) disturbances.push(said.disturbance);
    else counts.push(said);
  });
  /** Steps a second, in the seconds from now. */
  const speed = async (seconds: number) => {
    const first = counts.length;
    await expect.poll(() => counts.length - first, { timeout: 30_000 }).toBeGreaterThan(10 * seconds);
    const [from, to] = [counts[first]!, counts.at(-1)!];
    return (1000 * (to.steps - from.steps)) / (to.time - from.time);
  };
  return { child, disturbances, speed };
}

/** The share of the processors' time that programs use now: what a neighbour of our own costs shows only where there are no others. */
async function busyShare(): Promise<number> {
  const before = await cpuNoise();
  await setTimeout(1000);
  const { ticks = 1, idleTicks = 1 } = noiseBetween(before, await cpuNoise());
  return 1 - idleTicks / ticks;
}
const MOST_BUSY = 0.15;

/** What is told within two seconds of a disturbance; and what it has cost, from the same seconds. Other programs disturb, too: three tries. */
async function disturbed(run: { disturb: (child: ChildProcess) => void; end: () => void }, kinds: readonly string[]) {
  const { child, disturbances, speed } = compute();
  await speed(3); // kernels become fast, and a best is known
  let failure: unknown;
  let clean = 0;
  for (let attempt = 0; attempt < 3; attempt++) {
    // Other programs disturb this, too: the best half second is what can be done without them.
    for (let i = 0; i < 4; i++) clean = Math.max(clean, await speed(0.5));
    disturbances.length = 0;
    run.disturb(child);
    const begin = performance.now();
    await expect.poll(() => disturbances.some(({ kind }) => kinds.includes(kind)), { timeout: 10_000 }).toBe(true);
    const seconds = (performance.now() - begin) / 1000;
    disturbances.length = 0;
    const slow = await speed(3);
    const told = disturbances.filter(({ kind }) => kinds.includes(kind));
    run.end();
    const truth = 1 - slow / clean;
    const lost = told.reduce((sum, one) => sum + one.lost, 0) / told.length;
    try {
      expect(seconds).toBeLessThan(2.5); // the hog itself takes a while to start
      expect(truth).toBeGreaterThan(0.1);
      expect(Math.abs(lost - truth)).toBeLessThan(0.2 * truth + 0.05);
      return told;
    } catch (error) {
      failure = error;
      await setTimeout(1000);
    }
  }
  throw failure;
}

describe("a model that computes", { timeout: 120_000 }, () => {
  it.skipIf(!pins)("tells of a program on one of its processors", async ({ skip }) => {
    skip((await busyShare()) > MOST_BUSY, "other programs use this machine");
    const hog = "const a = new Float64Array(16e6), b = new Float64Array(16e6); for (;;) b.set(a);";
    let neighbour: ChildProcess | undefined;
    const told = await disturbed(
      {
        disturb: () => {
          neighbour = start("taskset", ["-c", String(allowed.at(-1)), process.execPath, "-e", hog]);
        },
        end: () => neighbour!.kill("SIGKILL"),
      },
      ["processors"],
    );
    expect(told[0]!.signs.join("; ")).toMatch(/a worker waited \d+ % of the time for a processor/);
  });

  it.skipIf(group === undefined || allowed.length < 2)("tells of a quota", async ({ skip }) => {
    skip((await busyShare()) > MOST_BUSY, "other programs use this machine");
    const { path, limit, free } = group!;
    mkdirSync(path);
    try {
      let moved = false;
      const told = await disturbed(
        {
          disturb: (child) => {
            if (!moved) writeFileSync(`${path}/cgroup.procs`, String(child.pid));
            moved = true;
            limit(path);
          },
          end: () => free(path),
        },
        ["throttled"],
      );
      expect(told[0]!.signs[0]).toMatch(/^stopped by the quota in \d+ of \d+ periods$/);
    } finally {
      for (const child of children) child.kill("SIGKILL");
      await expect.poll(() => works(() => rmdirSync(path)), { timeout: 10_000 }).toBe(true);
    }
  });
});
