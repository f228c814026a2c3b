// OpenAI's messages as the messages that chat templates take.

import type { ChatMessage } from "../../index.js";
import { Fields } from "./fields.js";
import { templateCallsOf } from "./tools.js";

/** What newer models of OpenAI call the system. */
const DEVELOPER = "developer";
const roles = ["system", DEVELOPER, "user", "assistant", "tool"];

/**
 * What contents in parts may hold is checked, for all callers, where a conversation begins.
 *
 * @throws RequestError for messages of other roles, for content that is neither text nor parts, and for results of calls that there were not
 */
export function chatMessages(messages: readonly unknown[]): ChatMessage[] {
  /** The tools that were called, by the calls' ids. */
  const called = new Map<string, string>();
  return messages.map((message, i) => {
    const fields = new Fields(message, `messages[${i}].`);
    const role = fields.need("role", "string");
    if (!roles.includes(role)) throw fields.invalid("role", `must be one of ${roles.join(", ")}; it is "${role}"`);
    const calls = role === "assistant" ? fields.take("tool_calls", "array") : undefined;
    // Of what is called nothing needs to be said.
    const given = calls?.length ? fields.take("content", "string", "array") : fields.need("content", "string", "array");
    const content = (given ?? "") as NonNullable<ChatMessage["content"]>;
    if (role === "tool") {
      const id = fields.need("tool_call_id", "string");
      const name = called.get(id);
      if (name === undefined)
        throw fields.invalid("tool_call_id", `must be the id of a call in an earlier message; it is "${id}"`);
      fields.end();
      return { role, name, content, tool_call_id: id };
    }
    const name = fields.take("name", "string");
    fields.end();
    const own = { role: role === DEVELOPER ? "system" : role, content, ...(name !== undefined && { name }) };
    if (calls === undefined) return own;
    const toolCalls = templateCallsOf(calls, `messages[${i}].tool_calls`);
    for (const call of toolCalls) called.set(call.id, call.function.name);
    return { ...own, tool_calls: toolCalls };
  });
}
