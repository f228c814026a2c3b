// The text worker's entry: what must not stall the calling thread is done here. It renders chat templates.

import { TemplateError } from "../errors.js";
import { printable } from "../printable.js";
import { workerStart } from "../worker-handle.js";
import { renderTemplate, type TemplateInput } from "./jinja/render.js";

export type RenderJob = TemplateInput;

export type TextAnswer =
  | { readonly type: "ready" }
  | { readonly type: "rendered"; readonly text: string; readonly marks: readonly number[] }
  | { readonly type: "failed"; readonly code: string; readonly message: string };

// What a template says of itself is cut: it may say anything.
const LONGEST_MESSAGE = 1000;

const { port } = await workerStart();
port.onMessage((job) => port.postMessage(answerTo(job as RenderJob)));
port.postMessage({ type: "ready" } satisfies TextAnswer);

function answerTo(job: RenderJob): TextAnswer {
  try {
    const { text, marks } = renderTemplate(job);
    return { type: "rendered", text, marks };
  } catch (error) {
    const { code, message } = asTemplateError(error);
    return { type: "failed", code, message: printable(message, LONGEST_MESSAGE) };
  }
}

function asTemplateError(error: unknown): TemplateError {
  if (error instanceof TemplateError) return error;
  if (error instanceof RangeError) {
    return new TemplateError("TEMPLATE_DEPTH", `the chat template is nested or recurses too deeply: ${error.message}`);
  }
  return new TemplateError("TEMPLATE_RENDER", `the chat template failed: ${String(error)}`);
}
