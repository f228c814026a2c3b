// ONNX Runtime as a native addon, as transformers.js uses it in Node.

import * as runtime from "onnxruntime-node";
import { prepareEmbedding } from "../onnx-embedding.js";
import type { EmbeddingSubject, Peer } from "../peer.js";

export const peer: Peer<EmbeddingSubject> = {
  name: "onnxruntime-node",
  version: runtime.env.versions.node!,

  prepare(subject) {
    return prepareEmbedding(runtime, subject, (model) =>
      runtime.InferenceSession.create(model, {
        executionProviders: ["cpu"],
        intraOpNumThreads: subject.threads,
        interOpNumThreads: 1,
      }),
    );
  },
};
