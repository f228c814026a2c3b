// Transparent huge pages: whether the kernel gives a process pages of 2 MiB in place of 4 KiB ones without being asked page by page.
// https://docs.kernel.org/admin-guide/mm/transhuge.html
//
//   /sys/kernel/mm/transparent_hugepage/enabled          "always [madvise] never"   memory of processes, the kernel memories of cria too
//                                      /defrag           "always defer defer+madvise [madvise] never"   whether it waits for free ones
//                                      /hpage_pmd_size   "2097152"

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

/** Of words in a line, the one in brackets. */
function chosen(files: HostFiles | undefined, path: string): string | undefined {
  return /\[([a-z+_]+)\]/.exec(files?.word(path) ?? "")?.[1];
}
