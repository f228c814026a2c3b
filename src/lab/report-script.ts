// The code that draws a report's figures: bundled into the package's assets, and written into every page.

import { readFile } from "node:fs/promises";

/** The text of assets/report.js. */
export function reportScript(): Promise<string> {
  return readFile(new URL("../assets/report.js", import.meta.url), "utf8");
}
