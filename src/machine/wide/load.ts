// The wide module, where it runs: found out once in a process of its own, remembered on disk, then compiled here.

import { createHash } from "node:crypto";
import { readAsset } from "../kernels.js";
import { questionOf, recall, remember } from "./answers.js";
import { compileWide } from "./compile.js";
import { whyNotHere } from "./host.js";
import { type ProbeFiles, probe } from "./probe.js";

/** The module, and what is in its way. */
export interface WideKernels {
  /** undefined: it cannot run here. */
  readonly wide: WebAssembly.Module | undefined;
  /** Why it cannot run, or why it must be tried anew by every process; undefined: nothing is in its way. */
  readonly problem: string | undefined;
}

const loaded = new Map<string, Promise<WideKernels>>();

/**
 * Compiles a wide module, once for the life of this thread.
 *
 * @param othersBegan whether kernels that are not wide may be optimised while these are compiled: V8 makes some of them wrong then
 */
export function loadWide(files: ProbeFiles, othersBegan: () => boolean): Promise<WideKernels> {
  const { href } = files.wide;
  let kernels = loaded.get(href);
  if (kernels === undefined) {
    kernels = load(files, othersBegan);
    loaded.set(href, kernels);
    kernels.catch(() => loaded.delete(href)); // a file that is missing may come
  }
  return kernels;
}

async function load(files: ProbeFiles, othersBegan: () => boolean): Promise<WideKernels> {
  const not = (why: string): WideKernels => ({ wide: undefined, problem: `wide kernels do not run: ${why}` });
  const late = "a model without them was loaded before; load one with wide kernels first";
  const obstacle = othersBegan() ? late : await whyNotHere();
  if (obstacle !== undefined) return not(obstacle);
  const [plain, wide, program] = await Promise.all([files.plain, files.wide, files.program].map(readAsset));
  const modules = createHash("sha256").update(plain!).update(wide!).digest("hex");
  const question = await questionOf(createHash("sha256").update(modules).update(program!).digest("hex"));
  let answer = await recall(question);
  let forgotten: string | undefined;
  if (answer === undefined) {
    const outcome = await probe(files, modules);
    answer = outcome.answer;
    if (outcome.lasting) forgotten = await remember(question, answer);
  }
  if (!answer.runs) return not(answer.why);
  const problem =
    forgotten && `wide kernels are tried anew at every start: ${forgotten} where the answer would be kept`;
  if (othersBegan()) return not(late); // meanwhile
  return { wide: await compileWide(wide!), problem };
}
