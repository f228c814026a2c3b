// The documentation: its links lead somewhere, its snippets are right by the package's own types, those marked `run` run and print what
// the page says, and the page of errors has every code.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { commands } from "../../dist/cli/commands.js";
import { runProgram } from "../support/run-program.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
const pages = [
  ...[
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "examples/README.md",
    "models/README.md",
    "bench/README.md",
  ],
  ...guides.map((name) => `docs/${name}`),
];
const textOf = (page: string) => readFileSync(join(root, page), "utf8");

interface Fence {
  readonly page: string;
  readonly line: number;
  /** What stands behind the three marks: a language, and words for this test. */
  readonly words: readonly string[];
  readonly text: string;
}

function fencesOf(page: string): Fence[] {
  const text = textOf(page);
  return [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map(({ index, 1: info, 2: body }) => {
    return { page, line: text.slice(0, index).split("\n").length, words: info!.trim().split(/ +/), text: body! };
  });
}

const fences = pages.flatMap(fencesOf);
const snippets = fences.filter(({ words }) => ["js", "ts"].includes(words[0]!));
const nameOf = ({ page, line }: Fence) => `${page}:${line}`;

describe("snippets", () => {
  /** What a snippet may take for granted: the page has said where it comes from. */
  const given: Readonly<Record<string, string>> = {
    loadModel: 'typeof import("cria").loadModel',
    model: 'import("cria").Model',
    chat: 'import("cria").Chat',
    sequence: 'import("cria").Sequence',
    signal: "AbortSignal",
    prompt: "string",
    texts: "string[]",
    messages: 'import("cria").ChatMessage[]',
  };

  it("are right by the package's types", { timeout: 120_000 }, () => {
    const folder = join(root, "build", "docs");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const options = {
      ...{ target: "ES2022", module: "NodeNext", lib: ["ES2023", "ESNext.Disposable", "DOM"], types: ["node"] },
      ...{ strict: false, skipLibCheck: true, noEmit: true }, // most are JavaScript
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.mts"] }));
    for (const snippet of snippets) {
      const declared = (name: string) => {
        return new RegExp(`\\b(?:const|let|using|import) (?:${name}\\b|[{[][^}\\]]*\\b${name}\\b)`).test(snippet.text);
      };
      const used = (name: string) => new RegExp(`(?<![.\\w])${name}\\b(?!:)`).test(snippet.text);
      const granted = Object.entries(given).filter(([name]) => used(name) && !declared(name));
      const prelude = granted.map(([name, type]) => `declare const ${name}: ${type};`).join(" ");
      const file = `${snippet.page.replace(/\W/g, "-")}-line-${snippet.line}.mts`;
      // One line before the snippet's first, which is the fence in the page: line numbers of messages are the page's, less the fence's.
      writeFileSync(join(folder, file), `export {}; ${prelude}\n${snippet.text}`);
    }
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
    const { stdout } = spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
    expect(stdout).toBe("");
  });

  const runs = snippets.filter(({ words }) => words.includes("run"));
  it.each(runs.map((snippet) => [nameOf(snippet), snippet] as const))(
    "%s runs and prints what follows it",
    (_, snippet) => {
      const { stdout } = runProgram(snippet.text);
      const next = fences[fences.indexOf(snippet) + 1]!;
      expect(next.words).toEqual(["text"]);
      expect(stdout.trimEnd()).toBe(next.text.trimEnd());
    },
  );
});

describe("links", () => {
  /** The name by which a heading is linked to, as GitHub makes it. */
  const anchorOf = (heading: string) => {
    return heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
  };
  const anchorsOf = (page: string) =>
    [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!));

  it.each(pages)("of %s lead to files and headings that there are", (page) => {
    const broken: string[] = [];
    const prose = textOf(page).replace(/^```.*?^```$/gms, "");
    for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [path, anchor] = target!.split("#");
      const to = path === "" ? page : join(dirname(page), path!);
      const found = existsSync(join(root, to)) && (anchor === undefined || anchorsOf(to).includes(anchor));
      if (!found) broken.push(target!);
    }
    expect(broken).toEqual([]);
  });

  it("reach every guide from the index", () => {
    const index = textOf("docs/README.md");
    expect(guides.filter((name) => name !== "README.md" && !index.includes(`](${name})`))).toEqual([]);
  });
});

