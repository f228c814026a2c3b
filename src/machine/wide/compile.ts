// Compiles modules with V8's optimising compiler, which makes code of 256 bits where a flag says so. The flag is the whole process's, so
// it is set for as long as V8 takes for the functions of one module, some 50 ms, and by one thread at a time. What V8 optimises of other
// modules meanwhile, in threads of its own, is compiled with it too (docs/kernels.md).
//
// V8 reads the flag when it optimises a function, which it usually does in the background once the function has run for a while. Flags
// that make it optimise whole modules at once would do so with all modules that other threads compile just then, so no such flag is set.
// One of V8's own functions for tests optimises a single function, there and then. It takes an exported one, so all are exported here.

import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";
import * as threads from "node:worker_threads";
import { allocateMemory } from "../shared-memory.js";
import { exportFunctions } from "./export-functions.js";

const WIDE = { set: "--experimental-wasm-revectorize", clear: "--no-experimental-wasm-revectorize" };
/** Lets programs name V8's own functions, such as %WasmTierUpFunction. Only what is parsed meanwhile is concerned. */
const NATIVES = { set: "--allow-natives-syntax", clear: "--no-allow-natives-syntax" };

/** Compiles a module to code of 256 bits. It holds up the thread that calls it. */
export function compileWide(bytes: Uint8Array): Promise<WebAssembly.Module> {
  return optimise(bytes, [NATIVES, WIDE]);
}

/** The same, to code of 128 bits: what to compare with. */
export function compileNarrow(bytes: Uint8Array): Promise<WebAssembly.Module> {
  return optimise(bytes, [NATIVES]);
}

async function optimise(bytes: Uint8Array, flags: readonly (typeof WIDE)[]): Promise<WebAssembly.Module> {
  // V8 has compiled none of it: functions are compiled when they are first called.
  const { bytes: exporting, names } = exportFunctions(bytes);
  const module = await WebAssembly.compile(exporting);
  const memory = allocateMemory(1, "the compilation of wide kernels");
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  // A thread that waits for the lock, and for nothing else, would end.
  const awake = setInterval(() => undefined, 2 ** 30);
  const compiled = lockManager()!.request("cria: V8's flags", () => {
    try {
      for (const { set } of flags) setFlagsFromString(set);
      const tierUp = new Script("(kernel) => %WasmTierUpFunction(kernel)").runInThisContext() as (
        kernel: unknown,
      ) => void;
      for (const name of names) tierUp(exports[name]);
    } finally {
      for (const { clear } of flags) setFlagsFromString(clear);
    }
  });
  await compiled.finally(() => clearInterval(awake));
  return module;
}

interface LockManager {
  request<Result>(name: string, held: () => Result): Promise<Result>;
}

/** The locks of the process, which Node has from 24.5 on. */
export function lockManager(): LockManager | undefined {
  return (threads as { locks?: LockManager }).locks;
}
