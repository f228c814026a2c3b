// Chats: what they hold, how they are kept in the browser, and the file that one can be exported to. What comes from storage or from a
// file is checked as a stranger's.

/** A call of a tool, as OpenAI's API has it. */
export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

/** What an answer took. */
export interface Figures {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly tokens: number;
  /** Tokens a second. */
  readonly prompt: number | undefined;
  readonly speed: number | undefined;
}

export interface Message {
  role: "user" | "assistant" | "tool";
  content: string;
  /** An assistant's thoughts. */
  reasoning?: string;
  tool_calls?: ToolCall[];
  /** Of a tool's result. */
  tool_call_id?: string;
  /** Who answered. */
  model?: string;
  /** The answer had to match a schema. */
  json?: boolean;
  figures?: Figures;
  /** Why the answer ended before its end. */
  ended?: string;
}

/** What is in force in a chat, as its user has typed it. */
export interface Settings {
  system: string;
  /** Fields of requests, by their names. Absent: the server's default. */
  sampling: Record<string, string>;
  schemaOn: boolean;
  schema: string;
  toolsOn: boolean;
  tools: string;
  toolChoice: string;
}

export interface Chat {
  id: string;
  title: string;
  /** When it was last changed, ms since 1970. */
  time: number;
  settings: Settings;
  messages: Message[];
}

export const noSettings = (): Settings => ({
  ...{ system: "", sampling: {}, schemaOn: false, schema: "", toolsOn: false, tools: "", toolChoice: "auto" },
});

export const newChat = (settings: Settings = noSettings()): Chat => ({
  ...{ id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, title: "New chat", time: Date.now() },
  ...{ settings: structuredClone(settings), messages: [] },
});

const PREFIX = "cria.chat.";

/** All chats that the browser keeps, the last first. */
export function storedChats(): Chat[] {
  const chats: Chat[] = [];
  for (let i = 0; i < localStorage.length; i++) {
    const name = localStorage.key(i)!;
    if (!name.startsWith(PREFIX)) continue;
    try {
      chats.push({ ...chatFrom(JSON.parse(localStorage.getItem(name)!)), id: name.slice(PREFIX.length) });
    } catch {
      // What is not a chat is nobody's.
    }
  }
  return chats.sort((a, b) => b.time - a.time);
}

/** @throws DOMException when the browser keeps no more */
export function storeChat(chat: Chat): void {
  chat.time = Date.now();
  localStorage.setItem(PREFIX + chat.id, JSON.stringify(chat));
}

export function forgetChat({ id }: Chat): void {
  localStorage.removeItem(PREFIX + id);
}

/** The text of an exported chat. */
export function exported(chat: Chat): string {
  const { title, time, settings, messages } = chat;
  return `${JSON.stringify({ format: "cria-chat", version: 1, title, time, settings, messages }, null, 2)}\n`;
}

/** A chat from a file: one that was exported, or messages as OpenAI's API has them. @throws Error with what is wrong */
export function imported(text: string): Chat {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("the file is not JSON");
  }
  return chatFrom(Array.isArray(value) ? { messages: value } : value);
}

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const textOr = <Other>(value: unknown, other: Other) => (typeof value === "string" ? value : other);

/** @throws Error */
function chatFrom(value: unknown): Chat {
  if (!isFields(value) || !Array.isArray(value["messages"])) throw new Error("the file has no messages");
  const chat = newChat(settingsFrom(value["settings"]));
  for (const [i, message] of value["messages"].entries()) {
    if (!isFields(message)) throw new Error(`message ${i + 1} is not an object`);
    const { role } = message;
    const content = contentOf(message["content"], i);
    if (role === "system" || role === "developer") chat.settings.system = content;
    else if (role === "user" || role === "assistant" || role === "tool")
      chat.messages.push(messageFrom(role, content, message));
    else throw new Error(`message ${i + 1} has the role ${JSON.stringify(role)}`);
  }
  chat.title = textOr(value["title"], titleOf(chat));
  chat.time = typeof value["time"] === "number" ? value["time"] : chat.time;
  return chat;
}

/** Texts, or parts that are texts. */
function contentOf(content: unknown, index: number): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  if (Array.isArray(content) && content.every((part) => isFields(part) && typeof part["text"] === "string")) {
    return content.map(({ text }) => text).join("");
  }
  throw new Error(`message ${index + 1} has a content that is not text`);
}

function messageFrom(role: Message["role"], content: string, given: Fields): Message {
  const message: Message = { role, content };
  const reasoning = textOr(given["reasoning"], textOr(given["reasoning_content"], ""));
  if (reasoning !== "") message.reasoning = reasoning;
  for (const name of ["tool_call_id", "model", "ended"] as const) {
    const value = given[name];
    if (typeof value === "string") message[name] = value;
  }
  if (given["json"] === true) message.json = true;
  if (isFields(given["figures"])) message.figures = figuresFrom(given["figures"]);
  if (Array.isArray(given["tool_calls"])) {
    message.tool_calls = given["tool_calls"].map((call, i) => {
      const said = isFields(call) && isFields(call["function"]) ? call["function"] : {};
      const id = textOr(isFields(call) ? call["id"] : undefined, `call_${i}`);
      return {
        ...{ id, type: "function" },
        function: { name: textOr(said["name"], ""), arguments: textOr(said["arguments"], "{}") },
      };
    });
  }
  return message;
}

function figuresFrom(given: Fields): Figures {
  const number = (name: string) => (typeof given[name] === "number" ? given[name] : undefined);
  return {
    promptTokens: number("promptTokens") ?? 0,
    cachedTokens: number("cachedTokens") ?? 0,
    tokens: number("tokens") ?? 0,
    prompt: number("prompt"),
    speed: number("speed"),
  };
}

function settingsFrom(given: unknown): Settings {
  const settings = noSettings();
  if (!isFields(given)) return settings;
  for (const name of ["system", "schema", "tools", "toolChoice"] as const)
    settings[name] = textOr(given[name], settings[name]);
  for (const name of ["schemaOn", "toolsOn"] as const) settings[name] = given[name] === true;
  if (isFields(given["sampling"])) {
    for (const [name, value] of Object.entries(given["sampling"])) {
      if (typeof value === "string") settings.sampling[name] = value;
    }
  }
  return settings;
}

const TITLE = 48;

/** A chat is called by its first message. */
export function titleOf({ messages }: Chat): string {
  const text =
    messages
      .find(({ role }) => role === "user")
      ?.content.replace(/\s+/g, " ")
      .trim() ?? "";
  if (text === "") return "New chat";
  return text.length > TITLE ? `${text.slice(0, TITLE - 1)}…` : text;
}
