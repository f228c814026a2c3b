// Wide kernels: where they run they have the bits of the others, and where they do not, the others run and the reason is told. An end of
// the process that tries them never reaches the program.

import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { fixtureModel, randomIds } from "../../support/fixture-model.js";
import { identityModels } from "../../support/identity-models.js";
import { runnableBuilds } from "../../support/kernel-module.js";
import { runProgram } from "../../support/run-program.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { wideNode } from "../../support/wide-node.js";

const folder = temporaryFolder();
const root = fileURLToPath(new URL("../../../", import.meta.url));
const load = new URL("../../support/programs/load-wide.mjs", import.meta.url);

interface Loaded {
  readonly kernels: string;
  readonly kernelsProblem: string;
  readonly tokens: readonly number[];
}

/** A cache of its own, or one that a test has made. */
let caches = 0;
const newCache = () => folder.path(`cache-${caches++}`);
const answersIn = (cache: string) => {
  const place = `${cache}/wide-kernels`;
  return existsSync(place) ? readdirSync(place).map((name) => readFileSync(`${place}/${name}`, "utf8")) : [];
};

interface Surroundings {
  readonly cache?: string;
  readonly assets?: string;
  readonly flags?: readonly string[];
  readonly node?: string;
}

function environmentOf(cache: string) {
  return { ...process.env, NODE_OPTIONS: "", CRIA_KERNELS: "", CRIA_CACHE: cache };
}

/** Loads the demo model with wide kernels in a process of its own. */
function loadWide({ cache = newCache(), assets, flags = [], node = wideNode! }: Surroundings = {}): Loaded {
  const args = [...flags, fileURLToPath(load), ...(assets === undefined ? [] : [pathToFileURL(`${assets}/`).href])];
  const { status, signal, stdout, stderr } = spawnSync(node, args, {
    cwd: root,
    encoding: "utf8",
    env: environmentOf(cache),
    timeout: 50_000,
  });
  if (status !== 0) throw new Error(`the program ended with ${signal ?? status}:\n${stdout}\n${stderr}`);
  return JSON.parse(stdout) as Loaded;
}

/** A copy of the package's assets in which the program that tries wide kernels is another one. It counts how often it runs. */
function assetsWith(name: string, program: string) {
  const assets = folder.path(name);
  cpSync(`${root}dist/assets`, assets, { recursive: true });
  const count = folder.path(`${name}.count`);
  writeFileSync(
    `${assets}/wide-probe.mjs`,
    `import { appendFileSync } from "node:fs"; appendFileSync(${JSON.stringify(count)}, "x"); ${program}`,
  );
  return { assets, runs: () => (existsSync(count) ? readFileSync(count, "utf8").length : 0) };
}

const report = (trial: string) =>
  `const { createHash } = await import("node:crypto"), { readFileSync } = await import("node:fs");
   const digest = createHash("sha256");
   for (const path of process.argv.slice(2)) digest.update(readFileSync(path));
   console.log(JSON.stringify({ v8: process.versions.v8, modules: digest.digest("hex"), trial: ${trial} }));`;

