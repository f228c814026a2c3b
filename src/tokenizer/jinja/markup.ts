// Strings that count as HTML, which the filters `safe` and `escape` make. Chat templates are not HTML, yet some say `x | tojson | safe`:
// then Jinja2 escapes what is added to it.

import { MarkedString } from "./marked-string.js";

export class Markup extends MarkedString {
  constructor({ text, marks }: MarkedString) {
    super(text, marks);
  }
}

/** What was made of a string: HTML if that is. */
export function likewise(model: unknown, made: MarkedString): MarkedString {
  return model instanceof Markup ? new Markup(made) : made;
}

const ESCAPES = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ["'", "&#39;"],
  ['"', "&#34;"],
]);

export function escapeHtml(string: MarkedString): Markup {
  if (string instanceof Markup) return string;
  return new Markup(string.map((run) => run.replace(/[&<>'"]/g, (character) => ESCAPES.get(character) ?? character)));
}
