// cria's wide kernels are asked for, and a host that has none falls back: figures of the fallback would be the figures of another row.

import { CriaError } from "../../../dist/index.js";
import { type Prepared, Unavailable } from "./peer.js";

/** @throws Unavailable when the model does not run on wide kernels */
export async function useWideKernels(prepare: () => Promise<Prepared>): Promise<Prepared> {
  process.env["CRIA_KERNELS"] = "wide";
  let prepared: Prepared;
  try {
    prepared = await prepare();
  } catch (error) {
    // A version of cria that does not know them.
    if (error instanceof CriaError && error.code === "INVALID_OPTION") throw new Unavailable(error.message);
    throw error;
  }
  if (!/^kernels: .*wide/.test(prepared.details)) throw new Unavailable(`no wide kernels here; ${prepared.details}`);
  return prepared;
}
