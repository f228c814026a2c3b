// `cria kernels` as a function: every kernel, format and shape that is asked for, in rounds between rounds of the machine's limits.

import { checkChoice, invalidOption } from "../options.js";
import type { PeakName } from "./kernels/declaration.js";
import { type KernelCase, kernelNames, kernelRows } from "./kernels/table.js";
import type { LabTeam } from "./lab-team.js";
import { limitFlags } from "./noise-flags.js";
import { residence } from "./residence.js";
import { type Limit, RooflineProbe } from "./roofline.js";
import { median } from "./statistics.js";

/** Which kernels to measure. */
export interface KernelChoice {
  /** Default: all. */
  readonly kernels?: readonly string[];
  /** Default: all that the kernel comes in. */
  readonly formats?: readonly string[];
  /** Default: those in the kernel's row. */
  readonly shapes?: readonly (readonly number[])[];
}

/** What was measured of one kernel, in one format, of one shape. Rates are those of all workers together. */
export interface KernelMeasurement extends KernelCase {
  /** What the numbers of the shape count. */
  readonly dimensions: readonly string[];
  /** Of one run: the median. */
  readonly seconds: number;
  readonly bytesPerSecond: number;
  /** 0 for kernels that are not about arithmetic. */
  readonly operationsPerSecond: number;
  /** Whether what it touches is larger than the caches. */
  readonly fromMemory: boolean;
  /** The share of the machine's limit that it reaches, and what binds it; undefined: work in the caches without a peak of its own. */
  readonly share: number | undefined;
  readonly boundBy: Limit["boundBy"] | undefined;
  /** Relative to the exact result, |a - b| / |b|, 0 where nothing is lost; undefined where the kernel's row has none. */
  readonly error: number | undefined;
  /** Signs that others disturbed the limit. Empty: there are none. */
  readonly noise: readonly string[];
}

const REPETITIONS = 3;

/** The cases that are asked for, checked. @throws CriaError INVALID_OPTION for names that no kernel has, INVALID_SHAPE */
export async function kernelCases(team: LabTeam, choice: KernelChoice): Promise<readonly KernelCase[]> {
  const names = choice.kernels ?? kernelNames;
  const sizes = await residence();
  const cases: KernelCase[] = [];
  for (const name of names) {
    const kernel = checkChoice("kernel", name, kernelNames);
    const row = kernelRows[kernel];
    const formats = row.formats(team.lab).filter((format) => choice.formats?.includes(format) ?? true);
    for (const format of formats) {
      for (const shape of choice.shapes ?? row.shapes(team.lab, format, sizes)) cases.push({ kernel, format, shape });
    }
  }
  for (const one of cases) team.check(one);
  if (cases.length > 0) return cases;
  throw invalidOption("format", `one that ${names.join(", ")} comes in`, choice.formats?.join(", "));
}

/**
 * Measures them one by one.
 *
 * @param rounds in each, the limits are measured and then the kernel
 * @throws as `LabTeam.time` does
 */
export async function* measureKernels(
  team: LabTeam,
  cases: readonly KernelCase[],
  rounds = 5,
): AsyncGenerator<KernelMeasurement, void, undefined> {
  const { cacheBytes } = await residence();
  const probe = new RooflineProbe(team);
  for (const what of cases) {
    const roundsBefore = probe.rounds;
    const seconds: number[] = [];
    const { bytes, operations, error } = await team.time(what, 1);
    for (let round = 0; round < rounds; round++) {
      await probe.round();
      seconds.push(...(await team.time(what, REPETITIONS)).seconds);
    }
    const row = kernelRows[what.kernel];
    const peak: PeakName | undefined = row.peak(team.lab, what.format);
    const fromMemory = bytes > cacheBytes;
    const work = { bytes: fromMemory ? bytes : 0, operations: peak === undefined ? {} : { [peak]: operations } };
    const middle = median(seconds);
    const { limit, bestOf } = await probe.limit(work, middle, roundsBefore);
    const share = limit.seconds > 0 ? limit.seconds / middle : undefined;
    yield {
      ...what,
      dimensions: row.dimensions,
      seconds: middle,
      bytesPerSecond: bytes / middle,
      operationsPerSecond: operations / middle,
      fromMemory,
      share,
      boundBy: limit.seconds > 0 ? limit.boundBy : undefined,
      error,
      noise: limitFlags({ rounds: bestOf, share: share ?? 0 }),
    };
  }
}
