// One worker of cria-matmul: its share of the rows of every matrix, by `cria/kernels`.

import { parentPort, workerData } from "node:worker_threads";
import { openKernels } from "../../../dist/lab/kernels/index.js";
import {
  activations,
  checkResults,
  dequantised,
  floatWeights,
  type Quantised,
  quantisedWeights,
} from "./matmul-data.js";
import type { MatmulSubject } from "./peer.js";

export interface MatmulWorkerData {
  readonly subject: MatmulSubject;
  readonly index: number;
}

const { subject, index } = workerData as MatmulWorkerData;
const { format, tokens, columns, matrices } = subject;
const rows = subject.rows / subject.threads;
const firstRow = index * rows;

const lab = await openKernels();
const x = activations(subject);
const matmuls = Array.from({ length: matrices }, () => lab.matmul({ format, rows, columns, tokens }));
const weights = matmuls.map((matmul, i) => {
  if (format === "Q4_0") {
    const quantised = quantisedWeights(subject, i);
    const bytes = blocks(quantised);
    const rowBytes = bytes.length / subject.rows;
    matmul.setWeights(bytes.subarray(firstRow * rowBytes, (firstRow + rows) * rowBytes));
    return dequantised(quantised, columns);
  }
  const floats = floatWeights(subject);
  matmul.setWeights(new Uint8Array(floats.buffer, firstRow * columns * 4, rows * columns * 4));
  return (row: number, column: number) => floats[row * columns + column]!;
});

pass();
for (const [i, matmul] of matmuls.entries()) {
  const mine = (row: number, column: number) => weights[i]!(firstRow + row, column);
  checkResults({ ...subject, rows }, matmul.result, mine, format === "F32" ? 1e-4 : 0.05);
}
parentPort!.on("message", (count: number) => {
  for (let i = 0; i < count; i++) pass();
  parentPort!.postMessage("done");
});
parentPort!.postMessage(lab.build);

/** With the encoding of the activations, which the others do within their matmul too. */
function pass(): void {
  for (const matmul of matmuls) matmul.setActivations(x).run();
}

/** As GGUF has Q4_0: an f16 scale, then 16 bytes: values 0 to 15 of a block in the low halves, 16 to 31 in the high ones. */
function blocks({ values, halfScales }: Quantised): Uint8Array {
  const bytes = new Uint8Array(halfScales.length * 18);
  for (let block = 0; block < halfScales.length; block++) {
    const at = block * 18;
    bytes[at] = halfScales[block]! & 255;
    bytes[at + 1] = halfScales[block]! >> 8;
    for (let i = 0; i < 16; i++) bytes[at + 2 + i] = values[block * 32 + i]! | (values[block * 32 + 16 + i]! << 4);
  }
  return bytes;
}
