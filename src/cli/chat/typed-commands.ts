// What can be typed in a conversation besides messages: one row each.

import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { FileError } from "../../errors.js";
import { printable } from "../../gguf/index.js";
import type { ChatMessage } from "../../tokenizer/index.js";
import { UsageError } from "../failure.js";
import { helpTable } from "../help-table.js";
import { nearest } from "../nearest.js";
import type { Talk } from "./talk.js";

/** What a command leads to: lines to show, a message to answer, the end. */
export interface CommandOutcome {
  readonly say?: string;
  readonly ask?: string;
  readonly leave?: boolean;
}

interface Row {
  readonly names: readonly string[];
  /** What follows the name. */
  readonly value?: string;
  readonly help: string;
  /** `rest`: what is typed behind the name, without the spaces around it. */
  run(talk: Talk, rest: string): CommandOutcome | Promise<CommandOutcome>;
}

const rows: readonly Row[] = [
  { names: ["/help", "/?"], help: "this text", run: () => ({ say: helpText() }) },
  { names: ["/system"], value: "[TEXT]", help: 'show or set the system message; "": none', run: systemMessage },
  { names: ["/retry"], help: "take the last answer back, and answer again", run: retry },
  { names: ["/clear", "/reset"], help: "forget the conversation, except for the system message", run: clear },
  { names: ["/save"], value: "FILE", help: "write the conversation to a file, as JSON", run: save },
  { names: ["/load"], value: "FILE", help: "go on with a conversation of a file", run: load },
  { names: ["/stats"], help: "tokens of the context, and how fast answers were", run: stats },
  { names: ["/exit", "/quit", "/bye"], help: "leave (also Ctrl-D)", run: () => ({ leave: true }) },
];

const keys: readonly (readonly [string, string])[] = [
  ["\\ at the end of a line", "go on in another line (also Alt-Enter, Ctrl-J); a paste stays one message"],
  ["arrow keys", "move, and call earlier messages back"],
  ["Ctrl-C", "stop the answer, which stays as far as it came; once more: leave"],
  ["a space before /", "makes it a message"],
];

/** The command that a line is, with what follows its name; undefined for a message. "/usr/bin" is one, and " /help". */
export function typedCommand(line: string): { readonly name: string; readonly rest: string } | undefined {
  const match = /^(\/(?:[a-z]+|\?))(?:\s+([\s\S]*))?$/i.exec(line.trimEnd());
  return match === null ? undefined : { name: match[1]!.toLowerCase(), rest: (match[2] ?? "").trim() };
}

/** @throws UsageError for a command that there is not, or that lacks something; FileError */
export async function runTyped(talk: Talk, name: string, rest: string): Promise<CommandOutcome> {
  const row = rows.find(({ names }) => names.includes(name));
  if (row === undefined) {
    const names = rows.flatMap((one) => one.names);
    throw new UsageError(`there is no ${name}${nearest(name, names)}; /help lists what there is`);
  }
  if (rest === "" && row.value !== undefined && !row.value.startsWith("[")) {
    throw new UsageError(`${name} needs a value: ${name} ${row.value}`);
  }
  return row.run(talk, rest);
}

/** The longest beginning that all commands share which begin with this text, with a space behind a whole one. */
export function completed(text: string): string {
  if (!/^\/[a-z]*$/i.test(text)) return text;
  const fitting = rows.flatMap(({ names, value }) =>
    names.filter((name) => name.startsWith(text)).map((name) => (value === undefined ? name : `${name} `)),
  );
  const [first, ...others] = fitting;
  if (first === undefined) return text;
  const shares = (length: number) => others.every((other) => other.startsWith(first.slice(0, length)));
  let length = first.length;
  while (!shares(length)) length--;
  return first.slice(0, length);
}

function helpText(): string {
  const lines = rows.map(({ names, value, help }) => {
    return [`${names.join(", ")}${value === undefined ? "" : ` ${value}`}`, help] as const;
  });
  return helpTable([...lines, ...keys]).join("\n");
}

