// The program of a process that holds one model and runs bursts on it. Each configuration has a process of its own: kernels are chosen once
// for the life of a thread, and the model that is loaded first into a process has other pages than those after it.

import { CriaError } from "../../errors.js";
import { loadModel, type Model } from "../../index.js";
import { Meter } from "../meter.js";
import type { ProcessAnswer, ProcessRequest } from "./messages.js";

let loaded: { readonly model: Model; readonly meter: Meter } | undefined;

process.on("message", (request: ProcessRequest) => {
  void answer(request)
    .catch((error: unknown): ProcessAnswer => {
      const message = error instanceof Error ? error.message : String(error);
      return { type: "failed", code: error instanceof CriaError ? error.code : "UNKNOWN", message };
    })
    .then((result) => process.send?.(result));
});
// The parent has ended, or wants no more.
process.on("disconnect", () => process.exit(0));

async function answer(request: ProcessRequest): Promise<ProcessAnswer> {
  if (request.type === "load") {
    const model = await loadModel(request.path, request.options);
    loaded = { model, meter: new Meter(model) };
    const { threads, threadsBatch, kernels, kernelsProblem, generates, contextSize, memory } = model.info;
    const info = { threads, threadsBatch, kernels, kernelsProblem, generates, contextSize, memory: memory.total };
    return { type: "loaded", info };
  }
  const { meter } = loaded!;
  switch (request.type) {
    case "decode": {
      const { tokens, seconds } = await meter.decode(request.texts, request.milliseconds);
      return { type: "measured", tokens, seconds };
    }
    case "prefill": {
      const { tokens, milliseconds } = request;
      return { type: "measured", tokens, seconds: await meter.prefill(tokens, milliseconds) };
    }
    case "embed": {
      const { texts, tokens } = request;
      return { type: "measured", tokens: texts * tokens, seconds: await meter.embed(texts, tokens) };
    }
    case "fill":
      return { type: "measured", tokens: request.depth, seconds: await meter.fill(request.depth) };
  }
}
