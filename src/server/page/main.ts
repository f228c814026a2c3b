// The page of `cria serve`: what its user does, and what follows from it.

import type { LiveModel } from "../live.js";
import { type Progress, receive } from "./answer.js";
import {
  type Chat,
  exported,
  forgetChat,
  imported,
  type Message,
  newChat,
  noSettings,
  storeChat,
  storedChats,
  titleOf,
} from "./chats.js";
import { ask, events, Refusal } from "./client.js";
import { type Actions, MessageView } from "./conversation.js";
import { announce, button, byId, download, element, notify } from "./element.js";
import { startEmbeddings } from "./embeddings.js";
import { drawEngine, remember, showEngine, speedNow } from "./engine.js";
import { rate } from "./numbers.js";
import { startPanels } from "./panels.js";
import { requestOf, SettingError } from "./requests.js";
import { drawSettings, showSettingError } from "./settings.js";

const MODEL = "cria.model";
const RETRY_MILLISECONDS = 3000;
/** So near to its end, a conversation is read at its end, and stays there while it grows. */
const NEAR = 80;

const chats = storedChats();
let chat = chats[0] ?? newChat();
let models: readonly LiveModel[] = [];
/** The answer that comes now. */
let running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
const views = new Map<Message, MessageView>();

const prompt = byId<HTMLTextAreaElement>("prompt");
const picker = byId<HTMLSelectElement>("model");
const scroll = byId("scroll");
const touches = matchMedia("(pointer: coarse) and (hover: none)");
const panels = startPanels();

// ---- Chats

function save(): void {
  if (chat.messages.length === 0 && !chats.includes(chat)) return;
  if (!chats.includes(chat)) chats.unshift(chat);
  try {
    storeChat(chat);
  } catch {
    notify("The browser keeps no more chats. Export and delete some.");
  }
  showChats();
}

// Another tab of the page has changed a chat. The one that is open here stays as it is here.
addEventListener("storage", () => {
  const others = storedChats().filter(({ id }) => id !== chat.id);
  chats.splice(0, chats.length, ...(chats.includes(chat) ? [chat] : []), ...others);
  chats.sort((a, b) => b.time - a.time);
  showChats();
});

function showChats(): void {
  document.title = chat.messages.length > 0 ? `${chat.title} · cria` : "cria";
  const items = chats.map((one) => {
    const open = button(one.title, () => void openChat(one), { class: "open", title: one.title });
    if (one === chat) open.setAttribute("aria-current", "true");
    const remove = button("×", () => void deleteChat(one), { class: "plain", "aria-label": `Delete ${one.title}` });
    return element("li", {}, open, remove);
  });
  byId("chats").replaceChildren(...items);
  byId("chats-title").hidden = chats.length === 0;
  byId<HTMLButtonElement>("export").disabled = chat.messages.length === 0;
}

async function openChat(one: Chat): Promise<void> {
  await stop();
  chat = one;
  showChat();
  panels.closeIfNarrow();
  prompt.focus();
}

async function deleteChat(one: Chat): Promise<void> {
  if (one === chat) await stop();
  const at = chats.indexOf(one);
  chats.splice(at, 1);
  forgetChat(one);
  if (one === chat) {
    chat = newChat(structuredClone(one.settings));
    showChat();
  }
  showChats();
  byId("new-chat").focus();
  notify(`Deleted ${one.title}`, {
    label: "Undo",
    act: () => {
      chats.splice(at, 0, one);
      storeChat(one);
      showChats();
    },
  });
}

async function takeFile(file: File): Promise<void> {
  try {
    const taken = imported(await file.text());
    await stop();
    chat = taken;
    save();
    showChat();
    announce(`Imported ${taken.title}`);
  } catch (error) {
    notify(`${file.name}: ${(error as Error).message}`);
  }
}

// ---- The conversation

const actions: Actions = {
  regenerate: (message) => void again(message),
  edited: (message, text, resend) => void edit(message, text, resend),
  results: (message, results) => {
    const calls = message.tool_calls ?? [];
    for (const [i, content] of results.entries()) add({ role: "tool", content, tool_call_id: calls[i]!.id });
    void answer();
  },
};

async function again(message: Message): Promise<void> {
  await stop();
  const at = chat.messages.indexOf(message);
  if (at < 0) return;
  cut(at);
  await answer();
}

async function edit(message: Message, text: string, resend: boolean): Promise<void> {
  await stop();
  message.content = text;
  views.get(message)!.show(false);
  if (resend) {
    cut(chat.messages.indexOf(message) + 1);
    chat.title = titleOf(chat);
    await answer();
  } else save();
}

/** Takes away all messages from `first` on. */
function cut(first: number): void {
  chat.messages.length = first;
  const kept = new Set(chat.messages);
  for (const [message, view] of views) {
    if (kept.has(message)) continue;
    view.element.remove();
    views.delete(message);
  }
  byId("failure")?.remove();
}

function add(message: Message): MessageView {
  chat.messages.push(message);
  return view(message);
}

function view(message: Message): MessageView {
  const made = new MessageView(message, actions);
  views.set(message, made);
  byId("messages").append(made.element);
  byId("welcome").hidden = true;
  return made;
}

