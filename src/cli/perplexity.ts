// cria perplexity: how well a model predicts a text, as llama.cpp defines it.
//
//   text     | window 1      | window 2      | ...  rest, left out |      windows of the context size
//   window   | BOS . . . . . | scored . . . . |                           only the second half is scored: each token there has at
//            0          size / 2 + 1        size                          least half a window before it
//
//   perplexity = exp(mean of -ln p(token | those before it in the window))

import { CriaError } from "../errors.js";
import type { Model, Sequence } from "../index.js";
import { invalidOption } from "../options.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { readTextFile } from "./input.js";
import { interruptible } from "./interrupt.js";
import { modelOptions, trainedContext, withModel } from "./model-options.js";
import { modelPath } from "./model-source.js";

/** llama.cpp's default: figures compare only where the windows are the same. */
const DEFAULT_CONTEXT = 512;
/** Rows of logits that are asked for at once: with a vocabulary of 128,256 tokens one takes half a megabyte. */
const ROWS = 32;

export const perplexity = command({
  usage: "[options] -f text",
  about: `Measures how well a model predicts a text: exp of the mean negative log likelihood of its tokens. The text is cut into
windows of the context size, each begins with BOS where the model's file asks for one, and the second half of
each is scored, as in llama.cpp. stdout gets the running value after each window, then the final one with its
standard error.`,
  options: {
    file: { flags: ["-f", "--file"], type: "string", value: "FILE", help: "the text; -: stdin" },
    chunks: { flags: ["--chunks"], type: "number", value: "N", help: "windows at most; -1: all (default: -1)" },
    ...modelOptions,
    contextSize: {
      ...modelOptions.contextSize,
      help: `tokens of a window; 0: the model's context (default: ${DEFAULT_CONTEXT}, or the model's context if less)`,
    },
  },
  async run(values, positionals) {
    const { file, chunks = -1 } = values;
    if (file === undefined || positionals.length > 0) throw new UsageError("the text is missing: give it with -f FILE");
    if (!Number.isInteger(chunks) || chunks < -1 || chunks === 0) {
      throw invalidOption("--chunks", "-1 or an integer of at least 1", chunks);
    }
    const text = await readTextFile(file);
    const path = await interruptible((signal) => modelPath(values, signal));
    const contextSize = values.contextSize ?? (await defaultContext(path));
    await withModel({ ...values, model: path, hubRepo: undefined, contextSize }, async (model, signal) => {
      const windows = windowsOf(model, text, chunks);
      const likelihood = new Likelihood();
      const sequence = model.createSequence();
      for (const [i, window] of windows.entries()) {
        await scoreWindow(sequence, window, likelihood, signal);
        process.stdout.write(`[${i + 1}]${likelihood.perplexity.toFixed(4)},`);
      }
      const { perplexity, error } = likelihood;
      process.stdout.write(`\nFinal estimate: PPL = ${perplexity.toFixed(4)} +/- ${error.toFixed(5)}\n`);
    });
  },
});

async function defaultContext(path: string): Promise<number> {
  return Math.min(DEFAULT_CONTEXT, (await trainedContext(path)) ?? DEFAULT_CONTEXT);
}

/** The ids of each window; the rest at the end, which does not fill one, is not scored. */
function windowsOf(model: Model, text: string, most: number): Int32Array[] {
  const { tokenizer } = model;
  const { contextSize } = model.info;
  if (contextSize < 3) throw invalidOption("-c", "at least 3, so that a window has a token to score", contextSize);
  const bos = tokenizer.addsBos ? tokenizer.bosId : undefined;
  const ids = [...(bos === undefined ? [] : [bos]), ...tokenizer.encode(text, { bos: false })];
  const count = Math.floor(ids.length / contextSize);
  if (count === 0) {
    throw new CriaError(
      "TEXT_TOO_SHORT",
      `the text has ${ids.length} tokens, a window of the context size ${contextSize}; use a longer text or a smaller -c`,
    );
  }
  return Array.from({ length: most === -1 ? count : Math.min(most, count) }, (_, i) => {
    const window = Int32Array.from(ids.slice(i * contextSize, (i + 1) * contextSize));
    if (bos !== undefined) window[0] = bos; // in place of a token of the text
    return window;
  });
}

async function scoreWindow(
  sequence: Sequence,
  window: Int32Array,
  likelihood: Likelihood,
  signal: AbortSignal,
): Promise<void> {
  const first = Math.floor(window.length / 2);
  await sequence.evaluate(window.subarray(0, first), { signal });
  for (let from = first; from < window.length - 1; from += ROWS) {
    const rows = Math.min(ROWS, window.length - 1 - from);
    const logits = await sequence.evaluate(window.subarray(from, from + rows), { logits: "all", signal });
    const vocabulary = logits.length / rows;
    for (let row = 0; row < rows; row++) {
      likelihood.add(logits.subarray(row * vocabulary, (row + 1) * vocabulary), window[from + row + 1]!);
    }
  }
  sequence.truncate(0);
}

/** Sums up -ln p of tokens. */
class Likelihood {
  #count = 0;
  #sum = 0;
  #squares = 0;

  /** The token that came, and the logits (vocab) it was expected with. */
  add(logits: Float32Array, id: number): void {
    let most = Number.NEGATIVE_INFINITY;
    for (const logit of logits) if (logit > most) most = logit;
    let exponentials = 0;
    for (const logit of logits) exponentials += Math.exp(logit - most);
    const negative = Math.log(exponentials) - (logits[id]! - most);
    this.#count++;
    this.#sum += negative;
    this.#squares += negative * negative;
  }

  get perplexity(): number {
    return Math.exp(this.#sum / this.#count);
  }

  /** The standard error of the mean, carried over to the perplexity; 0 where all tokens were equally likely. */
  get error(): number {
    const variance = this.#squares / this.#count - (this.#sum / this.#count) ** 2;
    return variance > 0 ? Math.sqrt(variance / (this.#count - 1)) * this.perplexity : 0;
  }
}
