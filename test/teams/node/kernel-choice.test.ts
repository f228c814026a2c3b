// Which build of the kernels runs, in every surrounding: the one that is asked for, else the fastest; on Node 20, where relaxed SIMD lies
// behind a flag of V8, too.

import { describe, expect, it } from "vitest";
import { kernelBuilds } from "../../../dist/machine/kernels.js";
import { runnableBuilds } from "../../support/kernel-module.js";
import { runProgram } from "../../support/run-program.js";

/** What this machine should choose, on this Node. */
const fastest = kernelBuilds.find((one) => runnableBuilds.includes(one))!;

/** Loads the demo model and prints which kernels run it, and that they do. */
const load = `
const { loadModel } = await import("cria");
const model = await loadModel("models/cria-demo-Q4_K_S.gguf", { threads: 2 });
const { tokens } = await model.complete("Once", { maxTokens: 3 });
console.log(model.info.kernels, tokens.length);
`;

/** Whether this thread accepts relaxed SIMD. */
const validates = `
const { readFileSync } = await import("node:fs");
const validates = () => WebAssembly.validate(readFileSync("dist/assets/kernels.relaxed.wasm"));
`;

const env = { CRIA_KERNELS: "" };

describe("the build", () => {
  it("is the fastest that the host can run", () => {
    expect(runProgram(load, { env }).stdout).toBe(`${fastest} 3\n`);
  });

  it.each(runnableBuilds)("is %s where CRIA_KERNELS asks for it", (wanted) => {
    expect(runProgram(load, { env: { CRIA_KERNELS: wanted } }).stdout).toBe(`${wanted} 3\n`);
  });

  it("is refused where CRIA_KERNELS asks for one that does not exist", () => {
    const program = `await import("cria").then(({ loadModel }) => loadModel("models/cria-demo-Q4_K_S.gguf")).catch(
      ({ code, message }) => console.log(code, message))`;
    const { stdout } = runProgram(program, { env: { CRIA_KERNELS: "avx" } });
    expect(stdout).toMatch(/^INVALID_OPTION CRIA_KERNELS must be one of .*simd; it is "avx"/);
  });

  it("is the same after the host has compiled and run other WebAssembly", () => {
    // (module (func (export "f") (result i32) (i32.const 42)))
    const wasm = "0061736d010000000105016000017f03020100070501016600000a06010400412a0b";
    const { stdout } = runProgram(
      `const module = await WebAssembly.compile(Buffer.from("${wasm}", "hex"));
       console.log(new WebAssembly.Instance(module).exports.f());
       ${load}`,
      { env },
    );
    expect(stdout).toBe(`42\n${fastest} 3\n`);
  });

  it("is the same in a worker thread, several at once", () => {
    const { stdout } = runProgram(
      `import { Worker } from "node:worker_threads";
       for (let i = 0; i < 3; i++) new Worker(${JSON.stringify(`(async () => {${load}})()`)}, { eval: true });`,
      { env },
    );
    expect(stdout).toBe(`${fastest} 3\n`.repeat(3));
  });

  it("leaves V8's flags as they were", () => {
    const { stdout } = runProgram(
      `${validates} const before = validates(); ${load}
       console.log(validates() === before, validates() === before);`,
      { env },
    );
    expect(stdout).toBe(`${fastest} 3\ntrue true\n`);
  });
});
