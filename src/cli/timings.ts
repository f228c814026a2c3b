// What a command prints on stderr when it is done: how long loading, prefill and decoding took.

import type { GenerationSummary } from "../index.js";
import type { Answering } from "./answering.js";

/** Sums up generations and prints the totals. */
export class Timings {
  readonly #about: readonly string[];
  #prefill = { tokens: 0, milliseconds: 0 };
  #decode = { tokens: 0, milliseconds: 0 };
  #seed: number | undefined;

  constructor({ about }: Pick<Answering, "about">) {
    this.#about = about;
  }

  add({ usage, timings }: GenerationSummary): void {
    this.#prefill.tokens += usage.promptTokens - usage.cachedTokens;
    this.#prefill.milliseconds += timings.prefillMilliseconds;
    // The first token comes from the prompt's last row: decoding is what follows.
    this.#decode.tokens += Math.max(0, usage.completionTokens - 1);
    this.#decode.milliseconds += timings.decodeMilliseconds;
    this.#seed ??= usage.seed;
  }

  print(): void {
    const lines = ["", ...this.#about];
    if (this.#seed !== undefined) {
      lines.push(`prefill ${speed(this.#prefill)}`, `decode  ${speed(this.#decode)}`, `seed    ${this.#seed}`);
    }
    process.stderr.write(`${lines.join("\n")}\n`);
  }
}

function speed(of: { readonly tokens: number; readonly milliseconds: number }): string {
  const perSecond = of.milliseconds > 0 ? (of.tokens * 1000) / of.milliseconds : 0;
  return `${milliseconds(of.milliseconds)} / ${`${of.tokens}`.padStart(5)} tokens  ${perSecond.toFixed(2)} tokens/s`;
}

function milliseconds(count: number): string {
  return `${count.toFixed(1).padStart(10)} ms`;
}
