// Puts the page that a server shows into dist/assets/page/: its HTML and icon as they are, its script and style sheet made small.

import { copyFileSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundlePage } from "../../page-bundle.mjs";

const to = fileURLToPath(new URL("../../../dist/assets/page/", import.meta.url));
mkdirSync(to, { recursive: true });
for (const name of ["index.html", "icon.svg"]) copyFileSync(new URL(name, import.meta.url), to + name);
await bundlePage("src/server/page/style.css", "dist/assets/page/style.css");
await bundlePage("src/server/page/main.ts", "dist/assets/page/main.js");
