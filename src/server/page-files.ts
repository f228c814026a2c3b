// The files of the page. They lie in the package: nothing is built, and nothing comes from the network.

import { readFileSync } from "node:fs";

const folder = new URL("../assets/page/", import.meta.url);

/** By their paths, with their types. */
export const pageFiles = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/page/main.js": ["main.js", "text/javascript; charset=utf-8"],
  "/page/style.css": ["style.css", "text/css; charset=utf-8"],
  "/page/icon.svg": ["icon.svg", "image/svg+xml"],
} as const;

export const readPageFile = (name: string): Buffer => readFileSync(new URL(name, folder));
