// Climbs the ladder and writes its table into bench/README.md, between the markers:
//
//   npm run build && npm run build:bench && node build/bench/write-table.js [--threads N]
//
// Each rung is checked against the first, and measured in turns with the limits of the machine: the first six on one thread, the last one
// on all.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openKernels } from "cria/kernels";
import { LabTeam, limitOf, type Roofline, RooflineProbe } from "cria/lab";
import { Ladder, type LadderShape, RUNGS, type Rung, TEAM_RUNG, weightBytes } from "./ladder-module.js";

const ROUNDS = 7;
const REPETITION_MILLISECONDS = 20;

const ideas: Readonly<Record<Rung, string>> = {
  1: "three loops over floats",
  2: "integer dot products of 4-bit blocks, scalar",
  3: "the same with v128",
  4: "eight rows side by side: no horizontal sums",
  5: "four tokens at once: a weight is unpacked for all of them",
  6: "panels in L1, tokens in tiles: the engine's kernel",
  7: "all threads",
};
const names = ["naive", "blocks", "simd", "panels", "tile4x4", "slabs", "team"] as const;

/** Larger than the caches; and a matrix of a small model by a prefill chunk. */
const decode: LadderShape = { rows: 32768, columns: 4096, tokens: 1 };
const prefill: LadderShape = { rows: 2048, columns: 2048, tokens: 128 };

interface Climb {
  readonly seconds: readonly number[];
  readonly roofline: Roofline;
}

const { values } = parseArgs({ options: { threads: { type: "string" } } });
const lab = await openKernels({ build: "relaxed" });
const many = await LabTeam.open({
  threads: values.threads === undefined ? undefined : Number(values.threads),
  build: "relaxed",
});
const one = await LabTeam.open({ threads: 1, build: "relaxed" });
const wasm = new URL("../ladder.wasm", import.meta.url);
const climbs = [await climb(decode), await climb(prefill)] as const;
await many.close();
await one.close();

const readme = fileURLToPath(new URL("../../bench/README.md", import.meta.url));
const text = readFileSync(readme, "utf8");
const written = text.replace(
  /(<!-- ladder -->\n)[\s\S]*?(<!-- \/ladder -->)/,
  (_, begin, end) => `${begin}${table()}${end}`,
);
if (written === text) throw new Error(`${readme} has no markers <!-- ladder --> and <!-- /ladder -->`);
writeFileSync(readme, written);
process.stdout.write(table());
process.exit(0);

async function climb(shape: LadderShape): Promise<ReadonlyMap<Rung, Climb>> {
  const ladder = new Ladder(wasm, many.threads, shape);
  ladder.setInput(lab.randomWeights("Q4_0", shape.rows, shape.columns), noise(shape.tokens * shape.columns));
  const climbs = new Map<Rung, Climb>();
  let exact: Float32Array | undefined;
  for (const rung of RUNGS) {
    ladder.pack(rung);
    ladder.run(rung);
    exact ??= ladder.result;
    check(rung, ladder.result, exact);
    const begin = performance.now();
    do ladder.run(rung);
    while (performance.now() - begin < 300);
    const calls = Math.max(1, Math.round(REPETITION_MILLISECONDS / time(() => ladder.run(rung)) / 1000));
    const probe = new RooflineProbe(rung === TEAM_RUNG ? many : one);
    await probe.round();
    const seconds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await probe.round();
      seconds.push(
        time(() => {
          for (let call = 0; call < calls; call++) ladder.run(rung);
        }) / calls,
      );
    }
    climbs.set(rung, { seconds, roofline: probe.roofline(1) });
  }
  await ladder.close();
  return climbs;
}

function time(run: () => void): number {
  const begin = performance.now();
  run();
  return (performance.now() - begin) / 1000;
}

function check(rung: Rung, ours: Float32Array, exact: Float32Array): void {
  let [difference, size] = [0, 0];
  for (let i = 0; i < exact.length; i++) {
    difference += (ours[i]! - exact[i]!) ** 2;
    size += exact[i]! ** 2;
  }
  const error = Math.sqrt(difference / size);
  // Activations of 8 bits are half a hundredth off.
  if (!(error < 0.01)) throw new Error(`rung ${rung} is ${error} off the first one`);
}

function noise(count: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function table(): string {
  const rows = RUNGS.map((rung) => {
    const [d, p] = climbs.map((climb) => climb.get(rung)!) as [Climb, Climb];
    const bytes = weightBytes(decode);
    const operations = 2 * prefill.rows * prefill.columns * prefill.tokens;
    const memory = limitOf({ bytes, operations: {} }, d.roofline).seconds;
    const peak = limitOf({ bytes: 0, operations: { int8: operations } }, p.roofline).seconds;
    return [
      `${rung} ${names[rung - 1]}`,
      ideas[rung],
      (bytes / median(d.seconds) / 1e9).toFixed(2),
      percent(memory / median(d.seconds)),
      (operations / median(p.seconds) / 1e9).toFixed(1),
      percent(peak / median(p.seconds)),
    ];
  });
  const [limit1, limitAll] = [climbs[1].get(6)!.roofline, climbs[1].get(7)!.roofline].map(
    ({ bandwidth, peaks }) => `${(bandwidth / 1e9).toFixed(1)} GB/s and ${(peaks.int8 / 1e9).toFixed(0)} GOP/s`,
  );
  const shape = ({ rows, columns, tokens }: LadderShape) => `${tokens} x ${columns} by ${rows} rows`;
  return `
Q4_0; decode: ${shape(decode)}, GB/s of packed weights; prefill: ${shape(prefill)}.
${cpus()[0]!.model.trim()}, Node ${process.versions.node}.
Limits: ${limit1} on one thread (rungs 1 to 6), ${limitAll} on ${many.threads} (rung 7).
Medians of ${ROUNDS}.

| rung | idea | decode GB/s | of limit | prefill GOP/s | of limit |
|---|---|---:|---:|---:|---:|
${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}

`;
}

function percent(share: number): string {
  return share < 0.01 ? `${(100 * share).toFixed(1)} %` : `${(100 * share).toFixed(0)} %`;
}

function median(samples: readonly number[]): number {
  return [...samples].sort((a, b) => a - b)[samples.length >> 1]!;
}
