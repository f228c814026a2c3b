// Transparent huge pages: whether the kernel gives a process pages of 2 MiB in place of 4 KiB ones without being asked page by page.
// https://docs.kernel.org/admin-guide/mm/transhuge.html
//
//   /sys/kernel/mm/transparent_hugepage/enabled          "always [madvise] never"   memory of processes, the kernel memories of cria too
//                                      /defrag           "always defer defer+madvise [madvise] never"   whether it waits for free ones
//                                      /hpage_pmd_size   "2097152"
//
// What it has given is in /proc/self/smaps, an entry for each mapping:
//
//   7f2d34000000-7f2d68900000 rw-p 00000000 00:00 0
//   Size:             861184 kB
//   AnonHugePages:    749568 kB

import type { HostFiles } from "./host-files.js";
import { machineFiles } from "./topology.js";

/** The machine's setting; undefined where it is not told. */
export interface HugePages {
  /** For whom: all memory ("always"), what asks for it ("madvise"; WebAssembly cannot), none ("never"). */
  readonly enabled: string | undefined;
  /** What a page fault does where none is free. */
  readonly defrag: string | undefined;
  /** Of one huge page. */
  readonly pageBytes: number | undefined;
}

/** Reads the setting. It never throws. `options.root`: as for `cpuTopology`. */
export async function hugePages(options: { readonly root?: string | undefined } = {}): Promise<HugePages> {
  const files = await machineFiles(options.root);
  const folder = "/sys/kernel/mm/transparent_hugepage";
  return {
    enabled: chosen(files, `${folder}/enabled`),
    defrag: chosen(files, `${folder}/defrag`),
    pageBytes: files?.count(`${folder}/hpage_pmd_size`),
  };
}

/**
 * Bytes of WebAssembly memories of these sizes that lie in huge pages now; undefined where that is not told. A memory is known by its
 * size: of several that are equal, the one with the fewest counts. It never throws.
 *
 * The kernel walks all page tables for it, some 10 ms a GB of small pages; where the setting rules huge pages out, it is not asked.
 */
export async function hugeBytesOf(memories: readonly number[]): Promise<number | undefined> {
  const { enabled } = await hugePages();
  if (enabled === undefined) return undefined;
  if (enabled !== "always") return 0;
  const { readFile } = await import("node:fs/promises");
  const smaps = await readFile("/proc/self/smaps", "utf8").catch(() => "");
  const bytes = memories.map((memoryBytes) => hugeBytesIn(smaps, memoryBytes));
  return bytes.reduce((sum, one) => (sum === undefined || one === undefined ? undefined : sum + one), 0);
}

/** The same of one memory and a given `smaps`. */
export function hugeBytesIn(smaps: string, memoryBytes: number): number | undefined {
  let least: number | undefined;
  for (const mapping of smaps.split(/^(?=[\da-f]+-[\da-f]+ )/m)) {
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(mapping)?.[1]);
    if (kilobytes("Size") * 1024 !== memoryBytes || !/^\S+ rw/.test(mapping)) continue;
    const huge = kilobytes("AnonHugePages") * 1024;
    if (Number.isFinite(huge)) least = Math.min(huge, least ?? huge);
  }
  return least;
}

/** Of words in a line, the one in brackets. */
function chosen(files: HostFiles | undefined, path: string): string | undefined {
  return /\[([a-z+_]+)\]/.exec(files?.word(path) ?? "")?.[1];
}
