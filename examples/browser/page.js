// The page: brings a model into the browser's storage, loads it, and shows what it is and how it runs.
//
// cria does all of its work in workers of its own; this thread sends and receives, so the page answers while a model computes.

import { loadModel } from "cria";
import { openChat } from "./chat.js";
import { openSearch } from "./search.js";
import { deleteModel, downloadModel, importModel, listModels, openModel } from "./store.js";

const $ = (id) => document.getElementById(id);
const bytes = (count) => (count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`);

const shares = typeof SharedArrayBuffer !== "undefined";
$("host").textContent = shares
  ? "isolated: many threads"
  : crossOriginIsolated
    ? "one thread"
    : "not isolated: one thread";
$("host").title = shares
  ? "The server isolates this page, so its workers share memory."
  : crossOriginIsolated
    ? "In this browser threads share no memory. A model still runs, on one."
    : "Without the headers COOP and COEP a page has no shared memory. A model still runs, on one thread.";
if (!shares) $("threads").disabled = true;

let model;

// One thing at a time: a download, a copy, or a load. Cancel ends it.
let work;

async function doing(what, job) {
  if (work !== undefined) return;
  work = new AbortController();
  $("problem").textContent = "";
  $("work").hidden = false;
  showProgress(what, {});
  for (const button of workButtons()) button.disabled = true;
  const begin = performance.now();
  try {
    await job({
      signal: work.signal,
      onProgress: ({ done, total }) => showProgress(what, { done, total, seconds: (performance.now() - begin) / 1000 }),
    });
  } catch (error) {
    if (error.name !== "AbortError")
      $("problem").textContent = error.code ? `${error.message} (${error.code})` : error.message;
  } finally {
    work = undefined;
    $("work").hidden = true;
    for (const button of workButtons()) button.disabled = false;
    await showStored();
  }
}

const workButtons = () => document.querySelectorAll("#drop button, #download button, #demo, #stored button");

function showProgress(what, { done, total, seconds }) {
  if (total === undefined) $("progress").removeAttribute("value");
  else $("progress").value = done / total;
  let text = what;
  if (done !== undefined) {
    text += total > 1 ? `: ${bytes(done)} of ${bytes(total)}` : total === undefined ? `: ${bytes(done)}` : "";
    if (seconds > 0.5 && total !== 1) text += `, ${bytes(done / seconds)}/s`;
  }
  if ($("work-text").textContent !== text) $("work-text").textContent = text;
}

async function showStored() {
  let models;
  try {
    models = await listModels();
  } catch (error) {
    $("keep").checked = false;
    $("keep").disabled = true;
    $("room").textContent = error.message;
    return;
  }
  $("stored").replaceChildren(...models.map(storedRow));
  const { usage = 0, quota = 0 } = await navigator.storage.estimate();
  $("room").textContent =
    `${bytes(usage)} used; the browser leaves this site ${bytes(Math.max(0, quota - usage))} more.`;
}

function storedRow({ name, size, partial }) {
  const row = document.createElement("li");
  const title = document.createElement("span");
  title.className = "name";
  title.textContent = name;
  const about = document.createElement("span");
  about.className = "fine";
  about.textContent = partial ? `${bytes(size)}${partial.total ? ` of ${bytes(partial.total)}` : ""}` : bytes(size);
  const add = (text, action, label) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = text;
    button.setAttribute("aria-label", `${label ?? text} ${name}`);
    button.onclick = action;
    button.disabled = work !== undefined;
    row.append(button);
  };
  row.append(title, about);
  if (!partial) add("Load", () => doing(`Loading ${name}`, (how) => loadStored(name, how)));
  else if (partial.url) add("Resume", () => bring(partial.url));
  add(
    "Delete",
    () => confirm(`Delete ${name} from this browser?`) && doing(`Deleting ${name}`, () => deleteModel(name)),
  );
  return row;
}

async function loadStored(name, how) {
  await load(await openModel(name), how);
  history.replaceState(null, "", `#${encodeURIComponent(name)}`); // the page comes back with it
}

