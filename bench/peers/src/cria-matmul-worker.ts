// One worker of cria-matmul: encodes its share of the activations, then multiplies its groups of rows.

import { parentPort, workerData } from "node:worker_threads";
import { GROUP_ROWS, TEAM_SPIN, TILE_TOKENS } from "../../../dist/abi.js";
import { instantiateKernels } from "../../../dist/machine/kernels.js";
import type { MatmulWorkerData } from "./cria-matmul-layout.js";

// How often a worker looks at the barrier before it sleeps: both are always on their way here.
const SPIN = 1_000_000;

const { module, memory, layout, subject, index } = workerData as MatmulWorkerData;
const { tokens, columns, rows, matrices, threads } = subject;
const kernels = instantiateKernels(module, memory);
new Int32Array(memory.buffer, layout.control)[TEAM_SPIN / 4] = SPIN;
kernels.teamJoin(layout.control, index, threads, threads);

const [firstGroup, lastGroup] = share(rows / GROUP_ROWS);
const [firstTile, lastTile] = share(Math.ceil(tokens / TILE_TOKENS));
const tokenBytes = kernels.activationBytes(layout.activation, columns);

parentPort!.on("message", (count: number) => {
  for (let i = 0; i < count; i++) pass();
  parentPort!.postMessage("done");
});

function pass(): void {
  for (let tile = firstTile; tile < lastTile; tile++) {
    const first = tile * TILE_TOKENS;
    kernels.encodeActivations(
      layout.activation,
      layout.x + first * columns * 4,
      columns * 4,
      Math.min(TILE_TOKENS, tokens - first),
      columns,
      layout.encoded + first * tokenBytes,
    );
  }
  kernels.barrier(0);
  for (let matrix = 0; matrix < matrices; matrix++) {
    kernels.matmul(
      layout.type,
      layout.weights + matrix * layout.matrixBytes,
      firstGroup,
      lastGroup,
      columns,
      layout.encoded,
      tokens,
      layout.y + matrix * layout.yBytes,
      rows * 4,
      0,
      layout.scratch + index * layout.scratchBytes,
    );
  }
  kernels.barrier(0);
}

function share(count: number): [number, number] {
  return [Math.floor((index * count) / threads), Math.floor(((index + 1) * count) / threads)];
}
