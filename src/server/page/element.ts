// Elements of the page, made and found.

type Child = Node | string | undefined | false;

/** Attributes: true is an attribute without a value; undefined and false are none. */
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An element with attributes and children. Strings are text, never markup. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  return filled(document.createElement(name), attributes, children);
}

/** The same, of a drawing. */
export function drawn<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Name] {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled<Made extends Element>(made: Made, attributes: Attributes, children: readonly Child[]): Made {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== undefined && child !== false));
  return made;
}

/** A button that says what it does. */
export function button(label: string, act: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", act);
  return made;
}

/** The element of the page with this id. */
export function byId<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

/** Says something to those who listen to the page. */
export function announce(text: string): void {
  byId("status").textContent = text;
}

const NOTICE_MILLISECONDS = 8000;

/** Shows what went wrong, or what was done, for a while; with something that can be done about it. */
export function notify(text: string, action?: { readonly label: string; readonly act: () => void }): void {
  const notice = element("div", { class: "notice" }, element("span", {}, text));
  const close = () => notice.remove();
  if (action !== undefined) {
    const act = () => {
      action.act();
      close();
    };
    notice.append(button(action.label, act));
  }
  notice.append(button("×", close, { class: "plain", "aria-label": "Dismiss" }));
  byId("notices").append(notice);
  setTimeout(close, NOTICE_MILLISECONDS);
}

/** Downloads a text as a file. */
export function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = element("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
