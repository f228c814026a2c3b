// cria on its wide kernels: 256 bits at a time, where V8 has the flag for it.

import type { ModelSubject, Peer } from "../peer.js";
import { peer as automatic, prepareModel } from "./cria.js";

export const peer: Peer<ModelSubject> = {
  name: "cria (wide)",
  version: automatic.version,
  prepare: (subject) => prepareModel(subject, "wide"),
};
