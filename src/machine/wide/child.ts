// The entry of the process in which wide kernels are tried first: V8 may end the process that compiles them, and nobody can catch that.
// `node wide-probe.mjs kernels.relaxed.wasm kernels.wide-relaxed.wasm` prints a `Report`.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { compileNarrow, compileWide } from "./compile.js";
import { type Trial, tryWide } from "./trial.js";

/** What the process prints, as JSON. */
export interface Report {
  /** V8's version. */
  readonly v8: string;
  /** sha256 of the two modules, one behind the other. */
  readonly modules: string;
  /** The outcome, or why there is none. */
  readonly trial: Trial | { readonly error: string };
}

const [plain, wide] = process.argv.slice(2).map((path) => readFileSync(path)) as [Buffer, Buffer];
const modules = createHash("sha256").update(plain).update(wide).digest("hex");

async function attempt(): Promise<Report["trial"]> {
  try {
    return tryWide(await compileNarrow(plain), await compileWide(wide));
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

const report: Report = { v8: process.versions.v8, modules, trial: await attempt() };
process.stdout.write(JSON.stringify(report));
