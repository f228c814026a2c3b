// What a report of kernels measures: each at working sets from within L1 to memory, in every build that runs here; and in the shapes that
// it is measured in otherwise, with its distance from float64.

import { CriaError, UnsupportedError } from "../../errors.js";
import { type CpuTopology, cpuTopology } from "../../machine/cpu/topology.js";
import { candidateBuilds, type KernelChoice } from "../../machine/kernels.js";
import { type KernelCase, type KernelName, kernelRows } from "../kernels/table.js";
import { LabTeam } from "../lab-team.js";
import { type KernelMeasurement, kernelCases, measureKernels } from "../measure-kernels.js";

/** A cache's end: bytes that all workers have in it together. */
export interface CacheEnd {
  readonly name: string;
  readonly bytes: number;
}

/** A measurement, and which kernels it is of. */
export interface BuildMeasurement extends KernelMeasurement {
  readonly build: string;
  /** Of a series by working set; if not, in one of the kernel's own shapes. */
  readonly sweep: boolean;
}

export interface KernelSuite {
  readonly measurements: readonly BuildMeasurement[];
  readonly threads: number;
  readonly builds: readonly string[];
  readonly caches: readonly CacheEnd[];
}

export interface KernelSuiteOptions {
  /** Default: some that show the most. */
  readonly kernels?: readonly string[] | undefined;
  readonly formats?: readonly string[] | undefined;
  readonly threads?: number | undefined;
  /** Default: all that run here, except the wide one. */
  readonly builds?: readonly KernelChoice[] | undefined;
  readonly onMeasured?: (measurement: BuildMeasurement) => void;
}

const KERNELS = ["matmul", "attention", "rmsNorm", "swiGlu"];
const FORMATS = ["Q4_0", "Q4_K", "Q6_K", "Q8_0", "F16", "f16", "f32"];
const POINTS = 8;
const MOST_BYTES = 2 ** 28;
const ROUNDS = 5;
/** Groups of rows that a matmul is made of. */
const UNIT = 8;

/** @throws CriaError INVALID_OPTION for names that no kernel has, UnsupportedError for a build that does not run */
export async function measureKernelSuite(options: KernelSuiteOptions): Promise<KernelSuite> {
  const measurements: BuildMeasurement[] = [];
  const builds: string[] = [];
  let [threads, caches]: [number, readonly CacheEnd[]] = [0, []];
  const names = options.kernels ?? KERNELS;
  const formats = options.formats ?? (options.kernels === undefined ? FORMATS : undefined);
  for (const build of options.builds ?? candidateBuilds()) {
    const team = await openIfItRuns(build, options);
    if (team === undefined) continue;
    try {
      builds.push(team.lab.build);
      threads = team.threads;
      caches = cacheEnds(await cpuTopology(), threads);
      const own = await kernelCases(team, { kernels: names, formats });
      const kept = async (cases: readonly KernelCase[], sweep: boolean) => {
        for await (const one of measureKernels(team, cases, ROUNDS)) {
          const measurement = { ...one, build: team.lab.build, sweep };
          measurements.push(measurement);
          options.onMeasured?.(measurement);
        }
      };
      await kept(own, false);
      const first = own.filter(
        (one, i) => own.findIndex(({ kernel, format }) => kernel === one.kernel && format === one.format) === i,
      );
      for (const one of first) await kept(workingSets(team, one, caches), true);
    } finally {
      await team.close();
    }
  }
  return { measurements, threads, builds, caches };
}

/** Builds that were not asked for by name may be missing. */
async function openIfItRuns(build: KernelChoice, { builds, threads }: KernelSuiteOptions) {
  try {
    return await LabTeam.open({ threads, build });
  } catch (error) {
    if (builds === undefined && error instanceof UnsupportedError) return undefined;
    throw error;
  }
}

/** Where caches end for so many workers on cores of their own: each has an L1 and an L2; the L3 is that of the groups they fill. */
export function cacheEnds({ caches, l3Groups, cores }: CpuTopology, threads: number): readonly CacheEnd[] {
  const of = (level: number) => caches?.find((cache) => cache.level === level && cache.type !== "instruction")?.bytes;
  const groups = l3Groups?.length ?? 0;
  const coresOfGroup = Math.max(1, (cores?.length ?? 1) / Math.max(1, groups));
  const [l1, l2, l3] = [of(1), of(2), of(3)];
  return [
    ...(l1 === undefined ? [] : [{ name: "L1", bytes: l1 * threads }]),
    ...(l2 === undefined ? [] : [{ name: "L2", bytes: l2 * threads }]),
    ...(l3 === undefined ? [] : [{ name: "L3", bytes: l3 * Math.min(groups, Math.ceil(threads / coresOfGroup)) }]),
  ];
}

/** Shapes of one kernel that touch from half an L1 to several times the last cache, by its first dimension. */
function workingSets(team: LabTeam, { kernel, format, shape }: KernelCase, caches: readonly CacheEnd[]): KernelCase[] {
  const row = kernelRows[kernel as KernelName];
  const [, ...rest] = shape as [number, ...number[]];
  const small = [4 * UNIT, ...rest];
  const bytesEach = row.prepare(team.lab, format, small).bytes / (4 * UNIT);
  const least = (caches[0]?.bytes ?? 2 ** 16) / 2;
  const most = Math.min(MOST_BYTES, 4 * (caches.at(-1)?.bytes ?? 2 ** 26));
  const counts = Array.from({ length: POINTS }, (_, i) => {
    const bytes = least * (most / least) ** (i / (POINTS - 1));
    return Math.max(UNIT, Math.round(bytes / bytesEach / UNIT) * UNIT);
  });
  return [...new Set(counts)]
    .map((count) => ({ kernel, format, shape: [count, ...rest] }))
    .filter((one) => possible(team, one));
}

/** Kernels have most numbers of rows. */
function possible(team: LabTeam, one: KernelCase): boolean {
  try {
    team.check(one);
    return true;
  } catch (error) {
    if (error instanceof CriaError) return false;
    throw error;
  }
}
