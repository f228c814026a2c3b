// cria on its wide kernels: 256 bits at a time, where V8 has the flag for it.

import type { ModelSubject, Peer } from "../peer.js";
import { useWideKernels } from "../wide.js";
import { peer as automatic } from "./cria.js";

export const peer: Peer<ModelSubject> = {
  name: "cria (wide)",
  version: automatic.version,

  prepare(subject) {
    return useWideKernels(() => automatic.prepare(subject));
  },
};
