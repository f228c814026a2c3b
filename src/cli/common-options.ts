// The options that every command has.

import { colorOption } from "./color.js";
import type { OptionTable } from "./command.js";

export const commonOptions = {
  color: colorOption,
  help: { flags: ["-h", "--help"], type: "boolean", help: "this text" },
} as const satisfies OptionTable;
