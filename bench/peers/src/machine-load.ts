// What the machine does beside the bench, as Linux tells it: /proc/stat, /proc/loadavg, and the pressure of /proc/pressure/cpu
// (https://docs.kernel.org/accounting/psi.html).

import { existsSync, readdirSync, readFileSync } from "node:fs";

/** The counters at one moment. Seconds are those of processors. */
export interface Reading {
  /** Of a clock that only goes forward. */
  readonly atSeconds: number;
  /** Outside of this process and those that it has started, and theirs; the steal is part of it. */
  readonly othersSeconds: number;
  /** When a processor was wanted, and the hypervisor gave it to another machine. */
  readonly stealSeconds: number;
  /** Threads that ran or wanted to, on average over the last minute, the bench's among them. */
  readonly load: number;
  /** Percent of the last ten seconds in which some thread waited for a processor, the bench's among them. */
  readonly pressure: number;
}

/** Ticks of a second in /proc. */
const TICKS = 100;

/** The counters now; undefined where there is no /proc. */
export function readMachine(): Reading | undefined {
  if (!existsSync("/proc/stat")) return undefined;
  // cpu user nice system idle iowait irq softirq steal
  const [user, nice, system, , , irq, softirq, steal] = numbers(readFileSync("/proc/stat", "utf8").split("\n")[0]!);
  const busy = user! + nice! + system! + irq! + softirq! + steal!;
  const pressure = existsSync("/proc/pressure/cpu") ? readFileSync("/proc/pressure/cpu", "utf8") : "";
  return {
    atSeconds: performance.now() / 1000,
    othersSeconds: (busy - ownTicks()) / TICKS,
    stealSeconds: steal! / TICKS,
    load: Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0]),
    pressure: Number(/^some avg10=([\d.]+)/.exec(pressure)?.[1] ?? 0),
  };
}

function ownTicks(): number {
  const children = new Map<number, number[]>();
  const ticks = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    let stat: string;
    try {
      stat = readFileSync(`/proc/${name}/stat`, "utf8");
    } catch {
      continue; // it has ended since the folder was read
    }
    // pid (command) state ppid ... utime stime cutime cstime: fields 14 to 17, counted from 1
    const fields = numbers(stat.slice(stat.lastIndexOf(")")));
    const parent = fields[0]!;
    ticks.set(Number(name), fields[10]! + fields[11]! + fields[12]! + fields[13]!);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const sum = (pid: number): number =>
    (ticks.get(pid) ?? 0) + (children.get(pid) ?? []).reduce((total, child) => total + sum(child), 0);
  return sum(process.pid);
}

function numbers(line: string): number[] {
  return (line.match(/(?<=\s)-?\d+/g) ?? []).map(Number);
}
