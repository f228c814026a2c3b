import { defineConfig } from "vitest/config";

const pathsOf = (...names: readonly string[]) => names.map((name) => `test/${name}.test.ts`);

// Text, numbers, documents and packaging: the same JavaScript on every Node. They start no team of workers, and no limit of time that they
// hold comes near, so that two files may run at once.
const plain = pathsOf(
  ...["bundlers", "cpu-topology", "docs", "gguf-files", "gguf-hostile", "gguf-writer", "grammar-gbnf", "jinja"],
  ...["json-schema", "package", "peers-statistics", "structure", "synthetic-model", "tokenizer-hostile"],
);

// What V8 compiles and ICU knows, on one thread: kernels by themselves, regular expressions, samplers. Two files at once, too.
const kernels = [
  "attention",
  "elementwise",
  "matmul",
  "matmul-limits",
  "mean",
  "module",
  "norm",
  "pack",
  "quantize",
  "rope",
];
const singleThreaded = pathsOf(
  ...kernels.map((name) => `kernels/${name}`),
  ...["pretokenizers", "samplers", "sampling", "stop-strings", "tokenizer", "tokenizer-reference"],
);

// What works on all cores or against the clock, but is in other tests as far as Node has a part in it: quantising and the lab are kernels
// and files, commands and examples are the library in a process, node-versions.test.ts runs both Nodes by itself, the reference is no part
// of the library.
const once = pathsOf(
  ...["bench", "browser", "chat-template-reference", "cli", "cpu-command", "examples", "gguf-reader", "hub-cli"],
  ...["kernel-lab", "kernel-lab-exports", "node-versions", "quantize", "reference"],
);

const sideBySide = { maxWorkers: 2 };
// Models run on every core by themselves; test files side by side would only fight for them.
const oneByOne = { fileParallelism: false, sequence: { groupOrder: 1 } };

/** `plain` and `once` need one Node, the others every Node: see test/run.mjs. A file that is in no list is in `engine`. */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    setupFiles: ["test/typed-array-equality.ts"],
    projects: [
      { extends: true, test: { name: "plain", include: plain, ...sideBySide } },
      { extends: true, test: { name: "single-threaded", include: singleThreaded, ...sideBySide } },
      { extends: true, test: { name: "once", include: once, ...oneByOne } },
      {
        extends: true,
        test: {
          name: "engine",
          include: ["test/**/*.test.ts"],
          exclude: [...plain, ...singleThreaded, ...once],
          ...oneByOne,
        },
      },
    ],
  },
});
