// No engine: WebAssembly that reads as many bytes as a token needs of the weights, and does nothing with them. A ratio to it is the share
// of the memory's bandwidth that decode makes use of.

import { openGguf } from "../../../../dist/gguf/index.js";
import { type ModelSubject, type Peer, ratePerSecond, unsupported } from "../peer.js";
import { Workers } from "../workers.js";
import { peer as model } from "./cria.js";

// Of each worker: many times the caches.
const BUFFER_BYTES = 2 ** 28;

export const peer: Peer<ModelSubject> = {
  name: "reading the weights",
  version: model.version,

  async prepare({ file, threads }) {
    const tokenBytes = await bytesOfToken(file);
    const data = Array.from({ length: threads }, () => BUFFER_BYTES);
    const { workers } = await Workers.start(new URL("../read-worker.js", import.meta.url), data);
    return {
      details: "128-bit loads",
      run(test) {
        if (test.kind !== "decode") return unsupported(test);
        const passes = Math.ceil((test.count * tokenBytes) / (threads * BUFFER_BYTES));
        return ratePerSecond((passes * threads * BUFFER_BYTES) / tokenBytes, () => workers.run(passes));
      },
    };
  },
};

/**
 * Every matrix is read once for a token; of embedding tables that are not the output matrix too, one row; of a tensor of experts, those that
 * the token chooses.
 */
async function bytesOfToken(file: string): Promise<number> {
  const gguf = await openGguf(file);
  const untied = gguf.tensors.some(({ name }) => name === "output.weight");
  const tables = ["per_layer_token_embd.weight", ...(untied ? ["token_embd.weight"] : [])];
  const read = gguf.tensors.filter(({ name }) => !tables.includes(name));
  const architecture = gguf.metadata.getString("general.architecture");
  const experts = gguf.metadata.getNumber(`${architecture}.expert_count`) ?? 1;
  const used = gguf.metadata.getNumber(`${architecture}.expert_used_count`) ?? 1;
  await gguf.close();
  return read.reduce((sum, { name, bytes }) => sum + (name.includes("_exps.") ? (bytes * used) / experts : bytes), 0);
}
