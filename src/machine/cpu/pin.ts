// Pins the thread that calls it. Node has no call for it, but Linux has a program, `taskset`, that does it to any thread by its number,
// and a thread finds its own number in the name of /proc/thread-self. The kernel's answer is read back, not trusted.

import { cpuMask, formatCpuList } from "./cpu-list.js";
import { hostFiles } from "./host-files.js";
import { readAffinity } from "./topology.js";

export interface PinResult {
  /** What the thread may run on now; undefined: not known. */
  readonly cpus: readonly number[] | undefined;
  /** Why that differs from the request. */
  readonly problem: string | undefined;
}

// A fork and an exec; it is only ever reached when something is wrong.
const TIMEOUT = 10_000; // ms

/** Pins this thread to `cpus`, ascending. It never throws. */
export async function pinThread(cpus: readonly number[]): Promise<PinResult> {
  let problem: string | undefined;
  try {
    const { readlinkSync } = await import("node:fs");
    const { spawnSync } = await import("node:child_process");
    const thread = readlinkSync("/proc/thread-self").split("/").at(-1)!;
    const { error, status, stderr } = spawnSync("taskset", ["-p", cpuMask(cpus), thread], {
      encoding: "utf8",
      timeout: TIMEOUT,
    });
    if (error !== undefined) {
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      problem = missing ? "the program taskset (of util-linux, or busybox) is not installed" : error.message;
    } else if (status !== 0) {
      problem = stderr.trim() || `taskset ended with code ${status}`;
    }
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const got = readAffinity(await hostFiles(""), "/proc/thread-self/status");
  if (problem === undefined && (got === undefined || formatCpuList(got) !== formatCpuList(cpus))) {
    problem = `asked for ${formatCpuList(cpus)}, the kernel says ${got === undefined ? "nothing" : formatCpuList(got)}`;
  }
  return { cpus: got, problem };
}
