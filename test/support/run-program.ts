// Runs small programs as users write them, each in a process of its own, with `cria` as it ships.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface ProgramOptions {
  /** The Node to run it; default this one. */
  readonly node?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments, from process.argv[2] on for a file and from process.argv[1] on for code. */
  readonly args?: readonly string[];
}

/**
 * Runs a module: code, or a file's URL. Returns what it printed.
 *
 * @throws Error when it fails, or does not end by itself within a minute
 */
export function runProgram(program: string | URL, { node = process.execPath, env, args = [] }: ProgramOptions = {}) {
  const what = program instanceof URL ? [fileURLToPath(program)] : ["--input-type=module", "--eval", program, "--"];
  const { status, signal, stdout, stderr } = spawnSync(node, [...what, ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "", ...env },
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`the program ended with ${signal ?? status}:\n${stdout}\n${stderr}`);
  return { stdout, stderr };
}
