// One worker of memory-read: reads its buffer from one end to the other.

import { parentPort, workerData } from "node:worker_threads";
import { openKernels } from "../../../dist/lab/kernels/index.js";

const bytes = workerData as number;
const { at, kernels, memory } = (await openKernels()).open({ data: bytes });
new Uint8Array(memory.buffer, at.data, bytes).fill(1); // a page that nobody wrote to is the one page of zeros
parentPort!.on("message", (count: number) => {
  for (let i = 0; i < count; i++) kernels.readBandwidth(at.data, bytes);
  parentPort!.postMessage("done");
});
parentPort!.postMessage("ready");
