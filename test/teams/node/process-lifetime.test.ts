// What keeps a process alive: calls under way, and nothing else.

import { describe, expect, it } from "vitest";
import { runProgram } from "../../support/run-program.js";

const load = `
import { loadModel } from "cria";
const model = await loadModel("models/cria-demo-Q4_K_S.gguf", { threads: 2 });
`;

describe("a process", () => {
  it("ends by itself beside an idle model, which nobody has disposed of", () => {
    const { stdout } = runProgram(`${load}
      const { tokens } = await model.complete("Once", { maxTokens: 3 });
      model.createSequence();
      console.log(tokens.length);`);
    expect(stdout).toBe("3\n");
  });

  it("ends by itself beside a model that has not been used", () => {
    expect(runProgram(`${load} console.log(model.info.architecture);`).stdout).toBe("llama\n");
  });

  it("lives until the calls under way are done", () => {
    const { stdout } = runProgram(`${load}
      for (const maxTokens of [1, 40, 20]) {
        model.complete("Once", { maxTokens, temperature: 0 }).then(({ tokens }) => console.log(tokens.length));
      }
      model.embed(["a", "b"]).then((vectors) => console.log(vectors.length, "vectors"));`);
    expect(stdout.split("\n").sort()).toEqual(["", "1", "2 vectors", "20", "40"]);
  });

  it("lives until an abandoned stream has ended, and not longer", () => {
    const { stdout } = runProgram(`${load}
      for await (const part of model.generate("Once")) { console.log("part"); break; }
      const signal = AbortSignal.timeout(20);
      model.complete("Once", { signal }).catch(({ name }) => console.log(name));`);
    expect(stdout).toMatch(/^part\n(TimeoutError\n)?$/);
  });

  it("ends after dispose, and after a load that was aborted", () => {
    const { stdout } = runProgram(`${load}
      await model.dispose();
      const signal = AbortSignal.timeout(1);
      await loadModel("models/cria-demo-Q4_K_S.gguf", { signal }).catch(({ name }) => console.log(name));`);
    expect(stdout).toBe("TimeoutError\n");
  });

  it("may exit in the middle of a generation", () => {
    const { stdout } = runProgram(`${load}
      for await (const part of model.generate("Once")) { console.log("part"); process.exit(0); }`);
    expect(stdout).toBe("part\n");
  });

  it("may load a model in a worker thread of its own", () => {
    const { stdout } = runProgram(`
      import { Worker } from "node:worker_threads";
      const code = ${JSON.stringify(`
        import("cria").then(async ({ loadModel }) => {
          const model = await loadModel("models/cria-demo-Q4_K_S.gguf", { threads: 2 });
          const { tokens } = await model.complete("Once", { maxTokens: 3 });
          console.log(tokens.length, model.info.kernels);
        });`)};
      new Worker(code, { eval: true });`);
    expect(stdout).toMatch(/^3 (simd|relaxed|vnni|dotprod)\n$/);
  });
});
