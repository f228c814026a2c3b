// What a command prints on stderr when it is done: how long loading, prefill and decoding took.

import type { GenerationSummary } from "../index.js";
import type { Answering } from "./answering.js";
import { columnsOf, wrapped } from "./wrap.js";

/** Sums up generations and prints the totals. */
export class Timings {
  readonly #about: readonly string[];
  #prefill = { tokens: 0, milliseconds: 0 };
  #decode = { tokens: 0, milliseconds: 0 };
  #guesses = { drafted: 0, accepted: 0 };
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
    this.#guesses.drafted += usage.draftedTokens ?? 0;
    this.#guesses.accepted += usage.acceptedTokens ?? 0;
    this.#seed ??= usage.seed;
  }

  /** The totals, each line with a name of eight characters. */
  lines(): string[] {
    const lines = [...this.#about];
    if (this.#seed !== undefined) {
      const { drafted, accepted } = this.#guesses;
      lines.push(`prefill ${speed(this.#prefill)}`, `decode  ${speed(this.#decode)}`);
      if (drafted > 0) lines.push(`        ${accepted} of ${drafted} guesses were right`);
      lines.push(`seed    ${this.#seed}`);
    }
    const columns = process.stderr.isTTY ? columnsOf(process.stderr) : Number.POSITIVE_INFINITY;
    return lines.flatMap((line) => fitted(line, columns));
  }

  print(): void {
    process.stderr.write(`\n${this.lines().join("\n")}\n`);
  }
}

const NAME = 8; // characters

/** A line; one that is too long goes on below its name. */
function fitted(line: string, columns: number): string[] {
  if (line.length < columns) return [line];
  const parts = wrapped(line.slice(NAME).trimStart(), columns - NAME - 1);
  return parts.map((part, i) => (i === 0 ? line.slice(0, NAME) : " ".repeat(NAME)) + part);
}

function speed(of: { readonly tokens: number; readonly milliseconds: number }): string {
  const perSecond = of.milliseconds > 0 ? (of.tokens * 1000) / of.milliseconds : 0;
  return `${milliseconds(of.milliseconds)} / ${`${of.tokens}`.padStart(5)} tokens  ${perSecond.toFixed(2)} tokens/s`;
}

function milliseconds(count: number): string {
  return `${count.toFixed(1).padStart(10)} ms`;
}
