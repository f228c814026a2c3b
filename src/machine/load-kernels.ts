// Chooses the kernels of a model: the module that runs on this host, and the wide module beside it where that is asked for.

import { sharesMemory } from "../sharing.js";
import {
  compileKernels,
  type KernelBuild,
  type KernelChoice,
  type KernelModule,
  kernelChoiceFromEnvironment,
} from "./kernels.js";
import type { WideKernels } from "./wide/load.js";

/** Whether this thread has loaded kernels that are not wide: V8 may still be about to optimise them. */
let othersBegan = false;

/**
 * Compiles the kernels that are wanted. Where wide kernels are asked for and do not run, the others run, and `problem` says why.
 *
 * @param assets where the files lie, for bundled programs; by default beside this package's code
 * @param choice what is wanted; by default what `CRIA_KERNELS` says
 * @throws UnsupportedError as compileKernels does
 */
export async function loadKernels(assets?: URL, choice?: KernelChoice): Promise<KernelModule> {
  const wanted = choice ?? kernelChoiceFromEnvironment();
  const kernels = await compileKernels(assets, wanted);
  const wide = wanted === "wide" ? await wideBeside(kernels.build, assets) : undefined;
  if (wide?.wide === undefined) othersBegan = true;
  return { ...kernels, ...wide };
}

async function wideBeside(build: KernelBuild, assets: URL | undefined): Promise<WideKernels> {
  const not = (why: string) => ({ wide: undefined, problem: `wide kernels do not run: ${why}` });
  if (typeof process === "undefined" || process.versions?.node === undefined) return not("they need Node");
  if (!sharesMemory()) return not("they need shared memory");
  if (build === "simd") return not("they need relaxed SIMD");
  if (build === "dotprod") return not("they are for x86");
  const { loadWide } = await import("./wide/load.js");
  return loadWide(filesOf(build, assets), () => othersBegan);
}

/** Each `new URL` has a literal path, because bundlers look for those. */
function filesOf(build: "relaxed" | "vnni", assets: URL | undefined) {
  if (assets !== undefined) {
    return {
      plain: new URL(`kernels.${build}.wasm`, assets),
      wide: new URL(`kernels.wide-${build}.wasm`, assets),
      program: new URL("wide-probe.mjs", assets),
    };
  }
  const program = new URL("../assets/wide-probe.mjs", import.meta.url);
  if (build === "vnni") {
    return {
      plain: new URL("../assets/kernels.vnni.wasm", import.meta.url),
      wide: new URL("../assets/kernels.wide-vnni.wasm", import.meta.url),
      program,
    };
  }
  return {
    plain: new URL("../assets/kernels.relaxed.wasm", import.meta.url),
    wide: new URL("../assets/kernels.wide-relaxed.wasm", import.meta.url),
    program,
  };
}
