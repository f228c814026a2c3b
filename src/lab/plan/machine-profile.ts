// What a machine can do, as far as it takes to predict how fast a model runs on it:
//
//   for some numbers of threads   bytes a second from memory, peaks of multiplication, what a layer costs whatever its size
//                                 (barriers, calls), what an element between the matrices costs
//   for each weight format        multiplications a second in the caches, by the rows of a step: the batch curve

/** What some threads do together. */
export interface ThreadProfile {
  readonly threads: number;
  /** Bytes per second from memory. */
  readonly bandwidth: number;
  /** Multiplications and additions per second. */
  readonly int8: number;
  readonly f32: number;
  /** What a layer of a step costs whatever its size: barriers, calls, encoding one row. */
  readonly layerSeconds: number;
  /** What each of several texts that are generated side by side costs in a step: sampling, and handing on what was sampled. */
  readonly textSeconds: number;
  /** What an element costs that is normed, encoded, rotated, gated or added between the matrices. */
  readonly elementSeconds: number;
}

/** How fast one thread multiplies weights of a format that lie in its caches. */
export interface FormatProfile {
  /** Multiplications and additions per second, in steps of `ROWS[i]` rows. */
  readonly rates: readonly number[];
}

/** What a machine can do, as `plan` measures and keeps it. */
export interface MachineProfile {
  /** By their number, ascending; the first is 1. */
  readonly threads: readonly ThreadProfile[];
  /** By ggml's name of the format. */
  readonly formats: Readonly<Record<string, FormatProfile>>;
  /** What fits into this many bytes is not read from memory. */
  readonly cacheBytes: number;
}

/** The rows of a step for which formats are measured. */
export const ROWS = [1, 2, 4, 8, 16, 32, 128] as const;

/** What so many threads do, taken from the numbers of threads that were measured: between two of them, in proportion. */
export function threadsOf({ threads: measured }: MachineProfile, threads: number): ThreadProfile {
  const above = measured.find((one) => one.threads >= threads) ?? measured.at(-1)!;
  const below = measured.findLast((one) => one.threads <= threads) ?? measured[0]!;
  if (above.threads === below.threads) return { ...above, threads };
  const share = (threads - below.threads) / (above.threads - below.threads);
  const between = (name: Exclude<keyof ThreadProfile, "threads">) => below[name] + share * (above[name] - below[name]);
  return {
    threads,
    bandwidth: between("bandwidth"),
    int8: between("int8"),
    f32: between("f32"),
    layerSeconds: between("layerSeconds"),
    textSeconds: between("textSeconds"),
    elementSeconds: between("elementSeconds"),
  };
}

/** Multiplications per second of one thread, in a step of so many rows. */
export function rateOf({ rates }: FormatProfile, rows: number): number {
  const above = ROWS.findIndex((one) => one >= rows);
  if (above < 0) return rates.at(-1)!;
  if (above === 0 || ROWS[above] === rows) return rates[above]!;
  const [from, to] = [ROWS[above - 1]!, ROWS[above]!];
  const share = Math.log(rows / from) / Math.log(to / from);
  return rates[above - 1]! + share * (rates[above]! - rates[above - 1]!);
}
