// The encoding of activations as it is measured: a prefill chunk of Llama-3.2-1B's width.

import { checkChoice } from "../../options.js";
import { type KernelRow, noise, shareOf } from "./case.js";

const activations = ["q8_32", "centred_q8_32", "q8_256", "q16_32", "f32"] as const;

export const encode: KernelRow = {
  dimensions: ["tokens", "columns"],
  formats: () => activations,
  shapes: () => [[128, 2048]],
  check: (lab, format, [tokens, columns = 0]) => {
    lab.encode({ activation: checkChoice("format", format, activations), tokens, columns });
  },
  share: shareOf(0, 4),
  peak: () => undefined,
  // Its error is part of matmul's.
  prepare: (lab, format, [tokens = 1, columns = 0]) => {
    const activation = checkChoice("format", format, activations);
    const kernel = lab.encode({ activation, tokens, columns }).setInput(noise(tokens * columns, 1));
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0 };
  },
};
