// Models on a given build of the kernels: all that this host can run are tested in one process, or with CRIA_TEST_BUILDS=fastest the one
// that it would choose, or with CRIA_KERNELS=wide that one with wide kernels.

import { type KernelBuild, type LoadOptions, type LoadSource, loadModel, type Model } from "cria";
import { runnableBuilds } from "./kernel-module.js";

const wide = process.env["CRIA_KERNELS"] === "wide";
const fastest = wide || process.env["CRIA_TEST_BUILDS"] === "fastest";
export const kernelBuilds: readonly KernelBuild[] = fastest ? runnableBuilds.slice(-1) : runnableBuilds;

/** The build that this host would choose. What differs from it in other builds is kernels, which test/kernels has on all of them. */
export const fastestBuild: KernelBuild = runnableBuilds.at(-1)!;

/** `loadModel` with CRIA_KERNELS set to `build` for as long as it takes. */
export async function loadWith(build: KernelBuild, source: LoadSource, options: LoadOptions = {}): Promise<Model> {
  const before = process.env["CRIA_KERNELS"];
  process.env["CRIA_KERNELS"] = wide ? "wide" : build;
  try {
    const model = await loadModel(source, options);
    const { kernels, kernelsProblem } = model.info;
    if (kernels !== (wide ? `wide-${build}` : build))
      throw new Error(`asked for ${build}, got ${kernels}: ${kernelsProblem}`);
    return model;
  } finally {
    if (before === undefined) delete process.env["CRIA_KERNELS"];
    else process.env["CRIA_KERNELS"] = before;
  }
}
