// Tries metadata keys with every hostile value. The keys are those that loading asks for, so that a new one is tried without a line in a
// test. All values go as far as the plan; of those that it takes, some are loaded and asked, others in each run
// (`npm run fuzz -- --target meaning` loads them all).

import { openGguf } from "cria/gguf";
import { expect } from "vitest";
import { planModel } from "../../dist/api/load/plan-model.js";
import { GgufError } from "../../dist/errors.js";
import { compileKernels } from "../../dist/machine/kernels.js";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";
import { loadAndAsk } from "../fuzz/load.js";
import { hostileEntries, keysRead } from "./hostile-entries.js";
import { type Entry, microBytes, microModel } from "./micro-model.js";
import { randomStream } from "./seed.js";
import { within } from "./within.js";

/** Of the values that the plan takes, one in so many is loaded. */
const LOADED = 16;

const kernels = await compileKernels();

async function planned(bytes: Uint8Array): Promise<void> {
  const gguf = await openGguf(bytes);
  await planModel(gguf, { threads: 1 }, kernels);
  tokenizerFrom(gguf.metadata);
}

/** Which keys of an architecture's models loading and asking read. */
export async function keysOf(architecture: string): Promise<readonly string[]> {
  const keys = new Set<string>();
  for (const rope of ["none", "linear", "yarn"] as const) {
    const bytes = await microBytes(await microModel(architecture, rope));
    for (const key of await keysRead(async () => expect(await loadAndAsk(bytes)).toBe("ok"))) keys.add(key);
  }
  return [...keys];
}

/** Which of the keys with which value end in neither a typed error nor a result, within a second of CPU and 64 MB. */
export async function wrongOutcomes(architecture: string, keys: readonly string[]): Promise<readonly string[]> {
  const random = randomStream(1);
  const model = await microModel(architecture, "yarn");
  const wrong: string[] = [];
  for (const key of keys) {
    for (const [name, entry] of hostileEntries) {
      const bytes = await written(model, key, entry);
      if (bytes === undefined) continue;
      let outcome = await within(() => planned(bytes));
      if (outcome.code === "ok" && random.below(LOADED) === 0) outcome = await within(() => loaded(bytes));
      if (outcome.fault !== undefined) wrong.push(`${key} = ${name}: ${outcome.fault}`);
    }
  }
  return wrong;
}

/** The file; undefined where the writer has refused the value. */
async function written(model: Awaited<ReturnType<typeof microModel>>, key: string, entry: Entry) {
  try {
    return await microBytes(model, { [key]: entry });
  } catch (error) {
    if (error instanceof GgufError) return undefined;
    throw error;
  }
}

/** A code is an outcome as good as a result. */
async function loaded(bytes: Uint8Array): Promise<void> {
  await loadAndAsk(bytes);
}
