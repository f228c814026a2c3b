// Markdown as it streams. What a model writes is untrusted: HTML in it is shown as text, pictures become links (a page that loads one
// tells its server what was asked here), and what marked makes of the rest goes through DOMPurify, with a list of what may stay.

import DOMPurify, { type Config } from "dompurify";
import { Marked, type Token, type Tokens } from "marked";
import { button, element } from "./element.js";

const escaped = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const marked = new Marked({
  gfm: true,
  renderer: {
    // Line breaks are the one tag that models write where Markdown has nothing: in the cells of tables.
    html: ({ text }: Tokens.HTML | Tokens.Tag) => (/^<br\s*\/?>$/i.test(text.trim()) ? "<br>" : escaped(text)),
    image: ({ href, text }: Tokens.Image) => `<a href="${escaped(href)}">${escaped(text === "" ? href : text)}</a>`,
  },
});

const allowed: Config & { RETURN_DOM_FRAGMENT: true } = {
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "ul", "ol", "li"],
    ...["table", "thead", "tbody", "tr", "th", "td", "strong", "em", "del", "a", "input"],
  ],
  ALLOWED_ATTR: ["href", "class", "align", "start", "type", "checked", "disabled"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** A text that grows. What stands in it already is not made again, so that a selection and the focus stay where they are. */
export class Markdown {
  readonly element = element("div", { class: "markdown" });
  /** The blocks that are shown, and their source. */
  #blocks: { readonly source: string; readonly nodes: readonly ChildNode[] }[] = [];

  /** @param text the whole text so far */
  show(text: string): void {
    const tokens = marked.lexer(text);
    let same = 0;
    while (same < this.#blocks.length && tokens[same]?.raw === this.#blocks[same]!.source) same++;
    for (const { nodes } of this.#blocks.splice(same)) for (const node of nodes) node.remove();
    for (const token of tokens.slice(same)) {
      const fragment = safe(token);
      const nodes = [...fragment.childNodes];
      this.element.append(fragment);
      this.#blocks.push({ source: token.raw, nodes });
    }
  }
}

function safe(token: Token): DocumentFragment {
  const fragment = DOMPurify.sanitize(marked.parser([token]), allowed);
  for (const link of fragment.querySelectorAll("a")) {
    if (!link.hasAttribute("href")) continue;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const box of fragment.querySelectorAll("input")) {
    box.type = "checkbox";
    box.disabled = true;
    box.setAttribute("aria-label", box.checked ? "done" : "not done");
  }
  for (const table of fragment.querySelectorAll("table")) {
    const scrolls = element("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Table" });
    table.replaceWith(scrolls);
    scrolls.append(table);
  }
  for (const pre of fragment.querySelectorAll("pre")) pre.replaceWith(codeBlock(pre));
  return fragment;
}

/** Code with its language and a button that copies it. */
function codeBlock(pre: HTMLPreElement): HTMLElement {
  const code = pre.querySelector("code");
  const language = /language-(\S+)/.exec(code?.className ?? "")?.[1] ?? "";
  pre.tabIndex = 0;
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", language === "" ? "Code" : `Code, ${language}`);
  const copy = button("Copy", () => void copied(copy, pre.textContent ?? ""), { class: "plain" });
  const block = element(
    "div",
    { class: "code" },
    element("div", { class: "code-head" }, element("span", {}, language), copy),
  );
  block.append(pre.cloneNode(true));
  return block;
}

/** Copies a text, and says so on the button. */
export async function copied(of: HTMLButtonElement, text: string): Promise<void> {
  const label = of.textContent;
  try {
    await navigator.clipboard.writeText(text);
    of.textContent = "Copied";
  } catch {
    of.textContent = "Not allowed";
  }
  setTimeout(() => {
    of.textContent = label;
  }, 1500);
}
