// ONNX Runtime in WebAssembly, in Node: what transformers.js uses where there is no native code.

import * as runtime from "onnxruntime-web";
import { prepareEmbedding } from "../onnx-embedding.js";
import type { EmbeddingSubject, Peer } from "../peer.js";

export const peer: Peer<EmbeddingSubject> = {
  name: "onnxruntime-web",
  version: runtime.env.versions.web!,

  prepare(subject) {
    runtime.env.wasm.numThreads = subject.threads;
    return prepareEmbedding(runtime, subject, (model) =>
      runtime.InferenceSession.create(model, { executionProviders: ["wasm"] }),
    );
  },
};
