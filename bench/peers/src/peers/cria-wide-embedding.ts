// cria's vectors of texts, on its wide kernels.

import type { EmbeddingSubject, Peer } from "../peer.js";
import { prepareEncoder } from "./cria-embedding.js";
import { peer as generating } from "./cria-wide.js";

export const peer: Peer<EmbeddingSubject> = {
  name: generating.name,
  version: generating.version,
  prepare: (subject) => prepareEncoder(subject, "wide"),
};
