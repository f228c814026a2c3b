import { randomInt } from "node:crypto";
import { defineConfig } from "vitest/config";

// Random cases are new in every run; the workers inherit the seed.
if (process.env["CRIA_TEST_SEED"] === undefined) {
  process.env["CRIA_TEST_SEED"] = String(randomInt(2 ** 32));
  console.log(`CRIA_TEST_SEED=${process.env["CRIA_TEST_SEED"]}`);
}

/** How files of a lane run. All lanes that run two at a time run together, and before those that run one by one. */
const twoAtATime = { maxWorkers: 2, sequence: { groupOrder: 0 } };
const oneByOne = { fileParallelism: false, sequence: { groupOrder: 1 } };

const lane = (folder: string, options: object) => ({
  extends: true as const,
  test: { name: folder, include: [`test/${folder}/**/*.test.ts`], ...options },
});

/**
 * A lane is a folder of test/: it says how its files run, and on which Node.
 *
 * | folder        | what                                                              | files at once | Node |
 * | ------------- | ----------------------------------------------------------------- | ------------- | ---- |
 * | plain         | text, numbers and files: the same JavaScript on every Node        | 2             | one  |
 * | kernels       | what V8 compiles                                                  | 2             | both |
 * | text          | what ICU and the engine of regular expressions know               | 2             | both |
 * | teams/calls   | what a program calls, on small teams                              | 2             | one  |
 * | teams/node    | what Node gives: workers, atomics, files, requests, processes     | 2             | both |
 * | packages      | commands, packages, documents and the lab, as an outsider runs them | 2           | one  |
 * | teams/numbers | the numbers of models, on all cores                               | 2             | one  |
 * | teams/clock   | what is held to a time, or to the event loop's turns              | 1             | both |
 *
 * test/run.mjs has the lanes of the second Node.
 */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    setupFiles: ["test/support/typed-array-equality.ts", "test/support/tell-seed.ts"],
    projects: [
      lane("plain", twoAtATime),
      lane("kernels", twoAtATime),
      lane("text", twoAtATime),
      lane("teams/calls", { ...twoAtATime, env: { CRIA_THREADS: "1" } }),
      lane("teams/node", twoAtATime),
      lane("packages", twoAtATime),
      lane("teams/numbers", twoAtATime),
      lane("teams/clock", oneByOne),
    ],
  },
});
