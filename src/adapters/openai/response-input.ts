// The input of a response: its items as the messages that chat templates take.
//
//   reasoning, message (assistant), function_call, function_call   ->   one message of the assistant, with thoughts and calls
//   function_call_output                                           ->   a message of the tool

import type { ChatMessage } from "../../index.js";
import { RequestError } from "./errors.js";
import { Fields } from "./fields.js";
import { type TextParts, takeContent, textParts } from "./messages.js";
import { Notes } from "./notes.js";
import type { ResponseStore } from "./response-store.js";
import { type TemplateCall, templateCallOf } from "./tools.js";

const INPUT_PARTS: TextParts = { input_text: "text", output_text: "text", text: "text", refusal: "refusal" };
const roles = ["system", "developer", "user", "assistant"];

/** Takes out `input` as a list of items, those that it refers to in their places. @throws RequestError */
export function takeItems(fields: Fields, store: ResponseStore): readonly unknown[] {
  fields.notes.fieldOf.set("prompt", "input");
  const input = fields.need("input", "string", "array");
  if (typeof input === "string") return [{ role: "user", content: input }];
  if (input.length === 0) throw fields.invalid("input", "must not be empty");
  return input.map((given, i) => {
    const item = fields.inner(given, `input[${i}].`);
    if (item.take("type", "string") !== "item_reference") return given;
    const id = item.need("id", "string");
    const found = store.item(id);
    if (found !== undefined) return found;
    const path = item.pathOf("id");
    throw new RequestError(404, "item_not_found", `${path}: the item "${id}" is not stored`, path);
  });
}

/**
 * The messages of a conversation.
 *
 * @param earlier Items before those of the request's input
 * @throws RequestError for items of other kinds, content that is not text, and results of calls that there were not
 */
export function messagesOfItems(
  instructions: string | undefined,
  earlier: readonly unknown[],
  items: readonly unknown[],
  notes: Notes,
): ChatMessage[] {
  const conversation = new Conversation();
  if (instructions !== undefined) conversation.add({ role: "system", content: instructions });
  // What was read before is read as it was then.
  const before = new Notes(false);
  earlier.forEach((item, i) => {
    conversation.read(new Fields(item, before, `previous[${i}].`));
  });
  items.forEach((item, i) => {
    conversation.read(new Fields(item, notes, `input[${i}].`));
  });
  return conversation.messages();
}

/** What the assistant says in one go. */
interface Turn {
  content?: NonNullable<ChatMessage["content"]>;
  reasoning: string;
  calls: TemplateCall[];
}

class Conversation {
  readonly #messages: ChatMessage[] = [];
  /** The tools that were called, by the calls' ids. */
  readonly #called = new Map<string, string>();
  #turn: Turn | undefined;

  messages(): ChatMessage[] {
    this.#endTurn();
    return this.#messages;
  }

  add(message: ChatMessage): void {
    this.#endTurn();
    this.#messages.push(message);
  }

  read(item: Fields): void {
    const type = item.take("type", "string") ?? "message";
    item.drop("id", "status", "phase");
    switch (type) {
      case "message":
        this.#readMessage(item);
        break;
      case "reasoning":
        this.#readReasoning(item);
        break;
      case "function_call":
        this.#readCall(item);
        break;
      case "function_call_output":
        this.#readResult(item);
        break;
      default:
        throw item.invalid(
          "type",
          `must be message, reasoning, function_call, function_call_output or item_reference; it is "${type}"`,
        );
    }
    item.end();
  }

  #readMessage(item: Fields): void {
    const role = item.need("role", "string");
    if (!roles.includes(role)) throw item.invalid("role", `must be one of ${roles.join(", ")}; it is "${role}"`);
    const content = takeContent(item, INPUT_PARTS) ?? item.need("content", "string");
    if (role !== "assistant") {
      this.add({ role: role === "developer" ? "system" : role, content });
      return;
    }
    // A second text is a second message.
    if (this.#turn?.content !== undefined || this.#turn?.calls.length) this.#endTurn();
    this.#ownTurn().content = content;
  }

  #readReasoning(item: Fields): void {
    const content = item.takeEach("content", textOf("reasoning_text"));
    const summary = item.takeEach("summary", textOf("summary_text"));
    item.drop("encrypted_content");
    const text = (content?.length ? content : (summary ?? [])).join("\n");
    if (this.#turn?.content !== undefined || this.#turn?.calls.length) this.#endTurn();
    this.#ownTurn().reasoning += text;
  }

  #readCall(item: Fields): void {
    const id = item.need("call_id", "string");
    item.drop("namespace", "caller");
    const call = templateCallOf(id, item);
    this.#called.set(id, call.function.name);
    this.#ownTurn().calls.push(call);
  }

  #readResult(item: Fields): void {
    const id = item.need("call_id", "string");
    const name = this.#called.get(id);
    if (name === undefined) {
      throw item.invalid("call_id", `must be the id of a call in an earlier item; it is "${id}"`);
    }
    const output = item.need("output", "string", "array");
    const content = typeof output === "string" ? output : textParts(item, "output", output, INPUT_PARTS).join("\n");
    this.add({ role: "tool", name, content, tool_call_id: id });
  }

  #ownTurn(): Turn {
    this.#turn ??= { reasoning: "", calls: [] };
    return this.#turn;
  }

  #endTurn(): void {
    const turn = this.#turn;
    this.#turn = undefined;
    if (turn === undefined) return;
    // Thoughts that led to nothing are not a message.
    if (turn.content === undefined && turn.calls.length === 0) return;
    this.#messages.push({
      role: "assistant",
      content: turn.content ?? "",
      ...(turn.reasoning !== "" && { reasoning_content: turn.reasoning }),
      ...(turn.calls.length > 0 && { tool_calls: turn.calls }),
    });
  }
}

function textOf(type: string) {
  return (part: Fields): string => {
    part.only("type", type);
    const text = part.need("text", "string");
    part.end();
    return text;
  };
}
