// The models that this site keeps in the browser, as the page sees them: store-worker.js does the work, in the origin private file system.

const worker = new Worker(new URL("./store-worker.js", import.meta.url), { type: "module" });
const calls = new Map();
let lastId = 0;

worker.onmessage = ({ data: { id, progress, result, error } }) => {
  const call = calls.get(id);
  if (progress !== undefined) return call?.onProgress?.(progress);
  calls.delete(id);
  if (error === undefined) call?.resolve(result);
  else call?.reject(Object.assign(new Error(error.message), { name: error.name }));
};

function call(name, given, { onProgress, signal } = {}) {
  const id = ++lastId;
  signal?.addEventListener("abort", () => worker.postMessage({ id, name: "cancel" }), { once: true });
  return new Promise((resolve, reject) => {
    calls.set(id, { resolve, reject, onProgress });
    worker.postMessage({ id, name, given });
  });
}

/** What is stored: { name, size, partial? }. With `partial: { total?, url? }` it is not complete; what came from a URL can be resumed. */
export const listModels = () => call("list");

/** Copies a file into the store. When it is cancelled nothing is left of it. `onProgress({ done, total })`. */
export const importModel = (file, options) => call("import", { file }, options);

/** Downloads into the store, and goes on where an earlier download of the same URL has ended. @returns its name */
export const downloadModel = (url, options) => call("download", { url }, options);

export const deleteModel = (name) => call("delete", { name });

/** A stored model, as a File: loadModel reads it piece by piece, without a copy in memory. */
export async function openModel(name) {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("models");
  return (await folder.getFileHandle(name)).getFile();
}
