// cria's matmul kernel by itself: every worker multiplies its groups of rows, as in a forward pass.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { compileKernels, instantiateKernels } from "../../../../dist/machine/kernels.js";
import { layOut, type MatmulWorkerData } from "../cria-matmul-layout.js";
import { activations, checkResults, dequantised, floatWeights, quantisedWeights } from "../matmul-data.js";
import { type MatmulSubject, matmulGflop, type Peer, ratePerSecond, unsupported } from "../peer.js";
import { peer as model } from "./cria.js";

export const peer: Peer<MatmulSubject> = {
  name: "cria",
  version: model.version,

  async prepare(subject) {
    const { tokens, columns, rows, matrices, threads, format } = subject;
    const { module, build } = await compileKernels();
    // The sizes are the kernels' to tell, and need an instance; its memory is thrown away.
    const probe = instantiateKernels(module, new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true }));
    const layout = layOut(probe, subject);
    const pages = Math.ceil(layout.end / 65536);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const kernels = instantiateKernels(module, memory);

    new Float32Array(memory.buffer, layout.x).set(activations(subject));
    const weights: ((row: number, column: number) => number)[] = [];
    for (let i = 0; i < matrices; i++) {
      const floats = format === "F32" ? floatWeights(subject) : undefined;
      const quantised = format === "Q4_0" ? quantisedWeights(subject, i) : undefined;
      if (floats !== undefined) {
        new Float32Array(memory.buffer, layout.file).set(floats);
        weights.push((row, column) => floats[row * columns + column]!);
      } else {
        new Uint8Array(memory.buffer, layout.file).set(blocksOf(quantised!));
        weights.push(dequantised(quantised!, columns));
      }
      kernels.packRows(layout.type, layout.file, 0, rows, columns, layout.weights + i * layout.matrixBytes, layout.job);
    }

    const workers: Worker[] = [];
    for (let index = 0; index < threads; index++) {
      const workerData: MatmulWorkerData = { module, memory, layout, subject, index };
      workers.push(new Worker(new URL("../cria-matmul-worker.js", import.meta.url), { workerData }));
    }
    const pass = async (count: number) => {
      for (const worker of workers) worker.postMessage(count);
      await Promise.all(workers.map((worker) => once(worker, "message")));
    };

    await pass(1);
    for (let i = 0; i < matrices; i++) {
      const y = new Float32Array(memory.buffer, layout.y + i * layout.yBytes, tokens * rows);
      checkResults(subject, y, weights[i]!, format === "F32" ? 1e-4 : 0.05);
    }
    return {
      details: `kernels: ${build}`,
      run({ kind, count }) {
        if (kind !== "matmul") return unsupported({ kind, count });
        return ratePerSecond(count * matmulGflop(subject), () => pass(count));
      },
    };
  },
};

/** As GGUF has Q4_0: an f16 scale, then 16 bytes: values 0 to 15 of a block in the low halves, 16 to 31 in the high ones. */
function blocksOf({ values, halfScales }: ReturnType<typeof quantisedWeights>): Uint8Array {
  const bytes = new Uint8Array(halfScales.length * 18);
  for (let block = 0; block < halfScales.length; block++) {
    const at = block * 18;
    bytes[at] = halfScales[block]! & 255;
    bytes[at + 1] = halfScales[block]! >> 8;
    for (let i = 0; i < 16; i++) bytes[at + 2 + i] = values[block * 32 + i]! | (values[block * 32 + 16 + i]! << 4);
  }
  return bytes;
}