function showChat(): void {
  views.clear();
  byId("messages").replaceChildren();
  byId("welcome").hidden = chat.messages.length > 0;
  for (const message of chat.messages) view(message);
  const last = chat.messages.at(-1);
  if (last?.tool_calls !== undefined && last.ended === undefined) views.get(last)!.askForResults();
  drawSettings(chat.settings, settingsChanged, panels.close);
  settingsChanged();
  showChats();
  toEnd();
}

/** Whether the end of the conversation is seen, and is to be seen as it grows. */
let follows = true;

function toEnd(): void {
  follows = true;
  scroll.scrollTo({ top: scroll.scrollHeight });
}

scroll.addEventListener("scroll", () => {
  follows = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR;
});
const growth = new ResizeObserver(() => {
  if (follows) toEnd();
});
for (const one of [scroll, byId("messages")]) growth.observe(one);

// ---- Answers

async function send(text: string): Promise<void> {
  if (text.trim() === "" || running !== undefined) return;
  prompt.value = "";
  grow();
  byId("failure")?.remove();
  add({ role: "user", content: text });
  if (chat.messages.length === 1) chat.title = titleOf(chat);
  await answer();
}

async function stop(): Promise<void> {
  running?.stop.abort();
  await running?.ended;
}

/** Lets the model answer the chat as it is. */
async function answer(): Promise<void> {
  save();
  byId("failure")?.remove();
  let body: object;
  try {
    body = requestOf(chat, picker.value);
  } catch (error) {
    if (!(error instanceof SettingError)) throw error;
    panels.open("settings");
    showSettingError(error);
    fail(error.message);
    return;
  }
  const control = new AbortController();
  const ended = receiveInto(body, control.signal);
  running = { stop: control, ended };
  showRunning();
  await ended;
}

async function receiveInto(body: object, signal: AbortSignal): Promise<void> {
  const own = chat;
  const message: Message = { role: "assistant", content: "", model: picker.value };
  if (own.settings.schemaOn) message.json = true;
  const shown = add(message);
  shown.show(true);
  toEnd();
  announce("The model answers");
  showProgress("Waiting");
  let due = false;
  let over = false;
  const show = () => {
    due = false;
    if (over || !views.has(message)) return;
    shown.show(true);
  };
  let failure: string | undefined;
  try {
    await receive(body, message, signal, {
      progress: showPrefill,
      grown: (speed) => {
        if (message.content !== "" || message.reasoning !== undefined || message.tool_calls !== undefined)
          showProgress(speed === undefined || speed === 0 ? "Answering" : `${rate(speed)} tokens/s`);
        if (!due) requestAnimationFrame(show);
        due = true;
      },
    });
  } catch (error) {
    if (signal.aborted) message.ended = "Stopped.";
    else failure = (error as Error).message;
  }
  over = true;
  running = undefined;
  showRunning();
  const isEmpty = message.content === "" && message.reasoning === undefined && message.tool_calls === undefined;
  if (failure !== undefined && !isEmpty) message.ended = `It failed: ${failure}`;
  if (isEmpty && (failure !== undefined || signal.aborted)) {
    own.messages.splice(own.messages.indexOf(message), 1);
    shown.element.remove();
    views.delete(message);
  } else shown.show(false);
  if (failure !== undefined && isEmpty) fail(failure);
  // Calls that were cut off are not asked about.
  if (message.tool_calls !== undefined && message.ended === undefined) shown.askForResults();
  announce(failure ?? (signal.aborted ? "Stopped" : spoken(message)));
  save();
}

/** What is said of an answer that is complete. */
function spoken({ content, tool_calls }: Message): string {
  if (tool_calls !== undefined) return `The model calls ${tool_calls.map((call) => call.function.name).join(", ")}`;
  return content;
}

/** Shows what went wrong with the last request, with a way to try again. */
function fail(message: string): void {
  const retry = button("Try again", () => void answer());
  byId("failure")?.remove();
  byId("messages").append(
    element(
      "li",
      { id: "failure", class: "message failure" },
      element("p", { class: "error", role: "alert" }, message),
      retry,
    ),
  );
  toEnd();
}

function showRunning(): void {
  const busy = running !== undefined;
  const hadFocus = document.activeElement === byId(busy ? "send" : "stop");
  byId("send").hidden = busy;
  byId("stop").hidden = !busy;
  if (hadFocus) byId(busy ? "stop" : "send").focus();
  byId("progress").hidden = !busy;
}

function showProgress(text: string, bar?: { readonly value: number; readonly max: number }): void {
  byId("progress-text").textContent = text;
  const element = byId<HTMLProgressElement>("progress-bar");
  element.hidden = bar === undefined;
  if (bar !== undefined) {
    element.max = bar.max;
    element.value = bar.value;
  }
}

function showPrefill({ total, processed }: Progress): void {
  showProgress(`Reading the prompt: ${processed} of ${total} tokens`, { value: processed, max: total });
}

// ---- Settings

