// Climbs the ladder and writes what it measured into bench/README.md and docs/matmul.md, between the markers:
//
//   npm run build && npm run build:bench && node build/bench/write-table.js [--threads N] [--best]
//
// Each rung is checked against the first, and measured in turns with the limits of the machine: the first six on one thread, the others on
// all. The last one needs Node 24.5 or later. Where others use the machine, too, --best takes the best of more rounds in place of medians:
// nothing is faster than the machine, and what disturbs only makes slower.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openKernels } from "cria/kernels";
import { LabTeam, limitOf, type Roofline, RooflineProbe } from "cria/lab";
import { Ladder, type LadderShape, RUNGS, type Rung, TEAM_RUNG, WIDE_RUNG, weightBytes } from "./ladder-module.js";

const ROUNDS = 7;
const BEST_OF = 25;
const REPETITION_MILLISECONDS = 20;

const ideas: Readonly<Record<Rung, string>> = {
  1: "three loops over floats",
  2: "integer dot products of 4-bit blocks, scalar",
  3: "the same with v128",
  4: "eight rows side by side: no horizontal sums",
  5: "four tokens at once: a weight is unpacked for all of them",
  6: "panels in L1, tokens in tiles: the engine's kernel",
  7: "all threads",
  8: "256 bits at once: the engine's wide kernel",
};
const names = ["naive", "blocks", "simd", "panels", "tile4x4", "slabs", "team", "wide"] as const;

/** Larger than the caches; and a matrix of a small model by a prefill chunk. */
const decode: LadderShape = { rows: 32768, columns: 4096, tokens: 1 };
const prefill: LadderShape = { rows: 2048, columns: 2048, tokens: 128 };

interface Climb {
  readonly seconds: readonly number[];
  readonly roofline: Roofline;
}

const { values } = parseArgs({ options: { threads: { type: "string" }, best: { type: "boolean" } } });
// First: V8's flag for it must not meet other kernels.
const wide = await openKernels({ build: "wide" }).then(
  (lab) => lab.wide,
  (error: Error) => void console.error(`rung ${WIDE_RUNG} is left out: ${error.message}`),
);
const rounds = values.best === true ? BEST_OF : ROUNDS;
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

write("bench/README.md", "ladder", table());
for (const rung of RUNGS) if (climbs[0].has(rung)) write("docs/matmul.md", `rung ${rung}`, row(rung));
write("docs/matmul.md", "bars", bars());
process.stdout.write(table());
process.exit(0);

