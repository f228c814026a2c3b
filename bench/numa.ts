// Where the memory of pinned teams lies: for each pin, and for a pool with an instance on every NUMA node, the pages of the model's memory
// by node, as the kernel counts them in /proc/self/numa_maps.
//
//   npm run build && npx tsc -p bench/tsconfig.json
//   node --expose-gc build/bench/numa.js FILE.gguf
//
// docs/cpu.md has what it prints on a virtual machine with two nodes.

import { readFileSync } from "node:fs";
import { cpuTopology, loadModel, loadPool } from "cria";

interface Mapping {
  readonly address: string;
  readonly pages: number;
  /** "N0=15360 N1=8704" */
  readonly nodes: string;
}

/** Anonymous mappings, the largest first. */
function mappings(): Mapping[] {
  return readFileSync("/proc/self/numa_maps", "latin1")
    .split("\n")
    .map((line) => ({
      address: line.split(" ")[0]!,
      pages: Number(/anon=(\d+)/.exec(line)?.[1] ?? 0),
      nodes: (line.match(/N\d+=\d+/g) ?? []).join(" "),
    }))
    .sort((a, b) => b.pages - a.pages);
}

/** Those that were not there before, and hold most of so many bytes. */
function added(before: ReadonlySet<string>, bytes: number, count: number): Mapping[] {
  return mappings()
    .filter(({ address, pages }) => !before.has(address) && pages * 4096 > bytes / 2)
    .slice(0, count);
}

const path = process.argv[2]!;
const { nodes = [] } = await cpuTopology();
console.log(`nodes: ${nodes.map(({ id, cpus }) => `${id}: ${cpus.join(",")}`).join("; ")}`);

for (const pin of [...nodes.map(({ id }) => `node:${id}`), "physical"]) {
  const before = new Set(mappings().map(({ address }) => address));
  const model = await loadModel(path, { pin, contextSize: 64 });
  const { memory, pinning } = model.info;
  const [mapping] = added(before, memory.total, 1);
  console.log(`pin ${pin}: workers on ${JSON.stringify(pinning?.workers)}; ${mapping?.pages} pages: ${mapping?.nodes}`);
  await model.dispose();
}

const before = new Set(mappings().map(({ address }) => address));
const pool = await loadPool(path, { instances: "node", contextSize: 64 });
for (const { pages, nodes: where } of added(before, pool.info.memory.total, nodes.length)) {
  console.log(`pool, an instance on each node: ${pages} pages: ${where}`);
}
await pool.dispose();
