// The roofline (Williams, Waterman and Patterson 2009): what this machine can read and multiply at most, measured with as many workers as
// a model has, through WebAssembly. A kernel that reads `bytes` from memory and multiplies `operations` takes at least
// max(bytes / bandwidth, operations / peak), and whichever is larger binds it.

import type { PeakName } from "./kernels/declaration.js";
import type { LabTeam } from "./lab-team.js";
import { residence } from "./residence.js";
import { median } from "./statistics.js";

/** The limits: medians of all rounds, or the best of them where those were disturbed. */
export interface Roofline {
  /** Bytes per second that all workers together read from memory, v128 by v128. */
  readonly bandwidth: number;
  /** Multiplications and additions per second, two for each product, of all workers together. */
  readonly peaks: Readonly<Record<PeakName, number>>;
}

/** What a piece of work must do at least. */
export interface Work {
  /** Bytes from memory; 0 for what lies in the caches. */
  readonly bytes: number;
  readonly operations: Readonly<Partial<Record<PeakName, number>>>;
}

/** The least time that the work can take, and what binds it. */
export interface Limit {
  readonly seconds: number;
  readonly boundBy: "memory" | PeakName;
}

const peakNames = ["int8", "int16", "f32"] as const satisfies readonly PeakName[];
const PEAK_ROUNDS = 1000;
/** Rounds that are added where the limits were disturbed. */
const MORE_ROUNDS = 10;

/** Measures the limits in rounds, between rounds of the work that is compared with them, so that both see the same machine. */
export class RooflineProbe {
  readonly #team: LabTeam;
  /** Of each round, per second. */
  readonly #rates = { bandwidth: [] as number[], int8: [] as number[], int16: [] as number[], f32: [] as number[] };

  constructor(team: LabTeam) {
    this.#team = team;
  }

  /** Rounds so far. */
  get rounds(): number {
    return this.#rates.bandwidth.length;
  }

  /** One round: some 20 ms; the first one warms up and takes a second. */
  async round(): Promise<void> {
    const { streamedBytes } = await residence();
    const read = await this.#team.time({ kernel: "read", format: "v128", shape: [streamedBytes] }, 1);
    this.#rates.bandwidth.push(read.bytes / read.seconds[0]!);
    for (const name of peakNames) {
      const peak = await this.#team.time({ kernel: "peak", format: name, shape: [PEAK_ROUNDS] }, 1);
      this.#rates[name].push(peak.operations / peak.seconds[0]!);
    }
  }

  /** The medians of all rounds but the first `skip`. */
  roofline(skip = 0): Roofline {
    return this.#of(median, skip);
  }

  /**
   * The limit of work that took `seconds`, by all rounds but the first `skip`. Nothing is faster than the machine: work that is faster
   * than the medians allow shows that others disturbed the rounds. Then more of them follow, and the best of each rate counts.
   */
  async limit(work: Work, seconds: number, skip = 0): Promise<MeasuredLimit> {
    const usual = this.roofline(skip);
    const limit = limitOf(work, usual);
    if (limit.seconds <= seconds) return { limit, roofline: usual, bestOf: undefined };
    for (let round = 0; round < MORE_ROUNDS; round++) await this.round();
    const best = this.#of((rates) => Math.max(...rates), skip);
    return { limit: limitOf(work, best), roofline: best, bestOf: this.rounds - skip };
  }

  #of(rate: (rates: readonly number[]) => number, skip: number): Roofline {
    const [bandwidth, int8, int16, f32] = (["bandwidth", ...peakNames] as const).map((name) => {
      return rate(this.#rates[name].slice(skip));
    }) as [number, number, number, number];
    return { bandwidth, peaks: { int8, int16, f32 } };
  }
}

/** A limit, and what it was taken from. */
export interface MeasuredLimit {
  readonly limit: Limit;
  readonly roofline: Roofline;
  /** Where the rounds were disturbed: of how many the best counts. */
  readonly bestOf: number | undefined;
}

/** Measures the limits by themselves. */
export async function measureRoofline(team: LabTeam, rounds = 7): Promise<Roofline> {
  const probe = new RooflineProbe(team);
  for (let round = 0; round < rounds; round++) await probe.round();
  return probe.roofline();
}

/** The limit of some work. Different kinds of multiplication take turns; reading goes on beside them. */
export function limitOf({ bytes, operations }: Work, { bandwidth, peaks }: Roofline): Limit {
  const memory = bytes / bandwidth;
  const times = peakNames.map((name) => ({ name, seconds: (operations[name] ?? 0) / peaks[name] }));
  const arithmetic = times.reduce((sum, { seconds }) => sum + seconds, 0);
  if (memory >= arithmetic) return { seconds: memory, boundBy: "memory" };
  const most = times.reduce((a, b) => (b.seconds > a.seconds ? b : a));
  return { seconds: arithmetic, boundBy: most.name };
}