/** Loads a File, or any Blob. */
async function load(file, { signal, onProgress }) {
  const before = model;
  model = undefined;
  closeViews();
  await before?.dispose();
  model = await loadModel(file, {
    threads: Number($("threads").value) || undefined,
    contextSize: Number($("context").value) || undefined,
    onProgress: (fraction) => onProgress({ done: fraction, total: 1 }),
    signal,
  });
  const { info } = model;
  $("model-title").textContent = info.name ?? file.name;
  $("facts").textContent = [
    `${(info.parameters / 1e6).toFixed(0)}M parameters`,
    info.format,
    `${info.contextSize} tokens of context`,
    `${bytes(info.memory.total)} of memory`,
    `${info.kernels} kernels`,
    info.threadsReason,
    `loaded in ${(model.loadMilliseconds / 1000).toFixed(1)} s`,
  ].join(" · ");
  openSearch(model);
  if (info.generates) openChat(model);
  else $("speed").textContent = "This model makes vectors only: search by meaning.";
  choose(info.generates ? "chat" : "search");
  $("model").scrollIntoView({ block: "nearest" });
}

function closeViews() {
  $("model-title").textContent = "No model is loaded";
  $("facts").textContent = "";
  for (const id of ["question", "send", "clear", "rank"]) $(id).disabled = true;
}

// Where models come from.

function take(file) {
  if (file === undefined) return;
  if (!$("keep").checked) return doing(`Loading ${file.name}`, (how) => load(file, how));
  return doing(`Copying ${file.name}`, async (how) => {
    await loadStored(await importModel(file, how), how);
    void navigator.storage.persist?.(); // browsers may ask: now there is something to keep
  });
}

function bring(address) {
  return doing("Downloading", async (how) => {
    const url = urlOf(address.trim());
    if (!$("keep").checked) return load(await fetched(url, how), how);
    await loadStored(await downloadModel(url, how), how);
    void navigator.storage.persist?.();
  });
}

/** A file that is not kept. */
async function fetched(url, { signal, onProgress }) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`The server answered ${response.status} ${response.statusText} to ${url}.`);
  const total = Number(response.headers.get("content-length")) || undefined;
  const parts = []; // Blobs, which lie outside of the page's memory
  let done = 0;
  const reader = response.body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    parts.push(new Blob([next.value]));
    done += next.value.length;
    onProgress({ done, total });
  }
  return new File(parts, new URL(url).pathname.split("/").at(-1));
}

/** hf:user/repo/file.gguf is a file of Hugging Face's. */
function urlOf(address) {
  const [, repository, file] = /^hf:([^/]+\/[^/]+)\/(.+)$/.exec(address) ?? [];
  if (file !== undefined) return `https://huggingface.co/${repository}/resolve/main/${file}`;
  if (!URL.canParse(address, location.href)) throw new Error(`"${address}" is not an address.`);
  return new URL(address, location.href).href;
}

$("choose").onclick = () => $("file").click();
$("file").onchange = () => {
  void take($("file").files[0]);
  $("file").value = "";
};
$("download").onsubmit = (event) => {
  event.preventDefault();
  void bring($("url").value);
};
$("demo").onclick = () => bring("demo.gguf");
$("cancel").onclick = () => work?.abort();

let over = 0;
addEventListener("dragenter", () => $("drop").classList.toggle("over", ++over > 0));
addEventListener("dragleave", () => $("drop").classList.toggle("over", --over > 0));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  over = 0;
  $("drop").classList.remove("over");
  void take(event.dataTransfer.files[0]);
});

// Tabs: arrows move between them, as between radio buttons.

const tabs = ["chat", "search"];

function choose(chosen, focus = false) {
  for (const name of tabs) {
    const tab = $(`${name}-tab`);
    tab.setAttribute("aria-selected", String(name === chosen));
    tab.tabIndex = name === chosen ? 0 : -1;
    $(`${name}-panel`).hidden = name !== chosen;
    if (name === chosen && focus) tab.focus();
  }
}

for (const [i, name] of tabs.entries()) {
  $(`${name}-tab`).onclick = () => choose(name);
  $(`${name}-tab`).onkeydown = ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step !== undefined) choose(tabs.at((i + step) % tabs.length), true);
  };
}

await showStored();
const last = decodeURIComponent(location.hash.slice(1));
if (last !== "" && (await listModels()).some(({ name, partial }) => name === last && !partial)) {
  await doing(`Loading ${last}`, (how) => loadStored(last, how));
}