describe("docs/errors.md", () => {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(join(root, "src", name), "utf8"));
  // What is written like a code and is none: the environment's variables, and the codes of Node's own errors.
  const foreign = /^(CRIA|ERR|HF|XDG)_|^(ENOENT|EISDIR|ENXIO|EPIPE)$/;
  const inSource = new Set<string>();
  for (const source of sources) {
    for (const [, code] of source.matchAll(/"([A-Z]{2,}(?:_[A-Z]+)+)"/g)) inSource.add(code!);
    for (const [, code] of source.matchAll(/new \w*Error\(\s*"([A-Z]+)"/g)) inSource.add(code!);
  }
  const codes = [...inSource].filter((code) => !foreign.test(code)).sort();
  const listed = [...textOf("docs/errors.md").matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code!).sort();

  it("lists every code that there is, once, and no other", () => {
    expect(listed).toEqual(codes);
  });

  it("tells of every class", () => {
    const classes = [...readFileSync(join(root, "src/errors.ts"), "utf8").matchAll(/^export class (\w+)/gm)];
    for (const [, name] of classes) expect(textOf("docs/errors.md")).toContain(`## ${name}`);
  });
});

describe("README.md", () => {
  it("begins with two lines for a fresh machine: one runs the main job, one the tests", () => {
    const [first] = fences.filter(({ page }) => page === "README.md");
    expect(first!.line).toBeLessThan(12);
    expect(first!.text.trim().split("\n")).toEqual([
      expect.stringMatching(/^npm ci && npm run build && npx cria run ".+"$/),
      "npm ci && npm test",
    ]);
  });

  const sourceOf = (path: string) => readFileSync(join(root, path), "utf8");

  it("has as many pre-tokenizers as their table has rows", () => {
    const [, table] = sourceOf("src/tokenizer/pretokenizers.ts").split(/^const rows\b/m);
    const rows = table!.match(/\bnames: \[/g)!.length;
    expect(textOf("README.md")).toContain(`with ${rows} pre-tokenizers`);
  });

  it("has the weight formats of the table, and no other", () => {
    const formats = [...sourceOf("assembly/formats/table.ts").matchAll(/run<(\w+)>/g)].map(([, name]) => name!);
    const listed = /^\| weights \| (.*) \|$/m.exec(textOf("README.md"))![1]!.split(" ");
    expect(listed.sort()).toEqual(formats.sort());
  });
});

it.each(pages)("%s: text of at most 100 columns, table rows and code of at most 120", (page) => {
  const prose = textOf(page).replace(/^```.*?^```$/gms, (fence) => fence.replace(/^.{0,120}$/gm, ""));
  const long = prose.split("\n").filter((line) => line.length > (/^\||^```/.test(line) ? 120 : 100));
  expect(long).toEqual([]);
});

describe("the command line", () => {
  const has = (text: string, word: string) => new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(text);

  it("every command stands in the README", () => {
    const readme = textOf("README.md");
    const shown = readme.slice(readme.indexOf("## On the command line"), readme.indexOf("## What it runs"));
    expect(Object.keys(commands).filter((name) => !has(shown, name))).toEqual([]);
  });

  it.each([
    ["serve", ["docs/serve.md"]],
    ["ps", ["docs/serve.md"]],
    ["stop", ["docs/serve.md"]],
    ["worker", ["docs/scale.md", "docs/serve.md"]],
  ] as const)("every flag of cria %s stands in %s", async (name, places) => {
    const text = places.map(textOf).join("\n");
    const { options } = await commands[name]!.load();
    const flags = Object.values(options).map(({ flags }) => flags);
    expect(flags.length).toBeGreaterThan(1);
    expect(flags.filter((names) => !names.some((flag) => has(text, flag)))).toEqual([]);
  });
});
