// The leader's bundle holds what a worker runs, and nothing that only the caller's thread runs.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { beforeAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

// Names of files and folders of dist.
const callersOnly = [
  "api",
  "hub",
  "tokenizer",
  "gguf",
  "quantize",
  "protocol/client.js",
  "machine/team.js",
  "grammar/gbnf.js",
  "grammar/json-schema",
  "grammar/compile.js",
  "grammar/build-automaton.js",
  "grammar/tool-calls",
];

/** Modules of the bundle, as paths below dist. */
let modules: readonly string[];

beforeAll(async () => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["dist/leader/worker.js"],
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    external: ["node:*"],
    metafile: true,
    write: false,
  });
  modules = Object.keys(metafile.inputs).map((path) => path.replace(/^dist\//, ""));
});

it("has the leader, the forward pass and the grammars' masks", () => {
  expect(modules).toEqual(expect.arrayContaining(["leader/leader.js", "model/pass.js", "grammar/masks.js"]));
});

it.each(callersOnly)("has nothing of %s", (name) => {
  expect(existsSync(`${root}/dist/${name}`)).toBe(true);
  expect(modules.filter((path) => path === name || path.startsWith(`${name}/`))).toEqual([]);
});
