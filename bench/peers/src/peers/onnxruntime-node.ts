// ONNX Runtime as a native addon: its 4-bit matmul.

import * as runtime from "onnxruntime-node";
import { matmulModel } from "../onnx-model.js";
import { prepareSession } from "../onnx-session.js";
import type { MatmulSubject, Peer } from "../peer.js";

export const peer: Peer<MatmulSubject> = {
  name: "onnxruntime-node",
  version: runtime.env.versions.node!,

  async prepare(subject) {
    const session = await runtime.InferenceSession.create(matmulModel(subject), {
      executionProviders: ["cpu"],
      intraOpNumThreads: subject.threads,
      interOpNumThreads: 1,
    });
    return prepareSession(runtime, session, subject, "MatMulNBits, accuracy level 4");
  },
};
