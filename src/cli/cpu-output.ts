// What `cria cpu` prints for people: a name and what is known, line by line. Processors go by the kernel's numbers.

import type { WorkerPlan } from "../api/load/worker-plan.js";
import { printable } from "../gguf/index.js";
import type { CpuCache } from "../machine/cpu/caches.js";
import { formatCpuList, formatCpuRuns } from "../machine/cpu/cpu-list.js";
import type { CpuFrequency } from "../machine/cpu/frequency.js";
import type { HugePages } from "../machine/cpu/huge-pages.js";
import type { CpuNoise } from "../machine/cpu/noise.js";
import type { CpuGroup, CpuTopology } from "../machine/cpu/topology.js";
import type { CpuReport } from "./cpu-report.js";

const NAME = 13; // characters of a name's column

export function cpuLines({ topology, frequency, hugePages, noise, plan, pins, pools, kernels }: CpuReport): string[] {
  const { cores, sockets, nodes, l3Groups } = topology;
  return [
    ...section("model", [modelLine(topology)]),
    ...section("processors", processorLines(topology)),
    ...section("cores", [coresLine(topology)]),
    ...section("SMT siblings", siblingLines(cores?.map(({ cpus }) => cpus))),
    ...section("sockets", groupLines(sockets)),
    ...section(
      "NUMA nodes",
      groupLines(nodes, (node) => memory(nodes?.find(({ id }) => id === node.id)?.memoryBytes)),
    ),
    ...section("L3 groups", groupLines(l3Groups)),
    ...section("caches", cacheLines(topology.caches)),
    ...section("frequency", [frequencyLine(topology, frequency)]),
    ...section("huge pages", [hugePagesLine(hugePages)]),
    ...section("disturbance", noiseLines(noise)),
    ...section("threads", [plan.reason, `decode ${plan.decodeWorkers}, prefill ${plan.threadsBatch}`]),
    ...section("--pin", pinLines(topology, pins)),
    ...section("instances", pools.map(poolLine)),
    ...section("kernels", [
      `${kernels.build}: ${kernels.reason}; Node ${kernels.node}`,
      ...(kernels.problem === undefined ? [] : [kernels.problem]),
    ]),
  ];
}

const UNKNOWN = "unknown";

/** The name once, before the first line. */
function section(name: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => `${(i === 0 ? name : "").padEnd(NAME)}${line}`);
}

function modelLine({ model, virtual, source }: CpuTopology): string {
  const name = model === undefined ? UNKNOWN : printable(model);
  const kind = virtual === true ? ", in a virtual machine" : "";
  return `${name}${kind}${source === "sysfs" ? "" : "; this system reports no more"}`;
}

function processorLines({ cpus, allowed, affinity, cpuset, quota }: CpuTopology): string[] {
  const list = (some: readonly number[] | undefined) => (some === undefined ? UNKNOWN : formatCpuList(some));
  const limit =
    quota === undefined
      ? "none"
      : `${Number(quota.cpus.toFixed(2))} processors' time, of ${printable(quota.folder)} (cgroup v${quota.version})`;
  return [
    `${cpus.length} online: ${list(cpus)}`,
    `${allowed.length} allowed: ${list(allowed)} (affinity ${list(affinity)}; control group ${list(cpuset)})`,
    `quota: ${limit}`,
  ];
}

function coresLine({ cores }: CpuTopology): string {
  if (cores === undefined) return UNKNOWN;
  const fast = cores.filter(({ kind }) => kind === "performance").length;
  const slow = cores.filter(({ kind }) => kind === "efficiency").length;
  return slow === 0 ? `${cores.length}` : `${cores.length}: ${fast} performance, ${slow} efficiency`;
}

/** Where more cores than that have siblings, they are told by a rule. */
const CORES_LISTED = 8;

/** The processors of each core; none where every core has only one. */
function siblingLines(cores: readonly (readonly number[])[] | undefined): string[] {
  if (cores === undefined) return [UNKNOWN];
  if (cores.every((cpus) => cpus.length === 1)) return ["none"];
  if (cores.length <= CORES_LISTED) return [cores.map(formatCpuList).join("  ")];
  const shared = cores.filter((cpus) => cpus.length > 1);
  const nth = Array.from({ length: Math.max(...shared.map((cpus) => cpus.length)) }, (_, n) =>
    formatCpuRuns(shared.flatMap((cpus) => cpus.slice(n, n + 1))),
  );
  return [`of ${shared.length} cores: ${nth.join(" with ")}, one by one`];
}

function groupLines(groups: readonly CpuGroup[] | undefined, more = (_: CpuGroup) => ""): string[] {
  if (groups === undefined) return [UNKNOWN];
  if (groups.length === 0) return ["none"];
  // A node may have memory alone.
  const list = (cpus: readonly number[]) => (cpus.length === 0 ? "no processors" : formatCpuRuns(cpus));
  return groups.map((group) => `${group.id}: ${list(group.cpus)}${more(group)}`);
}

