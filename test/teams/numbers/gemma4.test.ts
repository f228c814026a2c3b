// Gemma 4 beside a scalar reference in float64, on the models that are compared with llama.cpp, whose GELU comes from a table.

import { openGguf } from "cria/gguf";
import { expect, it } from "vitest";
import { cases } from "../../oracles/architectures/gemma4.js";
import { type ArchitectureShape, architectureModel } from "../../support/architecture-model.js";
import { randomIds } from "../../support/fixture-model.js";
import { fastestBuild, loadWith } from "../../support/kernel-builds.js";
import { readReferenceModel } from "../../support/reference/forward.js";
import { gemma4Logits } from "../../support/reference/gemma4.js";
import { relativeError } from "../../support/reference/relative-error.js";

const VOCAB = 512;

it.each(Object.entries(cases))("%s", async (_, one) => {
  const keys: Readonly<Record<string, unknown>> = { embedding_length: 64, feed_forward_length: 96, ...one.keys };
  const shape = { architecture: "gemma4", keys: keys as ArchitectureShape["keys"], has: one.has };
  const file = await architectureModel(shape);
  const isLocal = keys["attention.sliding_window_pattern"] as readonly boolean[];
  const kvHeads = (keys["attention.head_count_kv"] as readonly number[] | undefined) ?? isLocal.map(() => 2);
  const ids = randomIds(70, VOCAB);
  const reference = await readReferenceModel(await openGguf(file));
  const exact = gemma4Logits(reference, { isLocal, kvHeads }, ids);
  const model = await loadWith(fastestBuild, file, { threads: 2, kvCache: "f32", contextSize: 128 });
  const logits = await model.createSequence().evaluate(ids, { logits: "all" });
  await model.dispose();
  const error = relativeError(
    exact.flatMap((row) => [...row]),
    logits,
  );
  expect(error).toBeLessThan(1e-5);
});
