// A Node that can run wide kernels (docs/kernels.md): this one, or the other of the two that the suite runs on.

import { readFileSync } from "node:fs";

/** Its binary; undefined: there is none, or the processor has no instructions of 256 bits. */
export const wideNode: string | undefined = hasAvx2()
  ? Number(process.versions.node.split(".")[0]) >= 26
    ? process.execPath
    : process.env["CRIA_OTHER_NODE"]
  : undefined;

function hasAvx2(): boolean {
  try {
    return process.arch === "x64" && /^flags\s*:.*\bavx2\b/m.test(readFileSync("/proc/cpuinfo", "latin1"));
  } catch {
    return false;
  }
}
