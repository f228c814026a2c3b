// Whether the threads of this host can share memory, and what they use where they cannot.

/**
 * In a browser, only pages that are cross-origin isolated may post shared memory to their workers; elsewhere its name is not there. It is
 * asked for each time, because tests take the name away.
 */
export function sharesMemory(): boolean {
  return typeof SharedArrayBuffer !== "undefined";
}

/** A buffer for what other threads are to read: shared, or, where nothing is, one that messages copy. */
export function bufferForThreads(bytes: number): ArrayBufferLike {
  return sharesMemory() ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
}

/** Why there is one worker only, where nothing is shared; and what a page can do about it. */
export function whyNothingIsShared(): { readonly reason: string; readonly remedy: string } {
  if (globalThis.crossOriginIsolated !== false)
    return { reason: "the threads of this host share no memory", remedy: "" };
  return {
    reason: "this page is not cross-origin isolated, so its threads share no memory",
    remedy: "; serve it with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
  };
}
