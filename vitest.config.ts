import { defineConfig } from "vitest/config";

const sideBySide = { maxWorkers: 2 };
// Models run on every core by themselves; test files side by side would only fight for them.
const oneByOne = { fileParallelism: false, sequence: { groupOrder: 1 } };

const lane = (name: string, options: object) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
});

/**
 * A lane is a folder of test/: how its files run. test/run.mjs says which lanes the second Node runs.
 *
 * - plain: text, numbers and files, on one thread: the same JavaScript on every Node
 * - kernels: what V8 compiles, on one thread
 * - text: what ICU and the engine of regular expressions know, on one thread
 * - teams: models, on all cores
 * - packages: commands, packages, documents and the lab, as an outsider runs them
 */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    setupFiles: ["test/support/typed-array-equality.ts"],
    projects: [
      lane("plain", sideBySide),
      lane("kernels", sideBySide),
      lane("text", sideBySide),
      lane("teams", oneByOne),
      lane("packages", oneByOne),
    ],
  },
});
