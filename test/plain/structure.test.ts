// The house: imports point one way. Reads the import lines of src and assembly, and names every arrow that points up.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

// What the files of a room may import besides each other. A room is a folder of src, or of a folder that stands below with a slash; files
// that stand in src itself are rooms of their own. `api` is the caller's thread and `leader` the leader's: they never import each other.
const leaves = [
  "abort",
  "cache-folder",
  "errors",
  "event-loop",
  "file-identity",
  "files",
  "make-folder",
  "options",
  "posted-error",
  "sharing",
  "version",
  "weight-value",
  "worker-handle",
];
const src: Readonly<Record<string, readonly string[]>> = {
  abort: [],
  "cache-folder": ["make-folder"],
  errors: [],
  "event-loop": [],
  "file-identity": [],
  files: ["errors", "options"],
  "make-folder": [],
  options: ["errors"],
  "posted-error": ["errors"],
  sharing: [],
  version: [],
  "weight-value": ["errors"],
  "worker-handle": ["errors"],
  gguf: leaves,
  hub: ["gguf", ...leaves],
  tokenizer: leaves,
  grammar: leaves,
  machine: leaves,
  model: ["machine", "gguf", ...leaves],
  sampling: ["tokenizer", ...leaves],
  protocol: ["sampling", "model", "machine", "grammar", "tokenizer", ...leaves],
  leader: ["protocol", "sampling", "model", "machine", "grammar", "tokenizer", ...leaves],
  api: ["protocol", "sampling", "model", "machine", "hub", "gguf", "tokenizer", "grammar", "quantize", ...leaves],
  quantize: ["machine", "gguf", ...leaves],
  index: ["api", "protocol", "sampling", "model", "machine", "hub", "gguf", "tokenizer", "grammar", ...leaves],
  adapters: ["index", "options", "abort"],
  server: ["adapters", "index", "api", "machine", "hub", "gguf", "tokenizer", ...leaves],
  lab: ["index", "api", "sampling", "model", "machine", "gguf", "tokenizer", ...leaves],
  cli: [
    "index",
    "lab",
    "server",
    "adapters",
    "quantize",
    "api",
    "sampling",
    "model",
    "machine",
    "hub",
    "gguf",
    "tokenizer",
    ...leaves,
  ],
};
const api: Readonly<Record<string, readonly string[]>> = {
  tool: [],
  "model-info": [],
  "demo-model": [],
  speculation: [],
  sequences: ["tool"],
  text: ["sequences", "tool", "speculation"],
  vectors: ["sequences", "model-info"],
  model: ["text", "vectors", "sequences", "model-info", "speculation"],
  load: ["model", "vectors", "sequences", "model-info", "speculation"],
  pool: ["load", "model", "text"],
};
const assembly: Readonly<Record<string, readonly string[]>> = {
  abi: [],
  lanes: [],
  dot: [],
  team: ["abi"],
  activations: ["abi", "dot", "lanes"],
  formats: ["activations", "abi", "dot", "lanes"],
  kernels: ["formats", "activations", "abi", "dot", "lanes"],
  index: ["kernels", "dot", "team"],
  wide: ["kernels"],
};

const files = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));

/** The room of a path: the folder, or the file, that stands in `top` itself. */
const roomOf = (top: string, path: string) =>
  relative(top, path)
    .split(sep)[0]!
    .replace(/\.[jt]s$/, "");

const importsOf = (file: string) =>
  [...readFileSync(join(root, file), "utf8").matchAll(/(?:from|import|import\()\s*"(\.[^"]*)"/g)].map(
    ([, target]) => target!,
  );

/** Files that import each other, each circle as the files on the way round. */
function circles(top: string): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const at = way.indexOf(file);
    if (at >= 0) found.push(way.slice(at));
    if (at >= 0 || done.has(file)) return;
    for (const target of importsOf(file)) {
      visit(join(dirname(file), target.replace(/\.js$/, "")).replace(/(?:\.ts)?$/, ".ts"), [...way, file]);
    }
    done.add(file);
  };
  for (const file of files(top)) visit(file, []);
  return found;
}

function arrowsUp(top: string, rooms: Readonly<Record<string, readonly string[]>>): string[] {
  const wrong: string[] = [];
  for (const file of files(top)) {
    const room = roomOf(top, file);
    for (const target of importsOf(file)) {
      const path = join(dirname(file), target);
      if (relative(top, path).startsWith("..")) continue; // another house, whose arrows another test checks
      const to = roomOf(top, path);
      if (to !== room && !rooms[room]?.includes(to)) wrong.push(`${file} -> ${target}`);
    }
  }
  return wrong;
}

it("src imports point one way", () => {
  expect(arrowsUp("src", src)).toEqual([]);
});

it("src/api imports point one way", () => {
  expect(arrowsUp("src/api", api)).toEqual([]);
});

it("assembly imports point one way", () => {
  expect(arrowsUp("assembly", assembly)).toEqual([]);
});

it.each(["src", "assembly"])("no files of %s import each other, not even types", (top) => {
  expect(circles(top)).toEqual([]);
});

it.each([
  ["api", "leader"],
  ["leader", "api"],
])("src/%s imports nothing of src/%s, not even types", (room, other) => {
  const imports = files(`src/${room}`).flatMap((file) => importsOf(file).map((target) => join(dirname(file), target)));
  expect(imports.length).toBeGreaterThan(0);
  expect(imports.filter((path) => path.startsWith(join("src", other)))).toEqual([]);
});

it("of assembly, src knows only abi", () => {
  const others = files("src").filter((file) => /from "[^"]*assembly/.test(readFileSync(join(root, file), "utf8")));
  expect(others).toEqual([]);
});

it("only src/machine/shared-memory.ts reaches for the buffer of a memory", () => {
  const reaches = /\bmemory\??\.buffer\b|\bbuffer\b[^={}]*\}\s*=[^;=]*\bmemory\b/i;
  const code = (file: string) => readFileSync(join(root, file), "utf8").replace(/^\s*(?:\/\/|\/?\*).*$/gm, "");
  // Kernels of the lab are given a memory of their own, as by someone who uses `cria/kernels`.
  const found = files("src").filter((file) => !file.startsWith(join("src", "lab")) && reaches.test(code(file)));
  expect(found).toEqual([join("src", "machine", "shared-memory.ts")]);
});

it("no file of an architecture calls a barrier: operations end with their own", () => {
  const architectures = files("src/model/architectures");
  expect(architectures.length).toBeGreaterThan(5);
  expect(architectures.filter((file) => /barrier/i.test(readFileSync(join(root, file), "utf8")))).toEqual([]);
});