function systemMessage(talk: Talk, rest: string): CommandOutcome {
  const [first, ...others] = talk.messages;
  const has = first?.role === "system";
  if (rest === "") return { say: has ? `the system message: ${textOf(first)}` : "there is no system message" };
  const messages = has ? others : talk.messages;
  const content = rest === '""' ? undefined : rest;
  talk.replace(content === undefined ? messages : [{ role: "system", content }, ...messages]);
  return {
    say: content === undefined ? "no system message from now on" : "the next answer follows the new system message",
  };
}

function retry(talk: Talk): CommandOutcome {
  const question = talk.takeBack();
  return question === undefined ? { say: "nothing has been asked yet" } : { ask: question };
}

function clear(talk: Talk): CommandOutcome {
  talk.clear();
  return { say: "the conversation begins anew" };
}

async function save(talk: Talk, rest: string): Promise<CommandOutcome> {
  const path = pathOf(rest);
  const before = await readFile(path, "utf8").catch(() => undefined);
  if (before !== undefined && messagesIn(before) === undefined) {
    throw new UsageError(`${rest} exists, and is not a conversation: choose another name`);
  }
  const text = `${JSON.stringify({ messages: talk.messages }, null, 2)}\n`;
  await writeFile(path, text).catch((cause) => {
    throw new FileError("FILE_UNWRITABLE", path, `cannot be written: ${cause.code ?? cause}`, { cause });
  });
  return { say: `${counted(talk.messages.length)} in ${rest}` };
}

/** Of the last message: so much that the line is narrower than a terminal of 80 columns. */
const PREVIEW = 40;

async function load(talk: Talk, rest: string): Promise<CommandOutcome> {
  const path = pathOf(rest);
  const text = await readFile(path, "utf8").catch((cause) => {
    const reason = cause.code === "ENOENT" ? "does not exist" : `cannot be read: ${cause.code ?? cause}`;
    throw new FileError("FILE_UNREADABLE", path, reason, { cause });
  });
  const messages = messagesIn(text);
  if (messages === undefined) {
    throw new UsageError(`${rest} is not a conversation: JSON with "messages", each with a role and a content`);
  }
  talk.replace(messages);
  const last = messages.at(-1);
  const preview = last === undefined ? "" : `\nthe last one, of the ${last.role}: ${printable(textOf(last), PREVIEW)}`;
  return { say: `${counted(messages.length)} of ${rest}${preview}` };
}

function stats(talk: Talk): CommandOutcome {
  const { last, contextSize } = talk;
  const used = last === undefined ? 0 : last.usage.promptTokens + last.usage.completionTokens;
  const context = `context ${used}${contextSize === undefined ? "" : ` of ${contextSize}`} tokens, ${counted(talk.messages.length)}`;
  const speed =
    last === undefined
      ? []
      : [
          `last    ${last.usage.promptTokens - last.usage.cachedTokens} tokens read at ` +
            `${last.timings.prefillTokensPerSecond.toFixed(1)}, ${last.usage.completionTokens} written at ` +
            `${last.timings.decodeTokensPerSecond.toFixed(1)} tokens/s`,
        ];
  return { say: [context, ...speed, ...talk.timings.lines()].join("\n") };
}

function pathOf(text: string): string {
  return text.replace(/^~(?=[/\\])/, homedir()).replace(/^(["'])(.*)\1$/, "$2");
}

/** The messages of a file of /save, or of a request to OpenAI; undefined where it has none. */
function messagesIn(text: string): readonly ChatMessage[] | undefined {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return undefined;
  }
  const messages = Array.isArray(content) ? content : (content as { messages?: unknown } | null)?.messages;
  if (!Array.isArray(messages)) return undefined;
  const isMessage = (message: unknown) => {
    const { role, content } = (message ?? {}) as { role?: unknown; content?: unknown };
    return typeof role === "string" && typeof content === "string";
  };
  return messages.every(isMessage) ? messages : undefined;
}

function textOf({ content }: ChatMessage): string {
  return typeof content === "string" ? content : JSON.stringify(content);
}

function counted(messages: number): string {
  return `${messages} ${messages === 1 ? "message" : "messages"}`;
}
