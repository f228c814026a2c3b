// Where random cases begin: new in every run, and told where a test fails (tell-seed.ts). CRIA_TEST_SEED=N runs the cases of that run again.

import { Random } from "../../bench/synthetic/random.js";

/** 32 bits. vitest.config.ts chooses it, once for all files and workers of a run. */
export const testSeed = Number(process.env["CRIA_TEST_SEED"]) >>> 0;

/** The numbers of a stream: the same in one run, others in the next. */
export function randomStream(stream: number): Random {
  return new Random(testSeed + stream);
}
