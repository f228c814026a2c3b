// cria held to its baseline build, without relaxed SIMD: what it does on a host that has no more than that.

import type { ModelSubject, Peer } from "../peer.js";
import { peer as automatic, prepareModel } from "./cria.js";

export const peer: Peer<ModelSubject> = {
  name: "cria (simd)",
  version: automatic.version,
  prepare: (subject) => prepareModel(subject, "simd"),
};
