// Logits are the same to the last bit on another Node, in each build of the kernels that both can run. CRIA_OTHER_NODE is its binary.

import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fixtureModel, randomIds } from "../support/fixture-model.js";
import { identityModels } from "../support/identity-models.js";
import { runnableBuilds } from "../support/kernel-module.js";
import { runProgram } from "../support/run-program.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const node = process.env["CRIA_OTHER_NODE"];

describe.skipIf(node === undefined)("on another Node (CRIA_OTHER_NODE), logits are the same bits", () => {
  const folder = temporaryFolder();
  const program = new URL("../support/programs/logits-digest.mjs", import.meta.url);
  const fastest = 'const m = await import("./dist/machine/kernels.js"); console.log((await m.compileKernels()).build);';
  const otherHasVnni = () => runProgram(fastest, { node: node!, env: { CRIA_KERNELS: "" } }).stdout === "vnni\n";

  it.each(identityModels)("$name", async ({ name, shape, tokens, caches }) => {
    const path = folder.path(`${name}.gguf`);
    writeFileSync(path, await fixtureModel(shape));
    const builds = runnableBuilds.filter((build) => build !== "vnni" || otherHasVnni());
    const ids = randomIds(Math.min(140, tokens), shape.vocab);
    const args = [path, ids.join(","), builds.join(","), caches.join(",")];
    const { stdout } = runProgram(program, { args });
    expect(stdout.match(/^(simd|relaxed|vnni|dotprod) \w+ [0-9a-f]{64}$/gm)).toHaveLength(
      builds.length * caches.length,
    );
    expect(runProgram(program, { args, node: node! }).stdout).toBe(stdout);
  });
});
