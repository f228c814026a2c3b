// The package as it is published: what is in it, how large it is, and that programs of every kind find code and types.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { beforeAll, describe, expect, it } from "vitest";
import { installPacked, type PackedPackage } from "../support/packed-package.js";
import { runProgram } from "../support/run-program.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const root = new URL("../../", import.meta.url);
const description = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
  readonly repository?: unknown;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
};
const folder = temporaryFolder();
let packed: PackedPackage;
beforeAll(() => {
  packed = installPacked(folder.path("program"));
});

/** Writes a file of the program that uses the package. */
function write(name: string, content: string): string {
  const path = join(folder.path("program"), name);
  writeFileSync(path, content);
  return path;
}

it("npm sbom lists what a program gets: SECURITY.md's command", () => {
  const [, command] = /^npm (sbom [^#]*)#/m.exec(readFileSync(new URL("SECURITY.md", root), "utf8"))!;
  const { stdout } = spawnSync("npm", command!.trim().split(" "), { cwd: root, encoding: "utf8" });
  const { components } = JSON.parse(stdout) as { components: readonly { name: string; version: string }[] };
  // What `cria serve` needs, and what that needs; and nothing for the library. Those that npm also finds among the development
  // dependencies' own it does not list.
  const { yaml, ...optional } = description.optionalDependencies;
  const versions = Object.fromEntries(components.map(({ name, version }) => [name, version]));
  expect(versions).toMatchObject(optional);
  const known = [...Object.keys(optional), "@opentelemetry/api", "bintrees", "tdigest"];
  expect(Object.keys(versions).filter((name) => !known.includes(name))).toEqual([]);
  expect(yaml).toBeDefined();
});

describe("the tarball", () => {
  // 0.05 MB of it are the server's page, with the libraries that show Markdown, and 0.09 MB the figures of reports; 0.2 MB documents.
  it("is smaller than 2.4 MB, the demo model left out", () => {
    const demo = packed.files.find(({ path }) => path === "models/cria-demo-Q4_K_S.gguf");
    expect(demo!.size).toBeGreaterThan(1_000_000);
    // Weights do not compress: the model takes at least nine tenths of its size in the tarball.
    expect(packed.size - 0.9 * demo!.size).toBeLessThan(2_400_000);
  });

  it("has code, types, kernels, the demo model, and nothing of the workshop", () => {
    const folders = new Set(packed.files.map(({ path }) => path.split("/")[0]));
    const documents = ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"];
    expect([...folders].toSorted()).toEqual(
      [...documents, "bench", "deploy", "dist", "docs", "examples", "models", "package.json"].toSorted(),
    );
    const bench = packed.files.filter(({ path }) => path.startsWith("bench/")).map(({ path }) => path);
    expect(bench.toSorted()).toEqual(["bench/README.md", "bench/RESULTS.md"]);
    expect(packed.files.filter(({ path }) => /\.(test|map|tsbuildinfo|log)/.test(path))).toEqual([]);
  });

  it("has every file that its documents lead to", () => {
    const files = new Set(packed.files.map(({ path }) => path));
    const pages = [...files].filter((path) => path.endsWith(".md"));
    const broken = pages.flatMap((page) => {
      const text = readFileSync(join(folder.path("program/node_modules/cria"), page), "utf8");
      const links = [...text.replace(/^```.*?^```$/gms, "").matchAll(/\]\(([^)\s#]+)[^)]*\)/g)];
      return links
        .map(([, target]) => target!)
        .filter((target) => !/^https?:/.test(target))
        .map((target) => posix.join(posix.dirname(page), target))
        .filter((target) => !/^(assembly|bench\/ladder)\b/.test(target)) // docs/matmul.md is about sources, which are in the repository
        .filter((target) => !files.has(target) && ![...files].some((path) => path.startsWith(target)));
    });
    expect(broken).toEqual([]);
  });

  it("is not published before it is known where its documents are", () => {
    const { status } = spawnSync("npm", ["run", "--silent", "prepublishOnly"], { cwd: root });
    expect(status === 0).toBe(description.repository !== undefined);
  });

  it("has every file that its exports name", () => {
    const targets = Object.values(description.exports).flatMap((one) =>
      typeof one === "string" ? [one] : Object.values(one),
    );
    const missing = targets.filter(
      (target) => !target.includes("*") && !existsSync(join(folder.path("program/node_modules/cria"), target)),
    );
    expect(missing).toEqual([]);
  });

  it("runs nothing when it is installed, and has no dependency", () => {
    const installing = Object.keys(description.scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name));
    expect(installing).toEqual([]);
    expect(description.dependencies).toBeUndefined();
  });

  it("has nothing that publint would say", async () => {
    const tarball = readFileSync(packed.tarball);
    const { messages, pkg } = await publint({
      pack: { tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.length) },
      strict: true,
    });
    expect(messages.map((message) => formatMessage(message, pkg!))).toEqual([]);
  });

  it("has types that are right for every kind of import, says attw", () => {
    const attw = fileURLToPath(new URL("node_modules/@arethetypeswrong/cli/dist/index.js", root));
    const { status, stdout } = spawnSync(
      process.execPath,
      [attw, packed.tarball, "--profile", "esm-only", "--no-color"],
      { encoding: "utf8" },
    );
    expect([status, status === 0 ? "" : stdout]).toEqual([0, ""]);
  });
});

describe("a program", () => {
  const demo = fileURLToPath(new URL("models/cria-demo-Q4_K_S.gguf", root));

  it("of ECMAScript modules imports every entry", () => {
    const entries = Object.keys(description.exports).filter((name) => !/\*|json$/.test(name));
    const optional = ["./ai-sdk", "./langchain", "./server", "./bullmq"]; // their packages are the program's to install
    const names = entries
      .filter((name) => !optional.includes(name))
      .map((name) => join("cria", name).replaceAll("\\", "/"));
    const imports = names.map((name) => `console.log("${name}", Object.keys(await import("${name}")).length > 0);`);
    const { stdout } = runProgram(pathToFileURL(write("entries.mjs", imports.join("\n"))));
    expect(stdout).toBe(names.map((name) => `${name} true\n`).join(""));
  });

  it("of CommonJS imports it, and requires it where Node can (20.19, 22.12 and later)", () => {
    const answer = `loadModel(process.argv[2], { threads: 1 }).then(async (model) => {
      console.log((await model.complete("Once", { maxTokens: 3 })).tokens.length);
      await model.dispose();
    });`;
    const imported = write("imported.cjs", `import("cria").then(({ loadModel }) => ${answer})`.replace(/;\)$/, ")"));
    expect(runProgram(pathToFileURL(imported), { args: [demo] }).stdout).toBe("3\n");
    const required = write("required.cjs", `const { loadModel } = require("cria"); ${answer}`);
    if ((process.features as { require_module?: boolean }).require_module === true) {
      expect(runProgram(pathToFileURL(required), { args: [demo] }).stdout).toBe("3\n");
    } else {
      expect(() => runProgram(pathToFileURL(required), { args: [demo] })).toThrow(/ERR_REQUIRE_ESM/);
    }
  });

  it("in TypeScript finds the types, in strict mode and without skipLibCheck", () => {
    write(
      "typed.mts",
      `import { DownloadError, downloadModel, loadModel, type Match, type Model, saveVectors, streamResponse, topK } from "cria";
       import { openGguf } from "cria/gguf";
       import type { BenchResult } from "cria/lab";
       import { tokenizerFrom } from "cria/tokenizer";
       export async function first(path: string): Promise<Int32Array> {
         const model: Model = await loadModel(path, { threads: 1 });
         const ids: Int32Array = tokenizerFrom((await openGguf(await downloadModel("hf:a/b"))).metadata).encode("a");
         // @ts-expect-error: there is no such option
         await model.complete("a", { heat: 1 });
         const animal = { type: "object", properties: { legs: { type: "integer" } }, required: ["legs"] } as const;
         const legs: number = (await model.completeJson("a", animal)).object.legs;
         const answer: Response = await streamResponse(model.generate("a"), { format: "events" });
         const best: Match[] = topK(await model.embed("a"), await model.embed(["b"]), legs + answer.status);
         await saveVectors("vectors.npy", await model.embed(["b"]));
         return best.length > model.tokenizer.count("a") ? new Int32Array(0) : ids;
       }
       export type Result = BenchResult;
       export const isOurs = (error: unknown): boolean => error instanceof DownloadError && error.status === 404;`,
    );
    const tsc = fileURLToPath(new URL("node_modules/typescript/lib/tsc.js", root));
    // A server's program has no DOM.
    for (const dom of [["DOM"], []]) {
      const compiler = {
        ...{ strict: true, noEmit: true, target: "ES2022", lib: ["ES2023", "ESNext.Disposable", ...dom] },
        ...{ module: "node16", moduleResolution: "node16", types: ["node"] },
      };
      write("tsconfig.json", JSON.stringify({ compilerOptions: compiler, files: ["typed.mts"] }));
      const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder.path("program")], { encoding: "utf8" });
      expect([status, stdout]).toEqual([0, ""]);
    }
  });
});
