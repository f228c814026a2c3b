// Errors as OpenAI's interface words them.

import type { ErrorObject } from "openai/resources/shared";
import { CriaError, WorkerError } from "../../index.js";

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
export function errorAnswer(error: unknown): { readonly status: number; readonly body: { error: ErrorObject } } {
  if (error instanceof RequestError) {
    const { status, code, message, param } = error;
    return { status, body: { error: { message, type: "invalid_request_error", param, code } } };
  }
  if (!(error instanceof CriaError)) throw error;
  const { code, message } = error;
  if (error instanceof WorkerError || code === "DISPOSED") {
    return { status: 500, body: { error: { message, type: "server_error", param: null, code } } };
  }
  // An option's error begins with the option's name, and messages have the same name in the request.
  const [param = null] = /^messages\S*/.exec(message) ?? [];
  return {
    status: 400,
    body: {
      error: {
        message,
        type: "invalid_request_error",
        param: code === "INVALID_OPTION" ? param : null,
        // The code by which OpenAI's clients know that a prompt must be shorter.
        code: code === "CONTEXT_FULL" ? "context_length_exceeded" : code,
      },
    },
  };
}
