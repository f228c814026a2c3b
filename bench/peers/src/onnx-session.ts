// MatMulNBits in a session of ONNX Runtime, native or WebAssembly: both have the same API.

import type { InferenceSession, Tensor } from "onnxruntime-node";
import { activations, checkResults, dequantised, quantisedWeights } from "./matmul-data.js";
import { type MatmulSubject, matmulGflop, type Prepared, ratePerSecond, unsupported } from "./peer.js";

/** What both packages export. */
interface Runtime {
  readonly Tensor: typeof Tensor;
}

export async function prepareSession(
  { Tensor }: Runtime,
  session: InferenceSession,
  subject: MatmulSubject,
  details: string,
): Promise<Prepared> {
  const { tokens, columns, rows, matrices } = subject;
  const feeds = { x: new Tensor("float32", activations(subject), [tokens, columns]) };
  const results = await session.run(feeds);
  for (let i = 0; i < matrices; i++) {
    const y = results[`y${i}`]!.data as Float32Array;
    checkResults({ ...subject, rows }, y, dequantised(quantisedWeights(subject, i), columns), 0.05);
  }
  return {
    details,
    run(test) {
      if (test.kind !== "matmul") return unsupported(test);
      const { count } = test;
      return ratePerSecond(count * matmulGflop(subject), async () => {
        for (let i = 0; i < count; i++) await session.run(feeds);
      });
    },
  };
}