describe.skipIf(wideNode === undefined)("on a Node that has them, wide kernels", () => {
  it("run where the option asks for them, and the answer is kept", () => {
    const cache = newCache();
    const first = loadWide({ cache });
    expect(first).toMatchObject({ kernels: expect.stringMatching(/^wide-(relaxed|vnni)$/), kernelsProblem: "nothing" });
    const answers = answersIn(cache);
    expect(answers.map((text) => JSON.parse(text).answer)).toEqual([{ runs: true }]);
    expect(loadWide({ cache })).toEqual(first);
    expect(answersIn(cache)).toEqual(answers);
  });

  it.each(identityModels)("have the bits of the others: $name", async ({ name, shape, tokens, caches: types }) => {
    const path = folder.path(`${name}.gguf`);
    writeFileSync(path, await fixtureModel(shape));
    const ids = randomIds(Math.min(140, tokens), shape.vocab).join(",");
    const digests = (build: string) => {
      const { stdout } = runProgram(new URL("../../support/programs/logits-digest.mjs", import.meta.url), {
        args: [path, ids, build, types.join(",")],
        node: wideNode!,
        env: { CRIA_CACHE: folder.path("cache-of-bits") },
      });
      return stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" "));
    };
    const wide = digests("wide");
    const builds = new Set(wide.map(([build]) => build!));
    expect([...builds]).toEqual([expect.stringMatching(/^wide-(relaxed|vnni)$/)]);
    const plain = digests([...builds][0]!.replace("wide-", ""));
    expect(wide.map(([, ...rest]) => rest)).toEqual(plain.map(([, ...rest]) => rest));
  });

  it("leave V8's flags as they were", () => {
    const program = `
      const { readFileSync } = await import("node:fs");
      const { loadModel } = await import("cria");
      const { compileNarrow } = await import("./dist/machine/wide/compile.js");
      const { tryWide } = await import("./dist/machine/wide/trial.js");
      const model = await loadModel("models/cria-demo-Q4_K_S.gguf", { threads: 1, kernels: "wide" });
      try { new Function("%DebugPrint(1)"); } catch ({ name }) { console.log(model.info.kernels, name); }
      await model.dispose();
      const plain = await compileNarrow(readFileSync("dist/assets/kernels.relaxed.wasm"));
      // The wide module again, as other bytes: they are twice as fast where V8 makes them wide, and slower where it does not.
      const again = Buffer.concat([readFileSync("dist/assets/kernels.wide-relaxed.wasm"), Buffer.from([0, 3, 2, 97, 97])]);
      console.log(tryWide(plain, await compileNarrow(again)).speedUp < 1.1);`;
    const { stdout } = runProgram(program, { node: wideNode!, env: { CRIA_KERNELS: "", CRIA_CACHE: newCache() } });
    expect(stdout).toMatch(/^wide-(relaxed|vnni) SyntaxError\ntrue\n$/);
  });

  it("do not run beside a model that was loaded before without them, whose kernels V8 could make wide too", () => {
    const program = `
      const { demoModel, loadModel } = await import("./dist/index.js");
      const told = [];
      for (const kernels of process.env.ORDER.split(" ")) {
        const model = await loadModel(demoModel, { threads: 1, kernels: kernels === "plain" ? undefined : kernels });
        told.push([model.info.kernels.startsWith("wide"), /load one with wide kernels first/.test(model.info.kernelsProblem)]);
      }
      console.log(JSON.stringify(told));
      process.exit();`;
    const told = (ORDER: string) =>
      JSON.parse(
        runProgram(program, { node: wideNode!, env: { CRIA_KERNELS: "", CRIA_CACHE: newCache(), ORDER } }).stdout,
      );
    const [wide, plain, refused] = [
      [true, false],
      [false, false],
      [false, true],
    ];
    expect(told("plain wide")).toEqual([plain, refused]);
    expect(told("wide plain wide")).toEqual([wide, plain, wide]);
  });

  it("are not the only ones that V8 may make wide: all can be", () => {
    // What another thread optimises while the flag is set is made wide, too.
    const program = `
      const { readFileSync } = await import("node:fs");
      const { compileWide } = await import("./dist/machine/wide/compile.js");
      for (const build of ["simd", "relaxed", "vnni"]) await compileWide(readFileSync("dist/assets/kernels." + build + ".wasm"));
      console.log("alive");`;
    expect(runProgram(program, { node: wideNode! }).stdout).toBe("alive\n");
  });

  it("leave modules alone that other threads compile meanwhile", () => {
    const other = `(async () => {
        const { parentPort } = await import("node:worker_threads");
        const bytes = (await import("node:fs")).readFileSync("dist/assets/kernels.relaxed.wasm");
        let ended = false;
        parentPort.on("message", () => { ended = true; });
        for (let i = 0; !ended; i++) {
          const meaningless = [0, 3, 2, 33 + (i & 63), 33 + ((i >> 6) & 63)]; // a section by which they are other bytes each time
          await WebAssembly.compile(Buffer.concat([bytes, Buffer.from(meaningless)]));
          if (i === 0) parentPort.postMessage("begun");
          await new Promise(setImmediate);
        }
        parentPort.close();
      })()`;
    const { stdout } = runProgram(
      `import { readFileSync } from "node:fs";
       import { Worker } from "node:worker_threads";
       import { compileWide } from "./dist/machine/wide/compile.js";
       const worker = new Worker(${JSON.stringify(other)}, { eval: true });
       await new Promise((resolve) => worker.once("message", resolve));
       for (let i = 0; i < 5; i++) await compileWide(readFileSync("dist/assets/kernels.wide-relaxed.wasm"));
       worker.postMessage("end");
       await new Promise((resolve) => worker.once("exit", resolve));
       console.log("alive");`,
      { node: wideNode! },
    );
    expect(stdout).toBe("alive\n");
  });

  it("run in several threads of a process, which compile them one after the other", () => {
    const code = `(async () => {
      const { loadModel } = await import("cria");
      const model = await loadModel("models/cria-demo-Q4_K_S.gguf", { threads: 1, kernels: "wide" });
      console.log(model.info.kernels, model.info.kernelsProblem);
      await model.dispose();
    })()`;
    const { stdout } = runProgram(
      `import { Worker } from "node:worker_threads";
       for (let i = 0; i < 3; i++) new Worker(${JSON.stringify(code)}, { eval: true });`,
      { node: wideNode!, env: { CRIA_KERNELS: "", CRIA_CACHE: newCache() } },
    );
    expect(stdout).toMatch(/^(wide-(relaxed|vnni) undefined\n){3}$/);
  });

  it("are tried by two processes at once without harm", async () => {
    const cache = newCache();
    const outputs = await Promise.all(
      [1, 2].map(async () => {
        const child = spawn(wideNode!, [fileURLToPath(load)], { cwd: root, env: environmentOf(cache) });
        let output = "";
        for await (const text of child.stdout.setEncoding("utf8")) output += text;
        return JSON.parse(output) as Loaded;
      }),
    );
    for (const { kernels, kernelsProblem } of outputs)
      expect([kernels, kernelsProblem]).toEqual([expect.stringMatching(/^wide/), "nothing"]);
    expect(answersIn(cache)).toHaveLength(1);
  });

  it("are tried again where the kept answer is damaged, and it is mended", () => {
    const cache = newCache();
    loadWide({ cache });
    const [good] = answersIn(cache) as [string];
    const [name] = readdirSync(`${cache}/wide-kernels`) as [string];
    for (const bad of [
      "",
      good.slice(0, -9),
      "null",
      "[]",
      good.replace('"runs":true', '"runs":"yes"'),
      good.replace("x64", "x65"),
    ]) {
      writeFileSync(`${cache}/wide-kernels/${name}`, bad);
      expect(loadWide({ cache }).kernelsProblem).toBe("nothing");
      expect(answersIn(cache)).toEqual([good]);
    }
  });

  it("run where the answer cannot be kept, and that is told", () => {
    const cache = newCache();
    writeFileSync(cache, "a file where the folder should be");
    expect(loadWide({ cache })).toMatchObject({
      kernels: expect.stringMatching(/^wide/),
      kernelsProblem: expect.stringMatching(/^wide kernels are tried anew at every start: (ENOTDIR|EEXIST) where/),
    });
  });

  it.each([
    ["abort", "process.abort();", /V8 .* ends the process that compiles them \(SIGABRT\)/],
    ["trap", 'process.kill(process.pid, "SIGTRAP"); setInterval(() => 0, 1000);', /ends the process .* \(SIGTRAP\)/],
    ["bits", report('{ same: false, where: "a test" }'), /their bits differ from the other kernels' in a test/],
    ["slow", report("{ same: true, speedUp: 0.5 }"), /they take 2.00 of the other kernels' time/],
  ])("do not run after %s, for good", (name, program, reason) => {
    const cache = newCache();
    const { assets, runs } = assetsWith(name, program);
    for (let start = 0; start < 2; start++) {
      const { kernels, kernelsProblem, tokens } = loadWide({ cache, assets });
      expect(kernels).toMatch(/^(relaxed|vnni)$/);
      expect(kernelsProblem).toMatch(/^wide kernels do not run: /);
      expect(kernelsProblem).toMatch(reason);
      expect(tokens).toHaveLength(3);
    }
    expect(runs()).toBe(1);
  });

  it.each([
    ["a signal", 'process.kill(process.pid, "SIGKILL");', /was ended by SIGKILL/],
    ["an exit code", "process.exit(3);", /was ended by exit code 3/],
    ["nonsense", 'console.log("{}");', /printed something else/],
    ["an error", report('{ error: "no memory" }'), /failed: no memory/],
    ["another V8", report("{ same: true, speedUp: 2 }").replace("process.versions.v8", '"1.0"'), /was replaced/],
    ["other modules", report("{ same: true, speedUp: 2 }").replace("slice(2)", "slice(3)"), /was replaced/],
  ])("do not run after %s, and are tried again", (name, program, reason) => {
    const cache = newCache();
    const { assets, runs } = assetsWith(name.replaceAll(" ", "-"), program);
    for (let start = 0; start < 2; start++) {
      const { kernels, kernelsProblem } = loadWide({ cache, assets });
      expect(kernels).toMatch(/^(relaxed|vnni)$/);
      expect(kernelsProblem).toMatch(reason);
    }
    expect(runs()).toBe(2);
    expect(answersIn(cache)).toEqual([]);
  });

  it("need a process of their own, which --permission may refuse", () => {
    const allowed = ["--permission", "--allow-fs-read=*", "--allow-worker"];
    expect(loadWide({ flags: allowed })).toMatchObject({
      kernels: expect.stringMatching(/^(relaxed|vnni)$/),
      kernelsProblem: expect.stringContaining("--allow-child-process"),
    });
  });

  it.each(["--no-liftoff", "--no_wasm_inlining", "--no-enable-avx2"])("do not run with %s", (flag) => {
    expect(loadWide({ flags: [flag] }).kernelsProblem).toBe(
      `wide kernels do not run: Node was started with ${flag}, which changes how V8 compiles`,
    );
  });
});