function memory(bytes: number | undefined): string {
  return bytes === undefined ? "" : `, ${size(bytes)}`;
}

/** Caches that are alike in one line: "L2 unified 512 KiB x 32, each of 2 processors, lines of 64 bytes". */
function cacheLines(caches: readonly CpuCache[] | undefined): string[] {
  if (caches === undefined) return [UNKNOWN];
  const counts = new Map<string, number>();
  const describe = ({ level, type, bytes }: CpuCache) => `L${level} ${type} ${bytes === undefined ? "?" : size(bytes)}`;
  const sharers = ({ cpus, lineBytes }: CpuCache) =>
    `${cpus.length === 1 ? "1 processor" : `${cpus.length} processors`}` +
    `${lineBytes === undefined ? "" : `, lines of ${lineBytes} bytes`}`;
  for (const cache of caches) {
    const kind = `${describe(cache)}\n${sharers(cache)}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => {
    const [description, sharing] = kind.split("\n");
    return `${description} x ${count}, each of ${sharing}`;
  });
}

function frequencyLine({ governors }: CpuTopology, { now, most }: CpuFrequency): string {
  const parts = [
    `governor ${governors === undefined ? UNKNOWN : printable(governors.join(", "))}`,
    `now ${now === undefined ? UNKNOWN : `${[...new Set(now.map(Math.round))].join(" to ")} MHz`}`,
    ...(most === undefined ? [] : [`at most ${Math.round(most)} MHz`]),
  ];
  return parts.join("; ");
}

function hugePagesLine({ enabled, defrag, pageBytes }: HugePages): string {
  if (enabled === undefined) return UNKNOWN;
  const pages = pageBytes === undefined ? "" : ` of ${size(pageBytes)}`;
  // The kernels' memory cannot ask for them: only "always" gives them (docs/machine.md).
  const meaning = enabled === "always" ? "weights lie in them" : "weights do not lie in them";
  return `transparent${pages}: ${enabled}, so ${meaning}${defrag === undefined ? "" : `; defrag ${defrag}`}`;
}

/** Since the machine or the control group began. */
function noiseLines(noise: CpuNoise): string[] {
  const { periods, throttledPeriods, throttledMicroseconds, ticks, stolenTicks, pressureMicroseconds } = noise;
  const stolen =
    ticks === undefined || stolenTicks === undefined || ticks === 0
      ? UNKNOWN
      : `${((100 * stolenTicks) / ticks).toFixed(2)} % of all time`;
  const throttled =
    throttledPeriods === undefined
      ? UNKNOWN
      : `${throttledPeriods} of ${periods ?? "?"} periods` +
        `${throttledMicroseconds === undefined ? "" : `, ${(throttledMicroseconds / 1e6).toFixed(2)} s`}`;
  const pressure = pressureMicroseconds === undefined ? UNKNOWN : `${(pressureMicroseconds / 1e6).toFixed(1)} s`;
  return [
    `stolen by the hypervisor: ${stolen}`,
    `stopped by the quota: ${throttled}`,
    `tasks waited for a processor: ${pressure}`,
  ];
}

function pinLines({ source }: CpuTopology, pins: readonly WorkerPlan[]): string[] {
  if (source !== "sysfs") return ["only Linux reports and pins processors"];
  if (pins.length === 0) return ["a list of processors, such as 0,2-5"];
  const names = pins.map(({ pin }) => String(pin?.request));
  const width = Math.max(...names.map((name) => name.length));
  return pins.map(({ pin, workers, cpus }, i) => {
    const each = pin?.pins ?? [];
    const where = workers <= cpus ? formatCpuRuns(each.flat()) : `each on any of ${formatCpuList(each[0] ?? [])}`;
    return `${names[i]!.padEnd(width)}  ${workers} ${workers === 1 ? "worker" : "workers"}: ${where}`;
  });
}

/** So many instances are told one by one; of more the first two and the last. */
const INSTANCES_LISTED = 4;

/** Of a pool: "l3    8 instances of 6 workers: 0-5 | 6-11 | ... | 42-47". */
function poolLine({ instances, plans }: CpuReport["pools"][number]): string {
  const workers = [...new Set(plans.map((plan) => plan.workers))].join(" or ");
  const where = plans.map(({ pin, workers, cpus }) =>
    workers <= cpus ? formatCpuRuns(pin?.pins?.flat() ?? []) : `any of ${formatCpuRuns(pin?.pins?.[0] ?? [])}`,
  );
  const listed = where.length <= INSTANCES_LISTED ? where : [where[0]!, where[1]!, "...", where[where.length - 1]!];
  const named = where.some((one) => one !== "") ? `: ${listed.join(" | ")}` : ", not pinned";
  const count = `${plans.length} ${plans.length === 1 ? "instance" : "instances"}`;
  return `${instances.padEnd(5)} ${count} of ${workers} ${workers === "1" ? "worker" : "workers"}${named}`;
}

function size(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}
