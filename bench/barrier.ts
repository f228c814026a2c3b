// What it costs to keep a team together: a barrier of workers that all run, the same when they have to take turns, and a step's
// beginning when the followers sleep.
//
//   npm run build && npx tsc -p bench/tsconfig.json && node build/bench/barrier.js [--json] [--workers 1,2,4]
//
// This thread is the leader; the followers are worker threads of this same file. The team's code is the package's own.

import { once } from "node:events";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Bench } from "tinybench";
import type { Membership } from "../dist/machine/member.js";

// Compiled, this file lies in build/bench.
const machine = new URL("../../dist/machine/", import.meta.url);
const { Member } = (await import(new URL("member.js", machine).href)) as typeof import("../dist/machine/member.js");
const { compileKernels } = (await import(
  new URL("kernels.js", machine).href
)) as typeof import("../dist/machine/kernels.js");
const { TEAM_SPIN } = await import("#abi");

const CONTROL = 1024;
/** The word in which the leader says how many barriers a step has; 0: the end. */
const BARRIERS = 64;
/** Barriers of one measured step. */
const MANY = 200;
/** How often a waiting worker looks before it sleeps. */
const spins = [20_000, 50, 0];

if (isMainThread) await measure();
else follow(new Member(workerData as Membership));

function follow(member: InstanceType<typeof Member>): void {
  const words = new Int32Array(member.memory.buffer);
  parentPort?.postMessage("ready");
  for (;;) {
    member.awaitStep();
    const barriers = words[BARRIERS >> 2]!;
    for (let i = 0; i < barriers; i++) member.barrier();
    member.barrier();
    if (barriers === 0) return;
  }
}

interface Row {
  readonly test: string;
  readonly workers: number;
  readonly spin: number;
  readonly medianMicroseconds: number;
  readonly p99Microseconds: number;
}

async function measure(): Promise<void> {
  const { values } = parseArgs({
    options: { workers: { type: "string", default: "1,2,4" }, json: { type: "boolean" } },
  });
  const sizes = values.workers.split(",").map(Number);
  const { module } = await compileKernels();
  const rows: Row[] = [];
  for (const workers of sizes) {
    for (const spin of workers === 1 ? spins.slice(0, 1) : spins)
      rows.push(...(await measureTeam(module, workers, spin)));
  }
  if (values.json === true) {
    console.log(JSON.stringify({ node: process.version, cpus: availableParallelism(), rows }, undefined, 2));
    return;
  }
  console.log(`Node ${process.version}, ${availableParallelism()} CPUs`);
  console.log("| test | workers | looks before sleep | median us | p99 us |\n|---|---|---|---|---|");
  for (const { test, workers, spin, medianMicroseconds, p99Microseconds } of rows) {
    console.log(
      `| ${test} | ${workers} | ${spin} | ${medianMicroseconds.toFixed(2)} | ${p99Microseconds.toFixed(2)} |`,
    );
  }
}

async function measureTeam(module: WebAssembly.Module, workers: number, spin: number): Promise<Row[]> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const words = new Int32Array(memory.buffer);
  words[(CONTROL + TEAM_SPIN) >> 2] = spin;
  const membership = (index: number): Membership => ({
    module,
    memory,
    control: CONTROL,
    index,
    workers,
    regulars: workers,
  });
  const followers = Array.from(
    { length: workers - 1 },
    (_, i) => new Worker(new URL(import.meta.url), { workerData: membership(i + 1) }),
  );
  const ended = Promise.all(followers.map((worker) => once(worker, "exit")));
  await Promise.all(followers.map((worker) => once(worker, "message")));
  const leader = new Member(membership(0));
  const step = (barriers: number) => {
    words[BARRIERS >> 2] = barriers;
    leader.announceStep(workers);
    for (let i = 0; i < barriers; i++) leader.barrier();
    leader.barrier();
  };

  const bench = new Bench({ time: 0, iterations: 300, warmupTime: 0, warmupIterations: 20 });
  bench.add("barrier", () => step(MANY));
  if (workers > 1) {
    // Longer than any spin: the followers are asleep when the step begins.
    const asleep = async () => new Promise<void>((resolve) => void setTimeout(resolve, 2));
    bench.add("wake-up and one barrier", () => step(1), { beforeEach: asleep });
  }
  await bench.warmup();
  await bench.run();
  step(0);
  await ended;

  return bench.tasks.map((task) => {
    const samples = [...task.result!.samples].sort((a, b) => a - b);
    const per = task.name === "barrier" ? MANY : 1;
    const quantile = (share: number) => (samples[Math.floor(share * (samples.length - 1))]! * 1000) / per;
    return {
      test: task.name,
      workers,
      spin,
      medianMicroseconds: quantile(0.5),
      p99Microseconds: quantile(0.99),
    };
  });
}
