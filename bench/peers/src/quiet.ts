// Rounds that count: those in which nothing else was running. Two engines do not suffer alike from a third program: the threads of one
// wait for each other more often than those of the other.

import { existsSync, readdirSync, readFileSync } from "node:fs";

// What others may take of a round, in seconds, and as a part of its time on one processor.
const ALLOWED_SECONDS = 0.1;
const ALLOWED_PART = 0.1;

// Rounds that may be thrown away, for each one that is wanted.
const PATIENCE = 3;

/** Ticks of a second in /proc. */
const TICKS = 100;

/**
 * Runs rounds until `count` of them were undisturbed. Where there is no /proc, it is not known, and all count.
 *
 * @throws when the machine does not become quiet
 */
export async function quietRounds<T>(count: number, round: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let runs = 0; results.length < count; runs++) {
    if (runs > count * (1 + PATIENCE)) {
      throw new Error(
        `other programs disturbed ${runs - results.length} of ${runs} rounds; nothing else should run meanwhile`,
      );
    }
    const begin = performance.now();
    const others = othersSeconds();
    const result = await round();
    const elapsed = (performance.now() - begin) / 1000;
    if (othersSeconds() - others <= Math.max(ALLOWED_SECONDS, ALLOWED_PART * elapsed)) results.push(result);
  }
  return results;
}

/** Processor time that was spent outside of this process and those that it has started, and theirs; 0 where nobody can tell. */
function othersSeconds(): number {
  if (!existsSync("/proc/stat")) return 0;
  // cpu user nice system idle iowait irq softirq steal
  const [user, nice, system, , , irq, softirq, steal] = numbers(readFileSync("/proc/stat", "utf8").split("\n")[0]!);
  return (user! + nice! + system! + irq! + softirq! + steal!) / TICKS - ownSeconds();
}

function ownSeconds(): number {
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
  return sum(process.pid) / TICKS;
}

function numbers(line: string): number[] {
  return (line.match(/(?<=\s)-?\d+/g) ?? []).map(Number);
}
