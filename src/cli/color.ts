// Whether output is coloured, and how. --color decides, then NO_COLOR (no-color.org), FORCE_COLOR, TERM, and whether it is a terminal.

import type { Option } from "./command.js";

const whens = ["auto", "always", "never"] as const;
export type ColorWhen = (typeof whens)[number];

/** Every command has it. */
export const colorOption = {
  flags: ["--color"],
  type: "string",
  value: "WHEN",
  choices: whens,
  help: "colour the output: auto, always, never (default: auto; NO_COLOR and FORCE_COLOR count)",
} as const satisfies Option;

// Select Graphic Rendition (ECMA-48, 8.3.117): what begins a style, and what ends it.
const styles = { bold: [1, 22], faint: [2, 22], red: [31, 39], green: [32, 39] } as const;
export type Style = keyof typeof styles;

let chosen: ColorWhen = "auto";

/** What --color says, for the rest of the process. */
export function chooseColor(when: ColorWhen): void {
  chosen = when;
}

/** Whether what is written to a stream may have colours. */
export function hasColor(stream: { readonly isTTY?: boolean }, environment = process.env): boolean {
  if (chosen !== "auto") return chosen === "always";
  const { NO_COLOR, FORCE_COLOR, TERM } = environment;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  return stream.isTTY === true && TERM !== "dumb";
}

/** The text in a style, where the stream has colours. */
export function styled(stream: { readonly isTTY?: boolean }, style: Style, text: string): string {
  if (text === "" || !hasColor(stream)) return text;
  const [begin, end] = styles[style];
  return `\x1b[${begin}m${text}\x1b[${end}m`;
}
