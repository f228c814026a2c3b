// cria's vectors of texts, on its wide kernels.

import type { EmbeddingSubject, Peer } from "../peer.js";
import { useWideKernels } from "../wide.js";
import { peer as automatic } from "./cria-embedding.js";

export const peer: Peer<EmbeddingSubject> = {
  name: "cria (wide)",
  version: automatic.version,

  prepare(subject) {
    return useWideKernels(() => automatic.prepare(subject));
  },
};
