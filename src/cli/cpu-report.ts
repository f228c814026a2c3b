// What `cria cpu` reports, as `--json` prints it.

import type { WorkerPlan } from "../api/load/worker-plan.js";
import type { CpuFrequency } from "../machine/cpu/frequency.js";
import type { HugePages } from "../machine/cpu/huge-pages.js";
import type { CpuNoise } from "../machine/cpu/noise.js";
import type { CpuTopology } from "../machine/cpu/topology.js";
import type { KernelName } from "../machine/kernels.js";

/** All that `cria cpu` prints. */
export interface CpuReport {
  readonly topology: CpuTopology;
  readonly frequency: CpuFrequency;
  readonly hugePages: HugePages;
  readonly noise: CpuNoise;
  readonly plan: WorkerPlan;
  /** What each word of `--pin` would do. */
  readonly pins: readonly WorkerPlan[];
  readonly kernels: KernelReport;
}

/** Which build of the kernels runs in this Node, and why. */
export interface KernelReport {
  readonly build: KernelName;
  readonly reason: string;
  /** What is in the way of wide kernels that were asked for. */
  readonly problem: string | undefined;
  readonly node: string;
}
