// Lists of processors as the kernel and taskset write them: "0-3,8,10-11", of taskset's "0-6:2" for every second one; and as masks.

// The kernel's own limit on x86-64 is 8192.
const MOST_CPUS = 65536;

/** The numbers in a list, ascending, each once; undefined when it is not such a list. An empty text is an empty list. */
export function parseCpuList(text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined;
  const found = new Set<number>();
  for (const part of text.trim().split(",")) {
    if (part === "") continue;
    const range = /^(\d{1,6})(?:-(\d{1,6})(?::([1-9]\d{0,5}))?)?$/.exec(part.trim());
    if (range === null) return undefined;
    const first = Number(range[1]);
    const last = range[2] === undefined ? first : Number(range[2]);
    if (last < first || last >= MOST_CPUS) return undefined;
    for (let cpu = first; cpu <= last; cpu += Number(range[3] ?? 1)) found.add(cpu);
  }
  return [...found].sort((a, b) => a - b);
}

/** The shortest list of ascending numbers: "0-3,8". */
export function formatCpuList(cpus: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < cpus.length; ) {
    let last = i;
    while (cpus[last + 1] === cpus[last]! + 1) last++;
    parts.push(last === i ? `${cpus[i]}` : `${cpus[i]}-${cpus[last]}`);
    i = last + 1;
  }
  return parts.join(",");
}

/** Numbers in the order given, those at equal distances as one range: "0-47", "0-62:2", "0-3,64-67,1". */
export function formatCpuRuns(cpus: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < cpus.length; ) {
    const step = cpus[i + 1]! - cpus[i]!;
    let last = i;
    while (cpus[last + 1]! - cpus[last]! === step) last++;
    if (step < 1 || last - i < (step === 1 ? 1 : 2)) last = i;
    parts.push(last === i ? `${cpus[i]}` : `${cpus[i]}-${cpus[last]}${step === 1 ? "" : `:${step}`}`);
    i = last + 1;
  }
  return parts.join(",");
}

/** The mask in hexadecimal, bit n for processor n: every taskset takes it. */
export function cpuMask(cpus: readonly number[]): string {
  return `0x${cpus.reduce((mask, cpu) => mask | (1n << BigInt(cpu)), 0n).toString(16)}`;
}

/** What is in both; where one is unknown, the other. */
export function intersection(a: readonly number[], b: readonly number[] | undefined): readonly number[] {
  return b === undefined ? a : a.filter((cpu) => b.includes(cpu));
}
