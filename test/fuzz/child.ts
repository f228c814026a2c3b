// One process of the fuzzer: runs some executions of one target, and writes the number of each to a file before it begins, so that the
// parent knows which of them hung or ended the process.
//
//   node child.js run TARGET SEED FIRST COUNT UNTIL PROGRESS-FILE      executions FIRST .. FIRST + COUNT - 1, until that time (ms)
//   node child.js make TARGET SEED NUMBER FILE                         writes the input of an execution
//   node child.js replay TARGET FILE ...                               runs inputs of the corpus

import { openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { Random } from "../../bench/synthetic/random.js";
import type { Input, OpenTarget, Target } from "./target.js";
import { targetNamed } from "./targets.js";

/** What a child tells its parent. */
export type ChildMessage =
  | { readonly type: "fault"; readonly number: number; readonly fault: string }
  | { readonly type: "done"; readonly executions: number; readonly outcomes: Readonly<Record<string, number>> };

// Bytes beyond those of the open target; the garbage of many executions is among them.
const MOST_BYTES = 400 * 2 ** 20;
const LOOKS_AT_MEMORY_EVERY = 64;

const [mode, name, ...rest] = process.argv.slice(2);
const target: Target = targetNamed(name!);
const tell = (message: ChildMessage) =>
  new Promise<void>((done) => {
    if (process.send === undefined)
      done(console.log(JSON.stringify(message))); // started by hand
    else process.send(message, undefined, {}, () => done());
  });

// Most executions end in an error; its stack is half of their time.
Error.stackTraceLimit = 4;

let current = 0;
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error) => void tell({ type: "fault", number: current, fault: `${event}: ${said(error)}` }));
}

const open: OpenTarget = await target.open();
if (mode === "run") await run(rest.slice(0, 4).map(Number) as [number, number, number, number], rest[4]!);
if (mode === "make") writeInput(open.make(new Random(mixed(Number(rest[0]), Number(rest[1])))), rest[2]!);
if (mode === "replay") await replay(rest);
await open.close?.();
process.disconnect?.();

async function run([seed, first, count, until]: [number, number, number, number], file: string): Promise<void> {
  const progress = openSync(file, "w");
  const place = new Float64Array(1);
  const outcomes: Record<string, number> = {};
  const memory = process.resourceUsage().maxRSS;
  let executions = 0;
  let tooLarge = false;
  // However long it took to open the target, one is run.
  for (let number = first; number < first + count && (number === first || Date.now() < until); number++) {
    place[0] = number;
    writeSync(progress, place, 0, 8, 0);
    current = number;
    const outcome = await execute(open.make(new Random(mixed(seed, number))), number);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    executions++;
    if (
      !tooLarge &&
      executions % LOOKS_AT_MEMORY_EVERY === 0 &&
      (process.resourceUsage().maxRSS - memory) * 1024 > MOST_BYTES
    ) {
      tooLarge = true;
      const fault = `the process grew by more than ${MOST_BYTES / 2 ** 20} MiB in ${executions} executions, lately by this one`;
      await tell({ type: "fault", number, fault });
    }
  }
  await tell({ type: "done", executions, outcomes });
}

async function replay(files: readonly string[]): Promise<void> {
  const outcomes: Record<string, number> = {};
  for (const [number, file] of files.entries()) {
    const bytes = readFileSync(file);
    const input: Input = file.endsWith(".json") ? JSON.parse(bytes.toString()) : new Uint8Array(bytes);
    const outcome = await execute(input, number);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  await tell({ type: "done", executions: files.length, outcomes });
}

/** Runs an input; its outcome, or "fault". */
async function execute(input: Input, number: number): Promise<string> {
  try {
    const begin = performance.now();
    const outcome = await open.run(input);
    if (performance.now() - begin <= target.milliseconds) return outcome;
    // The machine may have had other work: what counts is CPU time, and whether it takes so long again.
    const before = process.cpuUsage();
    await open.run(input);
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 <= target.milliseconds) return outcome;
    throw new Error(`took ${(user + system) / 1000} ms of CPU; ${target.milliseconds} are allowed`);
  } catch (error) {
    await tell({ type: "fault", number, fault: said(error) });
    return "fault";
  }
}

/** A seed of its own for each execution. */
function mixed(seed: number, number: number): number {
  const low = Math.imul(number ^ (seed >>> 0), 0x9e3779b1);
  return (low ^ (low >>> 15) ^ Math.imul(seed, 0x85ebca6b)) >>> 0;
}

function writeInput(input: Input, file: string): void {
  if (input instanceof Uint8Array) writeFileSync(`${file}.bin`, input);
  else writeFileSync(`${file}.json`, `${JSON.stringify(input)}\n`);
}

function said(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${typeof error}`;
  const cause = error.cause instanceof Error ? `\n  cause: ${error.cause.stack ?? error.cause.message}` : "";
  return `${error.stack ?? error.message}${cause}`.slice(0, 3000);
}
