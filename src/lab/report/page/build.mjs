// Bundles the code that draws reports, with the plotting library, into dist/assets/report.js.

import { bundlePage } from "../../../page-bundle.mjs";

await bundlePage("src/lab/report/page/main.ts", "dist/assets/report.js");
