// The panel of settings: the system prompt, sampling, a schema that answers must match, and tools.

import type { Settings } from "./chats.js";
import { button, byId, element } from "./element.js";
import { type SamplingField, type SettingError, samplingFields } from "./requests.js";

const SCHEMA = {
  type: "object",
  properties: {
    answer: { type: "string", maxLength: 200 },
    certain: { type: "boolean" },
  },
  required: ["answer", "certain"],
};

const TOOLS = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather of a city, now",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];

/** Draws the panel for the settings of a chat, which it changes. `changed` is called after each change. */
export function drawSettings(settings: Settings, changed: () => void, close: () => void): void {
  const area = (name: "system" | "schema" | "tools", label: string, rows: number, code: boolean) => {
    const input = element("textarea", {
      id: name,
      rows,
      spellcheck: code ? "false" : undefined,
      class: code && "mono",
    });
    input.value = settings[name];
    const error = element("p", { id: `${name}-error`, class: "error", hidden: true });
    input.setAttribute("aria-describedby", error.id);
    input.addEventListener("input", () => {
      settings[name] = input.value;
      if (code) checkJson(name, input.value);
      changed();
    });
    const example = (value: object) =>
      button("Example", () => {
        input.value = JSON.stringify(value, null, 2);
        input.dispatchEvent(new Event("input"));
      });
    return { parts: [element("label", { for: name }, label), input, error], example };
  };
  const toggle = (name: "schemaOn" | "toolsOn", label: string) => {
    const input = element("input", { id: name, type: "checkbox" });
    input.checked = settings[name];
    input.addEventListener("change", () => {
      settings[name] = input.checked;
      changed();
    });
    return element("label", { class: "check" }, input, label);
  };
  const section = (title: string, open: boolean, ...children: (Node | string)[]) =>
    element("details", { open }, element("summary", {}, title), element("div", { class: "section" }, ...children));

  const system = area("system", "What the model is told before the conversation", 5, false);
  const schema = area("schema", "JSON Schema", 10, true);
  const tools = area("tools", "Definitions, as OpenAI's API has them", 12, true);
  const choice = element("select", { id: "tool-choice" });
  for (const value of ["auto", "none", "required"]) choice.append(element("option", { value }, value));
  choice.value = settings.toolChoice;
  choice.addEventListener("change", () => {
    settings.toolChoice = choice.value;
    changed();
  });
  byId("settings").replaceChildren(
    element("div", { class: "panel-head" }, element("h2", {}, "Settings"), closeButton(close)),
    section("System prompt", true, ...system.parts),
    section(
      "Sampling",
      true,
      element("p", { class: "note" }, "What is empty is the server's default."),
      element("div", { class: "grid" }, ...samplingFields.flatMap((field) => samplingInput(field, settings, changed))),
      button("Reset", () => {
        settings.sampling = {};
        drawSettings(settings, changed, close);
        changed();
      }),
    ),
    section(
      "JSON schema",
      settings.schemaOn,
      toggle("schemaOn", "Answers must match this schema"),
      ...schema.parts,
      schema.example(SCHEMA),
    ),
    section(
      "Tools",
      settings.toolsOn,
      toggle("toolsOn", "The model may call these tools"),
      element("p", { class: "note" }, "The page shows each call, and you type what it returns."),
      ...tools.parts,
      element("label", { for: "tool-choice" }, "Choice"),
      choice,
      tools.example(TOOLS),
    ),
  );
}

export const closeButton = (close: () => void) => button("×", close, { class: "plain close", "aria-label": "Close" });

function samplingInput(
  { name, label, number, choices, hint }: SamplingField,
  settings: Settings,
  changed: () => void,
): readonly HTMLElement[] {
  const id = `sampling-${name}`;
  const common = { id, title: hint, placeholder: hint === undefined ? "default" : "none" };
  const input =
    choices === undefined
      ? element("input", number === undefined ? { type: "text", ...common } : { type: "number", ...number, ...common })
      : element("select", { id });
  if (choices !== undefined) {
    for (const value of ["", ...choices]) input.append(element("option", { value }, value === "" ? "default" : value));
  }
  input.value = settings.sampling[name] ?? "";
  input.addEventListener("input", () => {
    if (input.value === "") delete settings.sampling[name];
    else settings.sampling[name] = input.value;
    changed();
  });
  return [element("label", { for: id }, label), input];
}

function checkJson(setting: string, text: string): void {
  try {
    if (text.trim() !== "") JSON.parse(text);
    showError(setting, undefined);
  } catch (error) {
    showError(setting, (error as Error).message);
  }
}

function showError(setting: string, message: string | undefined): void {
  const error = byId(`${setting}-error`);
  if (error === null) return;
  error.textContent = message ?? "";
  error.hidden = message === undefined;
  byId(setting).setAttribute("aria-invalid", String(message !== undefined));
}

/** Shows what cannot be sent at the setting that it is about. */
export function showSettingError({ setting, message }: SettingError): void {
  showError(setting, message);
  const input = document.getElementById(setting) ?? byId(`sampling-${setting}`);
  input.closest("details")!.open = true;
  input.focus();
}
