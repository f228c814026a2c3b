// A further thread of the ladder's last rungs: waits for a step, runs it with the others, and waits again.

import { workerData } from "node:worker_threads";
import { CONTROL, instantiateLadder, type LadderWorkerData, TASK, TASK_WORDS, WIDE_RUNG } from "./ladder-module.js";

const { module, wide, memory, index, threads } = workerData as LadderWorkerData;
const { awaitStep, matmul7, matmul8, teamJoin } = instantiateLadder(module, memory, wide);
const task = new Int32Array(memory.buffer, TASK, TASK_WORDS);

teamJoin(CONTROL, index, threads, threads);
for (let step = 0; ; ) {
  step = awaitStep(step);
  const [weights, x, y, rows, columns, tokens, scratch, rung] = task;
  const matmul = rung === WIDE_RUNG ? matmul8 : matmul7;
  matmul(weights!, x!, y!, rows!, columns!, tokens!, scratch!);
}
