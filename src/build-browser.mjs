// Bundles the package for pages, into dist/browser: `node src/build-browser.mjs`, after tsc. A page has no `node:` modules, and its
// bundlers refuse the mere names of them. What needs Node stands behind a test for Node, and behind `await import(...)`; here those
// imports lead to an empty module.

import { rmSync } from "node:fs";
import { build } from "esbuild";

/** Modules that only Node ever loads, by the end of their path. */
const NODE_ONLY = /^node:|\/(?:bring-model|remote-model|wide\/load)\.js$/;

const withoutNode = {
  name: "without Node",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: NODE_ONLY }, ({ path, kind, importer }) => {
      if (kind !== "dynamic-import") throw new Error(`${importer} imports ${path}: a page would load it`);
      return { path: "nothing", namespace: "node-only" };
    });
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
  outdir: "dist/browser",
  logLevel: "warning",
  plugins: [withoutNode],
});
