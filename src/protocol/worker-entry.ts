// Where the workers' code lies. It is bundled into one file, which starts in half the time that its modules would take.

import { CriaError } from "../errors.js";

/**
 * Whether the workers' code can be found at all. `assets` as below.
 *
 * @throws CriaError ASSET_MISSING where a bundler has made CommonJS of this code, so that it does not know where it lies
 */
export function checkAssets(assets: URL | undefined): void {
  if (assets !== undefined || typeof (import.meta.url as string | undefined) === "string") return;
  throw new CriaError(
    "ASSET_MISSING",
    "this program is bundled as CommonJS, in which code does not know where it lies: copy node_modules/cria/dist/assets beside it, " +
      'and give loadModel that folder: assets: pathToFileURL(__dirname + "/assets/")',
  );
}

/** The URL of the workers' entry. `assets` is the URL of a copy of this package's dist/assets/, if there is one. */
export function workerEntry(assets: URL | undefined): URL {
  return assets === undefined ? new URL("../assets/worker.js", import.meta.url) : new URL("worker.js", assets);
}
