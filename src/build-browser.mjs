// Bundles the package for pages, into dist/browser: `node src/build-browser.mjs`, after tsc. A page has no `node:` modules, and its
// bundlers refuse the mere names of them. What needs Node stands behind a test for Node, and behind `await import(...)`; here those
// imports lead to an empty module.

import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const needing = new Map();

/** Whether a module, or one that it needs at once, imports one of Node's. */
function needsNode(file) {
  const known = needing.get(file);
  if (known !== undefined) return known;
  needing.set(file, false); // where modules import each other
  const imports = readFileSync(file, "utf8").matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^"]+)"|^import "([^"]+)"/gm);
  const needs = [...imports].some(([, from, bare]) => {
    const path = from ?? bare;
    return path.startsWith("node:") || (path.startsWith(".") && needsNode(join(dirname(file), path)));
  });
  needing.set(file, needs);
  return needs;
}

const withoutNode = {
  name: "without Node",
  setup({ onResolve, onLoad }) {
    const nothing = { path: "nothing", namespace: "node-only" };
    onResolve({ filter: /^node:/ }, ({ path, kind, importer }) => {
      if (kind === "dynamic-import") return nothing;
      throw new Error(`${importer} imports ${path}: a page would load it`);
    });
    onResolve({ filter: /^\./ }, ({ path, kind, resolveDir }) =>
      kind === "dynamic-import" && needsNode(join(resolveDir, path)) ? nothing : undefined,
    );
    onLoad({ filter: /.*/, namespace: "node-only" }, () => ({ contents: "export {};" }));
  },
};

rmSync("dist/browser", { recursive: true, force: true });
await build({
  entryPoints: { index: "dist/index.js", gguf: "dist/gguf/index.js", tokenizer: "dist/tokenizer/index.js" },
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "browser",
  packages: "external",
  define: { process: "undefined" },
  minifyWhitespace: true,
  outdir: "dist/browser",
  logLevel: "warning",
  plugins: [withoutNode],
});
