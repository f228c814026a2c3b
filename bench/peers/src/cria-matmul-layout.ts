// Where the buffers of a matmul lie in the shared memory of its workers.

import { TEAM_BYTES } from "../../../dist/abi.js";
import type { Kernels } from "../../../dist/machine/kernels.js";
import type { MatmulSubject } from "./peer.js";

/** Type numbers of GGUF. */
const types = { F32: 0, Q4_0: 2 } as const;

export interface MatmulLayout {
  readonly type: number;
  readonly activation: number;
  readonly matrixBytes: number;
  readonly yBytes: number;
  readonly scratchBytes: number;
  /** Byte offsets. */
  readonly control: number;
  readonly job: number;
  readonly x: number;
  readonly encoded: number;
  readonly y: number;
  readonly scratch: number;
  readonly file: number;
  readonly weights: number;
  readonly end: number;
}

/** What a worker is given. */
export interface MatmulWorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly layout: MatmulLayout;
  readonly subject: MatmulSubject;
  readonly index: number;
}

export function layOut(kernels: Kernels, subject: MatmulSubject): MatmulLayout {
  const { format, tokens, columns, rows, matrices, threads } = subject;
  const type = types[format];
  const activation = kernels.formatActivation(type);
  const matrixBytes = (rows * columns * kernels.formatBlockBytes(type)) / kernels.formatBlockWeights(type);
  const yBytes = tokens * rows * 4;
  const scratchBytes = (kernels.matmulScratchBytes(tokens) + 63) & ~63;

  let end = 64; // no buffer begins at the null pointer
  const take = (bytes: number) => {
    const offset = end;
    end += (bytes + 63) & ~63;
    return offset;
  };
  const buffers = {
    control: take(TEAM_BYTES),
    job: take(1024),
    x: take(tokens * columns * 4),
    encoded: take(kernels.activationBytes(activation, columns) * ((tokens + 3) & ~3)),
    y: take(yBytes * matrices),
    scratch: take(scratchBytes * threads),
    file: take(matrixBytes),
    weights: take(matrixBytes * matrices),
  };
  return { type, activation, matrixBytes, yBytes, scratchBytes, ...buffers, end };
}
