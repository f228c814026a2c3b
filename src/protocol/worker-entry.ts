// Where the workers' code lies. As one file it starts in half the time of the modules that it is made of.

/** The URL of the workers' entry; `assets`: of a copy of this package's dist/assets/. */
export function workerEntry(assets: URL | undefined): URL {
  return assets === undefined ? new URL("../assets/worker.js", import.meta.url) : new URL("worker.js", assets);
}
