// The text worker's entry: what must not stall the calling thread is done here.

import { CriaError, printable, TemplateError } from "../errors.js";
import { posted } from "../posted-error.js";
import { bufferForThreads } from "../sharing.js";
import { workerStart } from "../worker-handle.js";
import { renderTemplate, type TemplateInput } from "./jinja/render.js";
import { tokenBreakers } from "./sequence-breakers.js";
import { tokenizerTables } from "./tables.js";
import type { KeyedTables, Rendered, TextAnswer, TextJob, TextJobName, TextJobs } from "./text-jobs.js";
import { Tokenizer } from "./tokenizer.js";

// What a template says of itself is cut: it may say anything.
const LONGEST_MESSAGE = 1000;

/** Tokenizers that were used last. Their tables are shared, so each is small. */
const MOST_TOKENIZERS = 4;
const tokenizers = new Map<number, Tokenizer>();

type Result = TextJobs[TextJobName]["result"];

const work: { readonly [Name in TextJobName]: (given: TextJobs[Name]["given"]) => TextJobs[Name]["result"] } = {
  render,
  tables: (metadata) => tokenizerTables(new Map(metadata), bufferForThreads),
  encode: ({ tokenizer, text }) => tokenizerOf(tokenizer).encode(text),
  encodeParts: ({ tokenizer, parts }) => tokenizerOf(tokenizer).encodeParts(parts),
  breakers: ({ tokenizer, texts }) => tokenBreakers(tokenizerOf(tokenizer), texts),
};

// There is no `await` at the top level: bundlers copy this file as it is, and some hosts then read it as a script.
void workerStart().then(({ port }) => {
  port.onMessage((message) => port.postMessage(answerTo(message as TextJob)));
  port.postMessage({ type: "ready" } satisfies TextAnswer);
});

function answerTo({ name, given }: TextJob): TextAnswer {
  try {
    return { type: "done", result: (work[name] as (given: unknown) => Result)(given) };
  } catch (error) {
    return {
      type: "failed",
      error: posted(error instanceof CriaError ? error : new CriaError("TEXT_WORKER", String(error))),
    };
  }
}

function tokenizerOf({ key, tables }: KeyedTables): Tokenizer {
  const tokenizer = tokenizers.get(key) ?? new Tokenizer(tables);
  tokenizers.delete(key);
  tokenizers.set(key, tokenizer);
  for (const oldest of tokenizers.keys()) if (tokenizers.size > MOST_TOKENIZERS) tokenizers.delete(oldest);
  return tokenizer;
}

function render(input: TemplateInput): Rendered {
  try {
    const { text, marks } = renderTemplate(input);
    return { text, marks };
  } catch (error) {
    const { code, message } = asTemplateError(error);
    throw new TemplateError(code, printable(message, LONGEST_MESSAGE));
  }
}

function asTemplateError(error: unknown): TemplateError {
  if (error instanceof TemplateError) return error;
  if (error instanceof RangeError) {
    return new TemplateError("TEMPLATE_DEPTH", `the chat template is nested or recurses too deeply: ${error.message}`);
  }
  return new TemplateError("TEMPLATE_RENDER", `the chat template failed: ${String(error)}`);
}
