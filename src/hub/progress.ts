// Tells how far a file has come, not more often than a screen shows.

import type { DownloadProgress } from "./options.js";

const INTERVAL_MILLISECONDS = 50;

/** A function for each piece that arrives; it passes on the first, the last, and some twenty a second of the others. */
export function byteReporter(
  onProgress: ((progress: DownloadProgress) => void) | undefined,
  path: string,
  part: number,
  parts: number,
): (received: number, total: number | undefined) => void {
  if (onProgress === undefined) return () => undefined;
  const file = path.slice(path.lastIndexOf("/") + 1);
  let last = Number.NEGATIVE_INFINITY;
  return (receivedBytes, totalBytes) => {
    const now = performance.now();
    if (receivedBytes !== totalBytes && now - last < INTERVAL_MILLISECONDS) return;
    last = now;
    onProgress({ file, part, parts, receivedBytes, totalBytes });
  };
}