describe("on every Node", () => {
  it.runIf(Number(process.versions.node.split(".")[0]) < 24)("what is too old says so at once", () => {
    const { assets, runs } = assetsWith("old", "process.abort();");
    const cache = newCache();
    const { kernels, kernelsProblem, tokens } = loadWide({ node: process.execPath, cache, assets });
    expect(kernels).toMatch(/^(relaxed|vnni)$/);
    expect(kernelsProblem).toBe(
      `wide kernels do not run: they need Node 24.5 or later; this is Node ${process.versions.node}`,
    );
    expect(tokens).toHaveLength(3);
    expect([runs(), answersIn(cache)]).toEqual([0, []]);
  });

  it("who does not ask for them needs none of their files", async () => {
    const assets = folder.path("without");
    cpSync(`${root}dist/assets`, assets, { recursive: true, filter: (path) => !/wide[^/\\]*$/.test(path) });
    const { loadModel } = await import("cria");
    const model = await loadModel(`${root}models/cria-demo-Q4_K_S.gguf`, {
      threads: 1,
      assets: pathToFileURL(`${assets}/`),
      kernels: runnableBuilds.at(-1)!,
    });
    expect(model.info).toMatchObject({ kernels: runnableBuilds.at(-1), kernelsProblem: undefined });
    await model.dispose();
    if (wideNode !== undefined) expect(() => loadWide({ assets })).toThrow(/ASSET_MISSING|kernels\.wide-\w+\.wasm/);
  });

  it.each(["bun", "deno", "electron"])("%s is told from Node", (name) => {
    const program = `
      Object.defineProperty(process, "versions", { value: { ...process.versions, ${name}: "1.2.3" } });
      const { whyNotHere } = await import("./dist/machine/wide/host.js");
      console.log(await whyNotHere());`;
    expect(runProgram(program).stdout).toBe(`they need Node itself; this is ${name} 1.2.3\n`);
  });

  it("a process that tries them and hangs is ended", async () => {
    const { probe } = await import("../../../dist/machine/wide/probe.js");
    mkdirSync(folder.path("hang"));
    writeFileSync(folder.path("hang/wide-probe.mjs"), "for (;;);");
    const program = pathToFileURL(folder.path("hang/wide-probe.mjs"));
    const { answer, lasting } = await probe({ plain: program, wide: program, program }, "", 300);
    expect(answer).toEqual({ runs: false, why: "the process that tries them did not end within 0.3 s" });
    expect(lasting).toBe(false);
  });

  it("other kernels run where they are asked for by name, and others are refused", async () => {
    const { loadModel } = await import("cria");
    const model = await loadModel(`${root}models/cria-demo-Q4_K_S.gguf`, { threads: 1, kernels: "simd" });
    expect(model.info).toMatchObject({ kernels: "simd", kernelsProblem: undefined });
    await model.dispose();
    await expect(loadModel("nowhere", { kernels: "avx" as "simd" })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: 'kernels must be one of wide, vnni, dotprod, relaxed, simd; it is "avx"',
    });
  });

  it("the baseline has none", async () => {
    const { loadKernels } = await import("../../../dist/machine/load-kernels.js");
    const { kernelNameOf } = await import("../../../dist/machine/kernels.js");
    const kernels = await loadKernels(undefined, "simd");
    expect([kernelNameOf(kernels), kernels.problem]).toEqual(["simd", undefined]);
  });
});
