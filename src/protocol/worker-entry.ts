// Where the workers' code lies. It is bundled into one file, which starts in half the time that its modules would take.

/** The URL of the workers' entry. `assets` is the URL of a copy of this package's dist/assets/, if there is one. */
export function workerEntry(assets: URL | undefined): URL {
  return assets === undefined ? new URL("../assets/worker.js", import.meta.url) : new URL("worker.js", assets);
}
