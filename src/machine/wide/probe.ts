// Asks a process of its own whether wide kernels run here.

import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { printable } from "../../errors.js";
import type { Report } from "./child.js";

/** Whether wide kernels run. */
export type Answer = { readonly runs: true } | { readonly runs: false; readonly why: string };

/** An answer, and whether it would be the same the next time. */
export interface ProbeOutcome {
  readonly answer: Answer;
  readonly lasting: boolean;
}

export interface ProbeFiles {
  /** The kernel module, and the wide module that belongs to it. */
  readonly plain: URL;
  readonly wide: URL;
  /** What the process runs: child.ts. */
  readonly program: URL;
}

/** Set in the process that is asked, so that it can never ask another. */
export const PROBE_VARIABLE = "CRIA_WIDE_PROBE";

const TIMEOUT = 30_000; // ms; it takes one second
/** Wide kernels that are not faster than that are not worth the setting of flags. */
const LEAST_SPEED_UP = 1.1;
/** How a process ends that V8, or the processor, has ended. Others were ended by somebody. */
const CRASHES = ["SIGABRT", "SIGILL", "SIGTRAP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGSYS"];
/** On Windows a crash is an exit code above all that a program gives. */
const LARGEST_EXIT_CODE = 255;

/** @param modules sha256 of the two modules, as this process has read them */
export async function probe(files: ProbeFiles, modules: string, timeout = TIMEOUT): Promise<ProbeOutcome> {
  const { error, code, signal, late, output } = await run(files, timeout);
  const unclear = (why: string): ProbeOutcome => ({ answer: { runs: false, why }, lasting: false });
  const no = (why: string): ProbeOutcome => ({ answer: { runs: false, why }, lasting: true });
  if (error !== undefined)
    return unclear(`the process that tries them did not start: ${printable(error.message, 200)}`);
  if (late) return unclear(`the process that tries them did not end within ${timeout / 1000} s`);
  if (CRASHES.includes(signal ?? "") || (code ?? 0) > LARGEST_EXIT_CODE) {
    return no(`V8 ${process.versions.v8} ends the process that compiles them (${signal ?? code})`);
  }
  if (code !== 0) return unclear(`the process that tries them was ended by ${signal ?? `exit code ${code}`}`);
  const report = parse(output);
  if (report === undefined) return unclear("the process that tries them printed something else");
  if (report.v8 !== process.versions.v8 || report.modules !== modules) {
    return unclear("Node or cria was replaced while this program runs");
  }
  const { trial } = report;
  if ("error" in trial) return unclear(`the process that tries them failed: ${printable(trial.error, 200)}`);
  if (!trial.same) return no(`their bits differ from the other kernels' in ${printable(trial.where, 200)}`);
  if (trial.speedUp >= LEAST_SPEED_UP) return { answer: { runs: true }, lasting: true };
  return no(`they take ${(1 / trial.speedUp).toFixed(2)} of the other kernels' time here`);
}

interface Ended {
  readonly error: Error | undefined;
  readonly code: number | null;
  readonly signal: string | null;
  /** It had to be ended. */
  readonly late: boolean;
  readonly output: string;
}

function run({ plain, wide, program }: ProbeFiles, timeout: number): Promise<Ended> {
  return new Promise((resolve) => {
    const args = [program, plain, wide].map((url) => fileURLToPath(url));
    const child = spawn(process.execPath, args, {
      cwd: tmpdir(), // where a core file would do no harm
      env: { ...process.env, NODE_OPTIONS: "", [PROBE_VARIABLE]: "1" },
      stdio: ["ignore", "pipe", "ignore"],
      windowsHide: true,
    });
    let late = false;
    let output = "";
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, timeout);
    const end = (error: Error | undefined, code: number | null, signal: string | null) => {
      clearTimeout(timer);
      resolve({ error, code, signal, late, output });
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (output.length < 2 ** 16) output += text;
    });
    child.on("error", (error) => end(error, null, null));
    child.on("close", (code, signal) => end(undefined, code, signal));
  });
}

function parse(output: string): Report | undefined {
  try {
    const report = JSON.parse(output) as Partial<Report> | null;
    const { trial } = report ?? {};
    const isTrial =
      typeof trial === "object" &&
      trial !== null &&
      ("error" in trial
        ? typeof trial.error === "string"
        : trial.same === false
          ? typeof trial.where === "string"
          : trial.same === true && typeof trial.speedUp === "number");
    return isTrial ? (report as Report) : undefined;
  } catch {
    return undefined;
  }
}
