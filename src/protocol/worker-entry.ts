// Where the workers' code lies. In one file they start in half the time that the modules take of which it is made.

/** The URL of the workers' entry; `assets`: of a copy of this package's dist/assets/. */
export function workerEntry(assets: URL | undefined): URL {
  return assets === undefined ? new URL("../assets/worker.js", import.meta.url) : new URL("worker.js", assets);
}
