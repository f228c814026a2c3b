// ONNX Runtime in WebAssembly, in Node: its 4-bit matmul.

import * as runtime from "onnxruntime-web";
import { matmulModel } from "../onnx-model.js";
import { prepareSession } from "../onnx-session.js";
import type { MatmulSubject, Peer } from "../peer.js";

export const peer: Peer<MatmulSubject> = {
  name: "onnxruntime-web",
  version: runtime.env.versions.web!,

  async prepare(subject) {
    runtime.env.wasm.numThreads = subject.threads;
    const session = await runtime.InferenceSession.create(matmulModel(subject), { executionProviders: ["wasm"] });
    return prepareSession(runtime, session, subject, "MatMulNBits, accuracy level 4");
  },
};
