// Every metadata key of every architecture with every hostile value: a typed error or a result, within a second of CPU and 64 MB.

import { expect, it } from "vitest";
import { keysOf, wrongOutcomes } from "../../support/hostile-metadata.js";
import { microArchitectures } from "../../support/micro-model.js";

it.each(microArchitectures)("%s", { timeout: 240_000 }, async (architecture) => {
  const keys = (await keysOf(architecture)).filter((key) => key.startsWith(`${architecture}.`));
  expect(keys.length).toBeGreaterThan(9);
  expect(await wrongOutcomes(architecture, keys)).toEqual([]);
});
