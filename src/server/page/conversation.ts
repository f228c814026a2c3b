// The conversation as it is seen: a view for each message, with what can be done to it.

import type { Message, ToolCall } from "./chats.js";
import { button, element } from "./element.js";
import { copied, Markdown } from "./markdown.js";
import { rate } from "./numbers.js";

/** What a user does to a message. */
export interface Actions {
  regenerate(message: Message): void;
  /** The message has a new text. `resend`: the answer to it is wanted. */
  edited(message: Message, text: string, resend: boolean): void;
  /** All calls of a message have results, in their order. */
  results(message: Message, results: readonly string[]): void;
}

const names = { user: "You", assistant: "Assistant", tool: "Result" } as const;

export class MessageView {
  readonly element = element("li", { class: "message" });
  readonly #message: Message;
  readonly #actions: Actions;
  readonly #body = element("div", { class: "body" });
  readonly #thoughts = element("details", { class: "thoughts", hidden: true });
  readonly #thoughtsTitle = element("summary");
  readonly #thoughtsText = new Markdown();
  readonly #text = new Markdown();
  readonly #calls = element("div", { class: "calls" });
  readonly #foot = element("div", { class: "foot" });

  constructor(message: Message, actions: Actions) {
    this.#message = message;
    this.#actions = actions;
    const { role } = message;
    this.element.classList.add(role);
    const who = role === "assistant" ? (message.model ?? names.assistant) : names[role];
    this.#thoughts.append(this.#thoughtsTitle, this.#thoughtsText.element);
    this.element.append(element("h2", { class: "who" }, who), this.#body, this.#foot);
    this.#text.element.classList.add("text");
    this.#body.append(this.#thoughts, this.#text.element, this.#calls);
    this.show(false);
  }

  /** Shows the message as it is now. `growing`: more of it comes. */
  show(growing: boolean): void {
    const { role, content, reasoning, tool_calls } = this.#message;
    this.element.classList.toggle("growing", growing);
    if (reasoning !== undefined) {
      this.#thoughts.hidden = false;
      this.#thoughtsTitle.textContent = growing && content === "" ? "Thinking…" : "Thoughts";
      this.#thoughtsText.show(reasoning);
    }
    if (role === "user") this.#text.element.replaceChildren(element("p", { class: "typed" }, content));
    else if (role === "tool") this.#text.element.replaceChildren(element("pre", { class: "result" }, content));
    else this.#text.show(this.#message.json === true && content !== "" ? fenced(content, growing) : content);
    if (tool_calls !== undefined) this.#calls.replaceChildren(...tool_calls.map(callView));
    if (growing) this.#foot.replaceChildren();
    else this.#showFoot();
  }

  /** Asks for the results of the calls. */
  askForResults(): void {
    const calls = this.#message.tool_calls ?? [];
    const form = element("form", { class: "results" });
    const inputs = calls.map(({ function: { name } }, i) => {
      const label = calls.length > 1 ? `Result of call ${i + 1}, ${name}` : `Result of ${name}`;
      const input = element("textarea", {
        rows: 2,
        required: true,
        "aria-label": label,
        placeholder: label,
        class: "mono",
      });
      form.append(input);
      return input;
    });
    form.append(element("div", { class: "row" }, element("button", { type: "submit", class: "primary" }, "Send")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.remove();
      this.#actions.results(
        this.#message,
        inputs.map(({ value }) => value),
      );
    });
    this.#calls.append(form);
  }

  /** How an answer failed. */
  fail(message: string): void {
    this.#foot.prepend(element("p", { class: "error" }, message));
  }

  #showFoot(): void {
    const { role, figures, ended } = this.#message;
    const acts: HTMLElement[] = [];
    if (role === "assistant") acts.push(button("Regenerate", () => this.#actions.regenerate(this.#message)));
    if (role !== "tool") acts.push(button("Edit", () => this.#edit()));
    const copy = button("Copy", () => void copied(copy, this.#message.content));
    acts.push(copy);
    const facts: string[] = [];
    if (figures !== undefined) {
      const { tokens, speed, promptTokens, cachedTokens, prompt } = figures;
      facts.push(`${tokens} tokens${speed === undefined ? "" : ` at ${rate(speed)}/s`}`);
      const cached = cachedTokens > 0 ? ` (${cachedTokens} cached)` : "";
      facts.push(`prompt ${promptTokens}${cached}${prompt ? ` at ${rate(prompt)}/s` : ""}`);
    }
    this.#foot.replaceChildren(
      ...(ended === undefined ? [] : [element("p", { class: "note" }, ended)]),
      element("div", { class: "acts" }, ...acts, element("span", { class: "facts" }, facts.join(" · "))),
    );
  }

  #edit(): void {
    const { role, content } = this.#message;
    const input = element("textarea", {
      rows: Math.min(12, content.split("\n").length + 1),
      "aria-label": "Edit the message",
    });
    input.value = content;
    const form = element("form", { class: "edit" }, input);
    const end = () => {
      form.replaceWith(this.#body);
      this.#foot.hidden = false;
      this.#foot.querySelector("button")?.focus();
    };
    const save = element("button", { type: "submit", class: "primary" }, role === "user" ? "Send" : "Save");
    form.append(element("div", { class: "row" }, save, button("Cancel", end)));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      end();
      this.#actions.edited(this.#message, input.value, role === "user");
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") end();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.#body.replaceWith(form);
    this.#foot.hidden = true;
    input.focus();
  }
}

/** JSON as a block of code: whole, it is laid out. */
function fenced(content: string, growing: boolean): string {
  let text = content;
  if (!growing) {
    try {
      text = JSON.stringify(JSON.parse(content), null, 2);
    } catch {
      // It was stopped.
    }
  }
  return `\`\`\`json\n${text}\n\`\`\``;
}

function callView({ function: { name, arguments: given } }: ToolCall): HTMLElement {
  let text = given;
  try {
    text = JSON.stringify(JSON.parse(given), null, 2);
  } catch {
    // It is still growing.
  }
  const head = element("p", {}, "Calls ", element("code", {}, name));
  return element(
    "div",
    { class: "call" },
    head,
    element("pre", { tabindex: 0, "aria-label": "Arguments", role: "region" }, text),
  );
}
