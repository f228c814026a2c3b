// What wide kernels need of the host, as far as it can be seen at once.

import { lockManager } from "./compile.js";
import { PROBE_VARIABLE } from "./probe.js";

/** Flags with which V8 was started, and that decide how it compiles WebAssembly. */
const COMPILER_FLAG =
  /^--(no-?)?(.*wasm|liftoff|turbo|enable-(sse|avx|fma|bmi|popcnt|lzcnt)|jitless|lite-mode|predictable|stress|allow-natives)/;

/** Why wide kernels cannot run in this process; undefined: they may. Only called in Node. */
export async function whyNotHere(): Promise<string | undefined> {
  const { versions, arch, env, execArgv } = process;
  const other = (["bun", "deno", "electron"] as const).find((name) => versions[name] !== undefined);
  if (other !== undefined) return `they need Node itself; this is ${other} ${versions[other]}`;
  if (arch !== "x64") return `V8 makes code of 256 bits on x64 only; this is ${arch}`;
  if (lockManager() === undefined) return `they need Node 24.5 or later; this is Node ${versions.node}`;
  if (env[PROBE_VARIABLE] !== undefined) return `${PROBE_VARIABLE} is set: this is the process that tries them`;
  const { isSea } = await import("node:sea");
  if (isSea()) return "a single executable application is not a Node that could try them in a process of its own";
  const { permission } = process as { permission?: { has(scope: string): boolean } };
  if (permission?.has("child") === false) {
    return "they are tried in a process of their own, which --permission allows with --allow-child-process";
  }
  const flag = execArgv.find((one) => COMPILER_FLAG.test(one.replaceAll("_", "-")));
  return flag && `Node was started with ${flag}, which changes how V8 compiles`;
}
