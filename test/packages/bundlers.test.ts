// Programs that go through a bundler, with cria left outside and with cria bundled in: built and run, as docs/bundling.md has it.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { loadModel } from "cria";
import * as esbuild from "esbuild";
import * as vite from "vite";
import { beforeAll, describe, expect, it } from "vitest";
import { installPacked } from "../support/packed-package.js";
import { runProgram } from "../support/run-program.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const demo = fileURLToPath(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const folder = temporaryFolder();
const project = folder.path("project");
/** What the programs print. */
let answers: string;
beforeAll(async () => {
  installPacked(project);
  for (const name of ["bundled.mjs", "commonjs.mjs", "unbundled.mjs"]) {
    cpSync(fileURLToPath(new URL(`../support/programs/${name}`, import.meta.url)), join(project, name));
  }
  const model = await loadModel(demo, { threads: 1 });
  const { text } = await model.complete("Once upon a time", { temperature: 0, maxTokens: 4 });
  answers = `${JSON.stringify([text, "3 + 4 = 7."])}\n`;
  await model.dispose();
});

const entry = (name: string) => join(project, name);
const out = (name: string) => join(project, "out", name);
/** The documented copy step: one folder. */
const copyAssets = (to: string) =>
  cpSync(join(project, "node_modules/cria/dist/assets"), join(to, "assets"), { recursive: true });
const run = (program: string) => runProgram(pathToFileURL(program), { args: [demo] }).stdout;

async function buildWithVite(name: string, to: string, ssr: vite.SSROptions): Promise<void> {
  await vite.build({
    ...{ root: project, configFile: false, logLevel: "silent", ssr },
    build: { ssr: entry(name), outDir: to, emptyOutDir: true },
  });
}

const options: esbuild.BuildOptions = { bundle: true, platform: "node", format: "esm", logLevel: "silent" };

describe("with cria external", () => {
  it("esbuild needs --external:cria, and nothing else", async () => {
    const outfile = out("esbuild-external/program.mjs");
    const { warnings } = await esbuild.build({
      ...options,
      entryPoints: [entry("unbundled.mjs")],
      external: ["cria"],
      outfile,
    });
    expect(warnings).toEqual([]);
    expect(readFileSync(outfile, "utf8").length).toBeLessThan(5000);
    expect(run(outfile)).toBe(answers);
  });

  it("Vite SSR needs nothing", async () => {
    await buildWithVite("unbundled.mjs", out("vite-external"), {});
    const program = programIn(out("vite-external"), "unbundled");
    expect(readFileSync(program, "utf8").length).toBeLessThan(5000);
    expect(run(program)).toBe(answers);
  });
});

describe("with cria bundled in, and dist/assets copied", () => {
  it("esbuild", async () => {
    const outfile = out("esbuild-bundled/program.mjs");
    const { warnings } = await esbuild.build({ ...options, entryPoints: [entry("bundled.mjs")], outfile });
    expect(warnings).toEqual([]);
    copyAssets(out("esbuild-bundled"));
    expect(run(outfile)).toBe(answers);
  });

  it("Vite SSR", async () => {
    await buildWithVite("bundled.mjs", out("vite-bundled"), { noExternal: true });
    copyAssets(out("vite-bundled"));
    expect(run(programIn(out("vite-bundled"), "bundled"))).toBe(answers);
  });

  it("esbuild's default, CommonJS", async () => {
    const outfile = out("esbuild-commonjs/program.cjs");
    await esbuild.build({
      bundle: true,
      platform: "node",
      logLevel: "silent",
      entryPoints: [entry("commonjs.mjs")],
      outfile,
    });
    // The kind of the surrounding package must not matter to the copied files.
    writeFileSync(out("esbuild-commonjs/package.json"), '{ "type": "commonjs" }');
    expect(() => run(outfile)).toThrow(/ASSET_MISSING.*assets\/kernels/s);
    copyAssets(out("esbuild-commonjs"));
    expect(run(outfile)).toBe(answers);
    const told = runProgram(pathToFileURL(outfile), { args: [demo, "no assets"] }).stdout;
    expect(told).toMatch(/^ASSET_MISSING .*bundled as CommonJS.*assets: pathToFileURL/);
    const demoModel = runProgram(pathToFileURL(outfile), { args: ["demo model"] }).stdout;
    expect(demoModel).toMatch(/^GGUF_SOURCE demo-model:\/\/not-in-this-bundle /);
  });

  it("without the copy the error names what is missing", async () => {
    const outfile = out("esbuild-forgotten/program.mjs");
    await esbuild.build({ ...options, entryPoints: [entry("bundled.mjs")], outfile });
    expect(() => run(outfile)).toThrow(/ASSET_MISSING|assets\/kernels\.\w+\.wasm/);
  });
});

describe("for browsers", () => {
  const page = () => join(project, "page");
  beforeAll(() => {
    mkdirSync(page(), { recursive: true });
    writeFileSync(
      join(page(), "main.js"),
      `import { loadModel } from "cria";
       import { openGguf } from "cria/gguf";
       import { tokenizerFrom } from "cria/tokenizer";
       globalThis.start = async (blob) => (await loadModel(blob)).complete("Once", { temperature: 0, maxTokens: 4 });
       globalThis.count = async (blob) => tokenizerFrom((await openGguf(blob)).metadata).encode("Once").length;`,
    );
    writeFileSync(join(page(), "index.html"), '<!doctype html><script type="module" src="./main.js"></script>');
  });

  it("esbuild builds a page, and nothing in it is Node's", async () => {
    const outdir = out("esbuild-page");
    const { warnings, metafile } = await esbuild.build({
      ...{ ...options, platform: "browser", metafile: true, outdir },
      entryPoints: [join(page(), "main.js")],
    });
    expect(warnings).toEqual([]);
    expect(importedBy(metafile).filter((path) => path.startsWith("node:"))).toEqual([]);
  });

  it("Vite builds a page with the workers and the kernels, without the demo model", async () => {
    await vite.build({
      ...{ root: page(), configFile: false, logLevel: "silent" },
      build: { outDir: out("vite-page"), emptyOutDir: true, target: "esnext" },
    });
    const files = readdirSync(out("vite-page/assets")).map((name) => name.replace(/-[\w-]{8}(?=\.\w+$)/, ""));
    expect(files).toEqual(expect.arrayContaining(["worker.js", "text-worker.js", "kernels.simd.wasm"]));
    expect(files.filter((name) => name.endsWith(".gguf"))).toEqual([]);
  });
});

/** All that the files of a bundle still import. */
const importedBy = ({ outputs }: esbuild.Metafile) =>
  Object.values(outputs).flatMap(({ imports }) => imports.map(({ path }) => path));

/** Vite chooses the extension by the project's kind. */
function programIn(to: string, name: string): string {
  return [".js", ".mjs"].map((extension) => join(to, name + extension)).find(existsSync)!;
}
