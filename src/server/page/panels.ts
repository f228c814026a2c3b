// The panels beside the conversation: chats on the left, settings or the engine on the right. On a narrow page each lies over the
// conversation, one at a time, until it is closed.

import { byId } from "./element.js";

const buttons = { sidebar: "show-chats", settings: "show-settings", engine: "show-engine" } as const;

type Panel = keyof typeof buttons;
const right = ["settings", "engine"] as const satisfies readonly Panel[];

export interface Panels {
  open(panel: Panel): void;
  /** Closes what is open. */
  close(): void;
  /** Closes what lies over the conversation. @returns whether there was something */
  closeIfNarrow(): boolean;
  /** Calls a function when a panel is shown. */
  onShow(panel: Panel, call: () => void): void;
}

export function startPanels(): Panels {
  const narrow = matchMedia("(max-width: 820px)");
  const shown = new Map<Panel, () => void>();
  let now: Panel | undefined;

  /** Shows the panel that is open now, over the conversation or beside it. */
  function lay(): boolean {
    const panel = now;
    for (const name of right) byId(name).hidden = name !== panel;
    byId("sidebar").classList.toggle("open", panel === "sidebar");
    for (const [name, id] of Object.entries(buttons)) byId(id).setAttribute("aria-expanded", String(name === panel));
    const over = narrow.matches && panel !== undefined;
    byId("shade").hidden = !over;
    byId("centre").inert = over;
    byId("sidebar").inert = narrow.matches && panel !== "sidebar";
    return over;
  }

  function show(panel: Panel | undefined): void {
    const before = now;
    now = panel;
    const over = lay();
    if (panel !== undefined) {
      shown.get(panel)?.();
      if (over) byId(panel).querySelector<HTMLElement>("button, input, textarea, summary")?.focus();
    } else if (before !== undefined) byId(buttons[before]).focus();
  }

  for (const [name, id] of Object.entries(buttons)) {
    byId(id).addEventListener("click", () => show(now === name ? undefined : (name as Panel)));
  }
  byId("shade").addEventListener("click", () => show(undefined));
  narrow.addEventListener("change", lay);
  lay();
  return {
    open: show,
    close: () => show(undefined),
    closeIfNarrow() {
      const over = narrow.matches && now !== undefined;
      if (over) show(undefined);
      return over;
    },
    onShow: (panel, call) => void shown.set(panel, call),
  };
}
