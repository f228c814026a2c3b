// Errors as OpenAI's interface words them.

import type { ErrorObject } from "openai/resources/shared";
import { CriaError, GrammarError, TemplateError, WorkerError } from "../../index.js";
import type { Notes } from "./notes.js";

/** A request that is refused. */
export class RequestError extends Error {
  readonly status: number;
  readonly code: string;
  /** The field that is to blame. */
  readonly param: string | null;

  constructor(status: number, code: string, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

/** The status and body of an answer that tells of an error. Errors that are nobody's we know are thrown again. */
export function errorAnswer(
  error: unknown,
  notes: Notes,
): { readonly status: number; readonly body: { error: ErrorObject } } {
  if (error instanceof RequestError) {
    const { status, code, message, param } = error;
    return { status, body: { error: { message, type: "invalid_request_error", param, code } } };
  }
  if (!(error instanceof CriaError)) throw error;
  const { code } = error;
  if (error instanceof WorkerError || code === "DISPOSED") {
    return { status: 500, body: { error: { message: error.message, type: "server_error", param: null, code } } };
  }
  const { param, message } = blamed(error, notes);
  return {
    status: 400,
    body: {
      error: {
        message,
        type: "invalid_request_error",
        param,
        // The code by which OpenAI's clients know that a prompt must be shorter.
        code: code === "CONTEXT_FULL" ? "context_length_exceeded" : code,
      },
    },
  };
}

/** The field of the request that an engine's error is about. */
function blamed(error: CriaError, notes: Notes): { readonly param: string | null; readonly message: string } {
  const { code, message } = error;
  if (code === "INVALID_OPTION") return notes.inFields(message);
  const field = (...options: readonly string[]) => {
    const named = options.map((option) => notes.fieldOf.get(option)).find((each) => each !== undefined);
    return { param: named ?? null, message };
  };
  if (code === "BUDGET_TOO_SMALL") return field("maxTokens");
  if (error instanceof GrammarError) return field("jsonSchema", "grammar", "tools");
  if (code === "UNSUPPORTED_TOOLS") return field("tools");
  return code === "CONTEXT_FULL" || error instanceof TemplateError ? field("prompt") : field();
}