/** Replaces what lies between two markers of a page. */
function write(page: string, name: string, content: string): void {
  const path = fileURLToPath(new URL(`../../${page}`, import.meta.url));
  const [begin, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const text = readFileSync(path, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no markers ${begin.trim()} and ${end}`);
  writeFileSync(path, text.slice(0, from + begin.length) + content + text.slice(to));
}

async function climb(shape: LadderShape): Promise<ReadonlyMap<Rung, Climb>> {
  const ladder = new Ladder(wasm, many.threads, shape, wide ?? undefined);
  ladder.setInput(lab.randomWeights("Q4_0", shape.rows, shape.columns), noise(shape.tokens * shape.columns));
  const climbs = new Map<Rung, Climb>();
  let exact: Float32Array | undefined;
  for (const rung of RUNGS) {
    if (rung === WIDE_RUNG && wide === undefined) continue;
    ladder.pack(rung);
    ladder.run(rung);
    exact ??= ladder.result;
    check(rung, ladder.result, exact);
    const begin = performance.now();
    do ladder.run(rung);
    while (performance.now() - begin < 300);
    const calls = Math.max(1, Math.round(REPETITION_MILLISECONDS / time(() => ladder.run(rung)) / 1000));
    const probe = new RooflineProbe(rung >= TEAM_RUNG ? many : one);
    await probe.round();
    const seconds: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await probe.round();
      seconds.push(
        time(() => {
          for (let call = 0; call < calls; call++) ladder.run(rung);
        }) / calls,
      );
    }
    // Work that takes no time at all passes every limit, so that the best of its rounds counts.
    const best = values.best === true ? await probe.limit({ bytes: 1, operations: {} }, 0, 1) : undefined;
    climbs.set(rung, { seconds, roofline: best?.roofline ?? probe.roofline(1) });
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

/** What a rung reached: decode in GB/s of packed weights, prefill in GOP/s, and the shares of the limits. */
function speedOf(rung: Rung) {
  const [d, p] = climbs.map((climb) => climb.get(rung)!) as [Climb, Climb];
  const bytes = weightBytes(decode);
  const operations = 2 * prefill.rows * prefill.columns * prefill.tokens;
  const memory = limitOf({ bytes, operations: {} }, d.roofline).seconds;
  const peak = limitOf({ bytes: 0, operations: { int8: operations } }, p.roofline).seconds;
  return {
    decode: bytes / typical(d.seconds) / 1e9,
    prefill: operations / typical(p.seconds) / 1e9,
    ofMemory: memory / typical(d.seconds),
    ofPeak: peak / typical(p.seconds),
  };
}

/** The rungs that were climbed. */
function climbed(): readonly Rung[] {
  return RUNGS.filter((rung) => climbs[0].has(rung));
}

function table(): string {
  const rows = climbed().map((rung) => {
    const speed = speedOf(rung);
    return [
      `${rung} ${names[rung - 1]}`,
      ideas[rung],
      speed.decode.toFixed(2),
      percent(speed.ofMemory),
      speed.prefill.toFixed(1),
      percent(speed.ofPeak),
    ];
  });
  return `
${about()}

| rung | idea | decode GB/s | of limit | prefill GOP/s | of limit |
|---|---|---:|---:|---:|---:|
${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}

`;
}

function about(): string {
  const [limit1, limitAll] = [climbs[1].get(6)!.roofline, climbs[1].get(7)!.roofline].map(
    ({ bandwidth, peaks }) => `${(bandwidth / 1e9).toFixed(1)} GB/s and ${(peaks.int8 / 1e9).toFixed(0)} GOP/s`,
  );
  const shape = ({ rows, columns, tokens }: LadderShape) => `${tokens} x ${columns} by ${rows} rows`;
  return `Q4_0; decode: ${shape(decode)}, GB/s of packed weights; prefill: ${shape(prefill)}.
${cpus()[0]!.model.trim()}, Node ${process.versions.node}.
Limits: ${limit1} on one thread (rungs 1 to 6), ${limitAll} on ${many.threads} (the others),
by 128-bit instructions. ${values.best === true ? `The best of ${rounds} rounds: others used the machine, too` : `Medians of ${rounds}`}.`;
}

/** One rung's row of docs/matmul.md, with what it gains over the rung before. */
function row(rung: Rung): string {
  const speed = speedOf(rung);
  const before = rung === 1 ? undefined : speedOf((rung - 1) as Rung);
  const gain = (now: number, then: number | undefined) => (then === undefined ? "" : `${(now / then).toFixed(2)} x`);
  return `
| measured | | over the rung before | of limit |
|---|---:|---:|---:|
| decode, 1 token | ${speed.decode.toFixed(2)} GB/s | ${gain(speed.decode, before?.decode)} | ${percent(speed.ofMemory)} |
| prefill, 128 tokens | ${speed.prefill.toFixed(1)} GOP/s | ${gain(speed.prefill, before?.prefill)} | ${percent(speed.ofPeak)} |

`;
}

/** All rungs as bars, each character so many GOP/s. */
function bars(): string {
  const most = Math.max(...climbed().map((rung) => speedOf(rung).prefill));
  const lines = climbed().map((rung) => {
    const { prefill } = speedOf(rung);
    const bar = "#".repeat(Math.max(1, Math.round((60 * prefill) / most)));
    return `${`${rung} ${names[rung - 1]}`.padEnd(10)}${bar} ${prefill.toFixed(1)}`;
  });
  return `\n${about()}\n\n\`\`\`\nprefill, GOP/s\n${lines.join("\n")}\n\`\`\`\n\n`;
}

function percent(share: number): string {
  return share < 0.01 ? `${(100 * share).toFixed(1)} %` : `${(100 * share).toFixed(0)} %`;
}

/** The time that counts. */
function typical(samples: readonly number[]): number {
  return values.best === true ? Math.min(...samples) : median(samples);
}

function median(samples: readonly number[]): number {
  return [...samples].sort((a, b) => a - b)[samples.length >> 1]!;
}
