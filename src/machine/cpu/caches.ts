// Caches: sizes, lines, and which processors share one.
//
//   /sys/devices/system/cpu/cpuN/cache/indexI/level                 "3"
//                                            /type                  "Data", "Instruction" or "Unified"
//                                            /size                  "32768K"
//                                            /coherency_line_size   "64"
//                                            /shared_cpu_list       "0-7"

import { intersection, parseCpuList } from "./cpu-list.js";
import type { HostFiles } from "./host-files.js";

/** A cache, and who shares it. */
export interface CpuCache {
  readonly level: number;
  readonly type: "data" | "instruction" | "unified";
  /** Undefined where the kernel does not tell. */
  readonly bytes: number | undefined;
  readonly lineBytes: number | undefined;
  /** The processors that share it. */
  readonly cpus: readonly number[];
}

const types = { Data: "data", Instruction: "instruction", Unified: "unified" } as const;
const MOST_INDICES = 10;

/** Every cache once, by level and then by its first processor; undefined where the kernel does not tell. */
export function readCaches(files: HostFiles, online: readonly number[]): readonly CpuCache[] | undefined {
  const caches: CpuCache[] = [];
  const seen = new Set<string>();
  for (const cpu of online) {
    for (let index = 0; index < MOST_INDICES; index++) {
      if (seen.has(`${index}:${cpu}`)) continue;
      const folder = `/sys/devices/system/cpu/cpu${cpu}/cache/index${index}`;
      const level = files.count(`${folder}/level`);
      if (level === undefined) break;
      const type = types[files.word(`${folder}/type`) as keyof typeof types];
      const shared = parseCpuList(files.word(`${folder}/shared_cpu_list`)) ?? [cpu];
      if (type === undefined || !shared.includes(cpu)) continue;
      const cpus = intersection(shared, online);
      for (const sharer of cpus) seen.add(`${index}:${sharer}`);
      caches.push({
        level,
        type,
        bytes: sizeOf(files.word(`${folder}/size`)),
        lineBytes: files.count(`${folder}/coherency_line_size`),
        cpus,
      });
    }
  }
  if (caches.length === 0) return undefined;
  return caches.sort((a, b) => a.level - b.level || a.cpus[0]! - b.cpus[0]!);
}

/** "48K", "32M", or bytes. */
function sizeOf(text: string | undefined): number | undefined {
  const match = /^(\d{1,9})([KMG]?)$/.exec(text ?? "");
  if (match === null || Number(match[1]) === 0) return undefined;
  return Number(match[1]) * { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match[2] as "" | "K" | "M" | "G"];
}
