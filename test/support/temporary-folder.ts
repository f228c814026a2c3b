// A folder for a test file's own files, removed after its tests.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Makes a folder that lasts as long as the tests of the file, or of the `describe`, that calls this. */
export function temporaryFolder(): { readonly path: (name: string) => string } {
  const folder = mkdtempSync(join(tmpdir(), "cria-test-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  return { path: (name) => join(folder, name) };
}
