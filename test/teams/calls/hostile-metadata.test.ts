// Every metadata key that architectures share, its vocabulary's among them, with every hostile value, in models of three kinds of
// vocabulary: a typed error or a result, within a second of CPU and 64 MB.

import { expect, it } from "vitest";
import { keysOf, wrongOutcomes } from "../../support/hostile-metadata.js";

it.each(["llama", "qwen2", "bert"])("%s", { timeout: 240_000 }, async (architecture) => {
  const keys = (await keysOf(architecture)).filter((key) => !key.startsWith(`${architecture}.`));
  expect(keys.length).toBeGreaterThan(15);
  expect(await wrongOutcomes(architecture, keys)).toEqual([]);
});
