// The table of targets: a row and a file for each.

import { gguf } from "./gguf.js";
import { hub } from "./hub.js";
import { kernels } from "./kernels.js";
import { load } from "./load.js";
import { meaning } from "./meaning.js";
import { options } from "./options.js";
import { requests } from "./requests.js";
import { schema } from "./schema.js";
import { sessions } from "./sessions.js";
import type { Target } from "./target.js";
import { template } from "./template.js";
import { tokenizer } from "./tokenizer.js";
import { canBeWide, wide } from "./wide.js";

export const targets: readonly Target[] = [
  ...[gguf, meaning, load, tokenizer, template, schema],
  ...[options, requests, sessions, hub, kernels],
  ...(canBeWide ? [wide] : []),
];

export function targetNamed(name: string): Target {
  const found = targets.find((target) => target.name === name);
  if (found !== undefined) return found;
  throw new Error(`the fuzzer has no target "${name}"; it has ${targets.map((target) => target.name).join(", ")}`);
}
