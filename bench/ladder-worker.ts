// A further thread of the ladder's last rung: waits for a step, runs it with the others, and waits again.

import { workerData } from "node:worker_threads";
import { CONTROL, instantiateLadder, type LadderWorkerData, TASK } from "./ladder-module.js";

const { module, memory, index, threads } = workerData as LadderWorkerData;
const { awaitStep, matmul7, teamJoin } = instantiateLadder(module, memory);
const task = new Int32Array(memory.buffer, TASK, 7);

teamJoin(CONTROL, index, threads, threads);
for (let step = 0; ; ) {
  step = awaitStep(step);
  const [weights, x, y, rows, columns, tokens, scratch] = task;
  matmul7(weights!, x!, y!, rows!, columns!, tokens!, scratch!);
}
