// Writes models into the origin private file system. Only a worker gets its synchronous handles, which write in place: what was downloaded
// before a cable was pulled is there, and a download goes on from it.
//
//   models/NAME.gguf            the model
//   models/NAME.gguf.partial    while it is not complete: JSON { total, url, tag }. It is written first and removed last.

const PARTIAL = ".partial";
const PIECE = 4 * 2 ** 20;
/** A server that says nothing for so long has gone away. */
const SILENCE_MILLISECONDS = 30_000;
const PROGRESS_MILLISECONDS = 100;

const cancels = new Map();

self.onmessage = async ({ data: { id, name, given } }) => {
  if (name === "cancel") {
    cancels.get(id)?.abort();
    return;
  }
  const cancel = new AbortController();
  cancels.set(id, cancel);
  let latest;
  const telling = setInterval(() => {
    if (latest !== undefined) self.postMessage({ id, progress: latest });
    latest = undefined;
  }, PROGRESS_MILLISECONDS);
  const tell = (progress) => {
    latest = progress;
  };
  try {
    self.postMessage({ id, result: await jobs[name](given, tell, cancel.signal) });
  } catch (error) {
    const { name, message } = await explained(error);
    self.postMessage({ id, error: { name, message } });
  } finally {
    clearInterval(telling);
    cancels.delete(id);
  }
};

const jobs = { list, import: importFile, download, delete: remove };

async function modelFolder() {
  // Private windows of some browsers have a storage that refuses.
  if (navigator.storage?.getDirectory === undefined) {
    throw new Error(
      isSecureContext
        ? "This browser gives pages no place to keep files."
        : "This page cannot keep files: it must come by https, or from localhost.",
    );
  }
  return (await navigator.storage.getDirectory()).getDirectoryHandle("models", { create: true });
}

async function list() {
  const folder = await modelFolder();
  const models = [];
  for await (const [name, handle] of folder.entries()) {
    if (name.endsWith(PARTIAL)) continue;
    const { size } = await handle.getFile();
    const partial = (await readPartial(folder, name)) ?? (size === 0 ? {} : undefined); // the page was closed before the note
    models.push({ name, size, ...(partial && { partial: { total: partial.total, url: partial.url } }) });
  }
  return models.sort((a, b) => a.name.localeCompare(b.name));
}

const isPartial = ({ partial }) => partial !== undefined;