function settingsChanged(): void {
  const { system, schemaOn, toolsOn, sampling } = chat.settings;
  const inForce = [
    system.trim() !== "" && "System prompt",
    schemaOn && "JSON schema",
    toolsOn && "Tools",
    Object.keys(sampling).length > 0 && "Sampling",
  ].filter((one) => one !== false);
  byId("in-force").replaceChildren(...inForce.map((one) => element("span", { class: "badge" }, one)));
  if (chats.includes(chat)) save();
}

// ---- Models

/** The models as they run, for as long as the page is seen. */
async function watch(): Promise<never> {
  for (;;) {
    if (document.hidden) {
      await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
      continue;
    }
    const control = new AbortController();
    const hide = () => control.abort();
    document.addEventListener("visibilitychange", hide, { once: true });
    try {
      const response = await ask("live", { signal: control.signal, accept: "text/event-stream", background: true });
      for await (const event of events<{ models: readonly LiveModel[] }>(response)) showModels(event.models);
    } catch (error) {
      if (!control.signal.aborted) {
        showState(error instanceof Refusal && error.status === 401 ? "needs a key" : "not connected", "bad");
      }
    }
    document.removeEventListener("visibilitychange", hide);
    if (control.signal.aborted) continue;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
  }
}

function showModels(now: readonly LiveModel[]): void {
  const names = (of: readonly LiveModel[]) => of.map(({ name }) => name).join("\n");
  const changed = names(now) !== names(models);
  models = now;
  for (const model of models) remember(model);
  if (changed) {
    const before = picker.value || localStorage.getItem(MODEL);
    picker.replaceChildren(...models.map(({ name }) => element("option", { value: name }, name)));
    picker.value = models.some(({ name }) => name === before) ? before! : (models[0]?.name ?? "");
    modelPicked();
  }
  showModel();
}

const model = () => models.find(({ name }) => name === picker.value);

function showModel(): void {
  const now = model();
  if (now === undefined) return;
  if (!byId("engine").hidden) showEngine(now);
  const speed = speedNow(now.name);
  if (now.state !== "ready") showState(now.state === "unloaded" ? "not loaded" : now.state, "quiet");
  else if (speed > 0) showState(`${rate(speed)} tokens/s`, "good");
  else showState("ready", "good");
  const { info } = now;
  showEmbeddings();
  byId("welcome-model").textContent =
    info === undefined
      ? now.name
      : `${now.name}: ${info.architecture}, ${info.format}, ${info.contextSize} tokens of context`;
}

function showState(text: string, kind: "good" | "bad" | "quiet"): void {
  const badge = byId("model-state");
  badge.textContent = text;
  badge.className = `badge ${kind}`;
  badge.hidden = false;
}

/** A model that makes vectors only has its own tab. */
function modelPicked(): void {
  showEmbeddings();
  if (model()?.info?.generates === false) showTab("embed");
  showModel();
}

// ---- Tabs

const tabs = { chat: byId("chat-tab"), embed: byId("embed-tab") } as const;

function showTab(name: keyof typeof tabs): void {
  for (const [one, tab] of Object.entries(tabs)) {
    const selected = one === name;
    tab.setAttribute("aria-selected", String(selected));
    tab.tabIndex = selected ? 0 : -1;
    byId(`${one}-view`).hidden = !selected;
  }
}

// ---- What the user does

/** The message field is as high as its text. */
function grow(): void {
  prompt.rows = Math.min(8, Math.max(1, prompt.value.split("\n").length));
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  void send(prompt.value);
});
prompt.addEventListener("input", grow);
prompt.addEventListener("keydown", (event) => {
  // On a touch screen there is a button beside it, and no other key that begins a line.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || touches.matches) return;
  event.preventDefault();
  void send(prompt.value);
});
byId("stop").addEventListener("click", () => void stop());
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]") !== null) return;
  if (!panels.closeIfNarrow()) void stop();
});
byId("new-chat").addEventListener(
  "click",
  () => void openChat(newChat({ ...noSettings(), ...structuredClone(chat.settings) })),
);
byId("export").addEventListener("click", () => {
  download(`${chat.title.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40) || "chat"}.json`, exported(chat));
});
const file = byId<HTMLInputElement>("import-file");
byId("import").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  const [chosen] = file.files ?? [];
  file.value = "";
  if (chosen !== undefined) void takeFile(chosen);
});
picker.addEventListener("change", () => {
  localStorage.setItem(MODEL, picker.value);
  modelPicked();
});
for (const [name, tab] of Object.entries(tabs)) {
  tab.addEventListener("click", () => showTab(name as keyof typeof tabs));
  tab.addEventListener("keydown", ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    const other = name === "chat" ? "embed" : "chat";
    showTab(other);
    tabs[other].focus();
  });
}
for (const text of ["What is 3 + 4?", "Tell me a story about a penguin.", "Once upon a time"]) {
  byId("suggestions").append(
    element(
      "li",
      {},
      button(text, () => void send(text)),
    ),
  );
}

drawEngine(panels.close);
const showEmbeddings = startEmbeddings(model);
panels.onShow("engine", showModel);
showChat();
void watch();
document.documentElement.dataset["ready"] = "true";
