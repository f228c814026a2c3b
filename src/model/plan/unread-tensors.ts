// Tensors of a file that the forward pass would not read: a model that has them computes something else than what it was trained to.

import { printable, UnsupportedError } from "../../errors.js";
import type { Gguf } from "../../gguf/index.js";
import type { Hyperparameters } from "../hyperparameters.js";
import { LONG_FACTORS, SHORT_FACTORS } from "./rope.js";
import type { WeightSpec } from "./weight-specs.js";

/** The frequencies of RoPE as old files store them: what `rope.freq_base` says, once more. */
const STORED_ROPE = /^blk\.\d+\.attn_rot_embd(?:\.weight)?$/;

/** Names that a message shows. */
const SHOWN = 6;

/**
 * Refuses a file with tensors that `specs` do not name.
 * @throws UnsupportedError UNSUPPORTED_TENSORS
 */
export function checkUnreadTensors(gguf: Gguf, specs: readonly WeightSpec[], h: Hyperparameters): void {
  const read = new Set(specs.map(({ name }) => name));
  const [rope] = h.ropes;
  if (h.ropes.length === 1) {
    for (const name of rope!.scaling.type === "longrope" ? [LONG_FACTORS, SHORT_FACTORS] : ["rope_freqs.weight"])
      read.add(name);
  }
  const isGuessing = (name: string) => {
    const layer = Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
    return layer >= h.layers && layer < h.layers + (h.guessingLayers ?? 0);
  };
  const unread = gguf.tensors
    .map(({ name }) => name)
    .filter((name) => !read.has(name) && !STORED_ROPE.test(name) && !isGuessing(name));
  if (unread.length === 0) return;
  const names = unread.slice(0, SHOWN).map((name) => printable(name));
  if (unread.length > SHOWN) names.push(`and ${unread.length - SHOWN} more`);
  throw new UnsupportedError(
    "UNSUPPORTED_TENSORS",
    `the file has ${unread.length} of ${gguf.tensors.length} tensors that "${h.architecture}" with a block_count of ${h.layers} ` +
      `does not read: ${names.join(", ")}`,
  );
}
