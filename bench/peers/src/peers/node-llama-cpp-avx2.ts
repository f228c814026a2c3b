// node-llama-cpp held to its AVX2 backend (no AVX-512, no VNNI), as it runs on the many processors that have no more than that. The
// widest vectors of WebAssembly are of 128 bits: beside the other, this shows what is the engine's and what the instructions'.

import { mkdtempSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ModelSubject, Peer } from "../peer.js";
import { peer as automatic } from "./node-llama-cpp.js";

export const peer: Peer<ModelSubject> = {
  name: "node-llama-cpp (AVX2)",
  version: automatic.version,

  prepare(subject) {
    loadBackend("libggml-cpu-haswell.so");
    return automatic.prepare(subject);
  },
};

/** llama.cpp takes the best of the backends in a folder, and only once: it is given a folder with one before anyone else asks. */
function loadBackend(library: string): void {
  const require = createRequire(import.meta.url);
  const addon = require.resolve("../../node_modules/@node-llama-cpp/linux-x64/bins/linux-x64/llama-addon.node");
  const folder = mkdtempSync(join(tmpdir(), "llama-backend-"));
  symlinkSync(join(dirname(addon), library), join(folder, library));
  require(addon).loadBackends(folder);
}