async function importFile({ file }, tell, signal) {
  const name = fileName(file.name);
  if (!isMagic(new Uint8Array(await file.slice(0, 4).arrayBuffer())))
    throw new Error(`${file.name} is not a GGUF file.`);
  const stored = (await list()).find((model) => model.name === name && !isPartial(model));
  if (stored?.size === file.size) return name;
  if (stored !== undefined) throw new Error(`Another ${name} is stored already. Delete it first.`);
  try {
    await write(name, { total: file.size }, 0, async (append) => {
      for (let at = 0; at < file.size; at += PIECE) {
        signal.throwIfAborted();
        append(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
        tell({ done: Math.min(at + PIECE, file.size), total: file.size });
      }
    });
  } catch (error) {
    if (error.name !== "NoModificationAllowedError") await remove({ name }); // else another tab has it
    throw error;
  }
  return name;
}

async function download({ url }, tell, signal) {
  const folder = await modelFolder();
  const name = fileName(decodeURIComponent(new URL(url).pathname.split("/").at(-1)));
  const stored = (await list()).find((model) => model.name === name);
  if (stored !== undefined && !isPartial(stored)) return name;
  const known = await readPartial(folder, name);
  const resumed = known?.url === url && known.tag !== undefined;
  const have = resumed ? (await (await folder.getFileHandle(name, { create: true })).getFile()).size : 0;

  const silence = silenceAfter(SILENCE_MILLISECONDS, signal);
  const request = (from) =>
    fetch(url, { signal: silence.signal, ...(from > 0 && { headers: { Range: `bytes=${from}-` } }) }).catch((error) => {
      if (!(error instanceof TypeError)) throw error;
      throw new Error(`${url} cannot be fetched. Is the address right, and does its server allow other sites (CORS)?`);
    });
  try {
    let response = await request(have);
    let from = have;
    // It goes on only where the server has the same file as then.
    const goesOn = response.status === 206 && tagOf(response) === known?.tag && totalOf(response) === known?.total;
    if (have > 0 && !goesOn) {
      from = 0;
      if (response.status === 206 || response.status === 416) {
        await response.body?.cancel();
        response = await request(0);
      }
    }
    if (!response.ok) throw new Error(`The server answered ${response.status} ${response.statusText} to ${url}.`);
    const total = totalOf(response);
    await write(name, { total, url, tag: tagOf(response) }, from, async (append) => {
      let done = from;
      for await (const piece of piecesOf(response)) {
        silence.heard();
        if (done === 0 && piece.length >= 4 && !isMagic(piece)) throw new Error(`${url} is not a GGUF file.`);
        append(piece);
        done += piece.length;
        tell({ done, total });
      }
      if (total !== undefined && done !== total)
        throw new Error(`The connection ended after ${done} of ${total} bytes.`);
      if (done === 0) throw new Error(`${url} is empty.`);
    });
    return name;
  } catch (error) {
    const file = await folder.getFileHandle(name).then(
      (handle) => handle.getFile(),
      () => undefined,
    );
    if (file?.size === 0) await remove({ name }); // nothing to go on from
    if (error instanceof TypeError) throw new Error("The connection broke off. What has come is kept.");
    throw error;
  } finally {
    silence.stop();
  }
}

/** Writes a file from byte `from` on. Until `fill` is done the file counts as partial. */
async function write(name, partial, from, fill) {
  const folder = await modelFolder();
  const handle = await folder.getFileHandle(name, { create: true });
  const access = await handle.createSyncAccessHandle(); // locks it against other tabs
  try {
    await writeNote(folder, name, partial);
    access.truncate(from);
    let at = from;
    await fill((bytes) => {
      const written = access.write(bytes, { at });
      if (written < bytes.length) throw new DOMException("The disk is full.", "QuotaExceededError");
      at += written;
    });
    access.flush();
  } finally {
    access.close();
  }
  await folder.removeEntry(name + PARTIAL);
}

async function writeNote(folder, name, partial) {
  const handle = await folder.getFileHandle(name + PARTIAL, { create: true });
  const access = await handle.createSyncAccessHandle();
  try {
    access.truncate(0);
    access.write(new TextEncoder().encode(JSON.stringify(partial)), { at: 0 });
  } finally {
    access.close();
  }
}

async function readPartial(folder, name) {
  try {
    const file = await (await folder.getFileHandle(name + PARTIAL)).getFile();
    return JSON.parse(await file.text());
  } catch (error) {
    if (error.name === "NotFoundError") return undefined;
    return {}; // the note was being written when the page was closed
  }
}

async function remove({ name }) {
  const folder = await modelFolder();
  for (const each of [name, name + PARTIAL]) {
    await folder.removeEntry(each).catch((error) => {
      if (error.name !== "NotFoundError") throw error;
    });
  }
}

/** Ends a request whose server says nothing. */
function silenceAfter(milliseconds, signal) {
  const silence = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(new Error("The server has gone silent.")), milliseconds);
  };
  heard();
  return { signal: AbortSignal.any([signal, silence.signal]), heard, stop: () => clearTimeout(timer) };
}

async function* piecesOf(response) {
  const reader = response.body.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => undefined); // it is broken already
  }
}

/** Which version of the file it is, as far as the server tells other sites. */
function tagOf({ headers }) {
  return headers.get("etag") ?? headers.get("last-modified") ?? undefined;
}

/** The size of the whole file, if it is known. */
function totalOf({ headers }) {
  const range = /\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1];
  const length = headers.get("content-encoding") === null ? headers.get("content-length") : null;
  return range !== undefined || length !== null ? Number(range ?? length) : undefined;
}

function fileName(name) {
  const clean = name.replace(/[^\w.() +-]/g, "_").slice(-200);
  if (!/^\w.*\.gguf$/i.test(clean)) throw new Error(`"${name}" is not the name of a .gguf file.`);
  return clean;
}

function isMagic(bytes) {
  return [...bytes.subarray(0, 4)].map((byte) => String.fromCharCode(byte)).join("") === "GGUF";
}

/** Says in words what browsers say by names. */
async function explained(error) {
  const { name } = error;
  if (name === "QuotaExceededError") {
    const { usage = 0, quota = 0 } = await navigator.storage.estimate();
    const left = ((quota - usage) / 1e6).toFixed(0);
    return {
      name,
      message: `There is no room for it: the browser leaves this site ${left} MB. Delete a stored model.`,
    };
  }
  if (name === "NoModificationAllowedError") return { name, message: "Another tab is writing or reading this model." };
  if (name === "AbortError") return { name, message: "Cancelled." };
  return error;
}
