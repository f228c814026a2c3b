// Where the reference data lies: models, vectors and expected results that were not computed by this project. They are not
// part of the repository; tests that need them skip, visibly, where the folder is absent. CRIA_REFERENCE_DATA overrides.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root =
  process.env["CRIA_REFERENCE_DATA"] ?? resolve(fileURLToPath(new URL(".", import.meta.url)), "../../shared/data");

/** Whether the reference data folder is present. */
export const hasReferenceData = existsSync(root);

/** The path of a file or folder of the reference data. */
export function referenceData(relativePath: string): string {
  return resolve(root, relativePath);
}
