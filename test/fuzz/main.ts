// The fuzzer: `npm run fuzz -- --minutes 5 --target gguf --seed 7`. Replays the corpus, then runs each target in processes of its own,
// watches them, and keeps what it finds. Ends with 1 if it found anything.
//
//   --minutes N     for all targets together; default 1
//   --target NAME   only this one; may be given again
//   --seed N        of the inputs; default: a new one, which is printed
//   --builds A,B    builds of the kernels, in turn; default: all that run here
//   --report        adds the counts to docs/reliability.json and writes the page

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runnableBuilds } from "../support/kernel-module.js";
import type { ChildMessage } from "./child.js";
import { addRun } from "./report.js";
import type { Target } from "./target.js";
import { targetNamed, targets } from "./targets.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const corpus = join(root, "test", "fuzz", "corpus");
const childModule = fileURLToPath(new URL("child.js", import.meta.url));

// An execution that says nothing for so long hangs. Far more than its CPU time may be: the machine may have other work.
const PATIENCE = 60_000;
const LOOKS_EVERY = 500;
const MOST_FAULTS = 20;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    target: { type: "string", multiple: true },
    seed: { type: "string" },
    builds: { type: "string", default: runnableBuilds.join(",") },
    report: { type: "boolean", default: false },
  },
});
const minutes = Number(values.minutes);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed);
const chosen = values.target?.map(targetNamed) ?? targets;
const builds = values.builds.split(",");
if (!(minutes > 0) || !Number.isInteger(seed)) throw new Error("--minutes must be a number above 0, --seed an integer");

