import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Models run on every core by themselves; test files side by side would only fight for them.
    fileParallelism: false,
    pool: "forks",
  },
});
