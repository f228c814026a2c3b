// TensorFlow.js on its WebAssembly backend (XNNPACK): f32 matmul. In Node it has no threads.

import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-wasm";
import { activations, checkResults, floatWeights } from "../matmul-data.js";
import { type MatmulSubject, matmulGflop, type Peer, ratePerSecond, unsupported } from "../peer.js";

export const peer: Peer<MatmulSubject> = {
  name: "tfjs-backend-wasm",
  version: tf.version_core,

  async prepare(subject) {
    const { tokens, columns, rows, threads } = subject;
    if (threads !== 1) throw new Error("tfjs-backend-wasm runs on one thread in Node");
    await tf.setBackend("wasm");
    const weights = floatWeights(subject);
    // (columns, rows), as XNNPACK multiplies it without turning it over.
    const w = tf.tidy(() => tf.transpose(tf.tensor2d(weights, [rows, columns])));
    const x = tf.tensor2d(activations(subject), [tokens, columns]);
    const first = tf.matMul(x, w);
    checkResults(subject, first.dataSync(), (row, column) => weights[row * columns + column]!, 1e-4);
    first.dispose();
    return {
      details: "f32, SIMD",
      run(test) {
        if (test.kind !== "matmul") return unsupported(test);
        const { count } = test;
        return ratePerSecond(count * matmulGflop(subject), async () => {
          for (let i = 0; i < count; i++) tf.matMul(x, w).dispose();
        });
      },
    };
  },
};