const folder = mkdtempSync(join(tmpdir(), "cria-fuzz-"));
console.log(`seed ${seed}`);
let faults = 0;
try {
  for (const target of chosen) await replayCorpus(target);
  const until = Date.now() + minutes * 60_000;
  for (const [i, target] of chosen.entries()) {
    const share = (until - Date.now()) / (chosen.length - i);
    const turns = target.perBuild ? builds : [builds.at(-1)!];
    const end = Date.now() + share;
    for (const [turn, build] of turns.entries()) {
      await runTarget(target, build, Date.now() + (end - Date.now()) / (turns.length - turn));
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(faults === 0 ? "no faults" : `${faults} faults`);
process.exitCode = faults === 0 ? 0 : 1;

/** Runs a target's kept inputs on every build. */
async function replayCorpus(target: Target): Promise<void> {
  const kept = join(corpus, target.name);
  if (!existsSync(kept)) return;
  const files = readdirSync(kept).map((name) => join(kept, name));
  for (const build of target.perBuild ? builds : [builds.at(-1)!]) {
    const result = await watched(build, ["replay", target.name, ...files]);
    console.log(`${target.name}: ${files.length} inputs of the corpus again${target.perBuild ? ` (${build})` : ""}`);
    for (const { number, fault } of result.faults) fail(target, build, `${relative(root, files[number]!)}: ${fault}`);
  }
}

/** Runs a target until a time, process after process. */
async function runTarget(target: Target, build: string, until: number): Promise<void> {
  const begin = Date.now();
  let executions = 0;
  let found = 0;
  const outcomes: Record<string, number> = {};
  // Each build has inputs of its own.
  let next = builds.indexOf(build) * 1e9;
  while (Date.now() < until && found < MOST_FAULTS) {
    const progress = join(folder, "progress");
    const where = [String(seed), String(next), String(target.perProcess), String(until), progress];
    const result = await watched(build, ["run", target.name, ...where], progress);
    if (Number.isNaN(result.last)) throw new Error(`${target.name} did not begin: ${result.faults[0]?.fault}`);
    for (const { number, fault } of result.faults) {
      found++;
      await keep(target, build, number, fault);
    }
    const ran = result.executions ?? result.last - next + 1;
    for (const [outcome, count] of Object.entries(result.outcomes))
      outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
    executions += ran;
    next = Math.max(result.last + 1, next + ran);
    if (values.report) {
      addRun(root, {
        target: target.name,
        build: target.perBuild ? build : undefined,
        executions: ran,
        ok: result.outcomes["ok"] ?? 0,
        faults: result.faults.length,
      });
    }
  }
  const seconds = (Date.now() - begin) / 1000;
  const rate = (executions / seconds).toPrecision(3);
  console.log(
    `${target.name}${target.perBuild ? ` (${build})` : ""}: ${executions} executions in ${seconds.toFixed(0)} s, ${rate} a second; ${shown(outcomes)}`,
  );
}

interface Watched {
  readonly faults: readonly { readonly number: number; readonly fault: string }[];
  /** undefined: the process did not get to its end. */
  readonly executions: number | undefined;
  readonly outcomes: Readonly<Record<string, number>>;
  /** The last execution that began. */
  readonly last: number;
}

/** A child's whole life. One that hangs is killed; one that dies has a fault. */
async function watched(build: string, args: readonly string[], progress?: string): Promise<Watched> {
  const found: { number: number; fault: string }[] = [];
  let done: Extract<ChildMessage, { type: "done" }> | undefined;
  const child = fork(childModule, args, {
    cwd: root,
    env: { ...process.env, CRIA_KERNELS: build },
    execArgv: ["--expose-gc", "--max-old-space-size=1024"],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let errors = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  child.on("message", (message: ChildMessage) => {
    if (message.type === "done") done = message;
    else found.push({ number: message.number, fault: message.fault });
  });
  const last = () => (progress === undefined || !existsSync(progress) ? Number.NaN : numberIn(progress));
  const stopped = new AbortController();
  const hung = watch(child, last, stopped.signal);
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  stopped.abort();
  const at = last();
  if (await hung) found.push({ number: at, fault: `hung: no progress for ${PATIENCE / 1000} s` });
  else if (code !== 0 || done === undefined) {
    found.push({ number: at, fault: `the process ended with ${signal ?? code}: ${errors}` });
  }
  return { faults: found, executions: done?.executions, outcomes: done?.outcomes ?? {}, last: at };
}

/** Kills a child that does not get on; answers whether it did. */
async function watch(child: ChildProcess, last: () => number, signal: AbortSignal): Promise<boolean> {
  let at = Number.NaN;
  let since = Date.now();
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, LOOKS_EVERY));
    const now = last();
    if (!Object.is(now, at)) {
      at = now;
      since = Date.now();
    }
    if (Date.now() - since < PATIENCE || signal.aborted) continue;
    child.kill("SIGKILL");
    return true;
  }
  return false;
}

function numberIn(file: string): number {
  const bytes = readFileSync(file);
  return bytes.length < 8 ? Number.NaN : bytes.readDoubleLE(0);
}

/** Writes a found input to the corpus. */
async function keep(target: Target, build: string, number: number, fault: string): Promise<void> {
  mkdirSync(join(corpus, target.name), { recursive: true });
  const file = join(corpus, target.name, `found-${seed}-${number}`);
  const child = fork(childModule, ["make", target.name, String(seed), String(number), file], {
    cwd: root,
    env: { ...process.env, CRIA_KERNELS: build },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  await once(child, "close");
  fail(target, build, `execution ${number} of seed ${seed}, kept as ${relative(root, file)}.*: ${fault}`);
}

function fail(target: Target, build: string, fault: string): void {
  faults++;
  console.error(`FAULT ${target.name} (${build}): ${fault}`);
}

/** The commonest outcomes with their counts. */
function shown(outcomes: Readonly<Record<string, number>>): string {
  const rows = Object.entries(outcomes).sort(([, a], [, b]) => b - a);
  const most = rows.slice(0, 12).map(([outcome, count]) => `${outcome} ${count}`);
  return rows.length > 12 ? `${most.join(", ")} and ${rows.length - 12} more` : most.join(", ");
}
