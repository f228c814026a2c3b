// Where the reference data lies: models, vectors and expected results that were not computed by this project. They are not
// part of the repository; tests that need them skip, visibly, where the folder is absent. CRIA_REFERENCE_DATA overrides.

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root =
  process.env["CRIA_REFERENCE_DATA"] ?? resolve(fileURLToPath(new URL("../..", import.meta.url)), "../shared/data");

/** Whether the reference data folder is present. */
export const hasReferenceData = existsSync(root);

/** The path of a file or folder of the reference data. */
export function referenceData(relativePath: string): string {
  return resolve(root, relativePath);
}

/** Little-endian f32 without a header. */
export function readFloats(relativePath: string): Float32Array {
  const bytes = readFileSync(referenceData(relativePath));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** A JSON file, taken to be what the caller says. */
export function readJson<T>(relativePath: string): T {
  return JSON.parse(readFileSync(referenceData(relativePath), "utf8")) as T;
}
