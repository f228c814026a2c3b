// Tells the seed of the random cases where a test fails.

import { beforeEach, onTestFailed } from "vitest";
import { testSeed } from "./seed.js";

beforeEach(() => {
  onTestFailed(({ task }) => console.error(`${task.name}: CRIA_TEST_SEED=${testSeed}`));
});
