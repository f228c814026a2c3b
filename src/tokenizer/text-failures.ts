// The text worker's failures as plain data, and back: they keep their classes on the way to the thread that asked.

import { CriaError, GgufError, TemplateError, UnsupportedError } from "../errors.js";

export interface TextFailure {
  readonly kind: "template" | "gguf" | "unsupported" | "other";
  readonly code: string;
  readonly message: string;
  /** The metadata key that was being read. */
  readonly subject?: string | undefined;
}

export function toFailure(error: unknown): TextFailure {
  if (!(error instanceof CriaError)) return { kind: "other", code: "TEXT_WORKER", message: String(error) };
  const { code, message } = error;
  if (error instanceof TemplateError) return { kind: "template", code, message };
  if (error instanceof UnsupportedError) return { kind: "unsupported", code, message };
  if (!(error instanceof GgufError)) return { kind: "other", code, message };
  const { subject } = error;
  // The class puts the subject behind the message itself.
  const suffix = subject === undefined ? "" : ` ("${subject}")`;
  return { kind: "gguf", code, message: message.slice(0, message.length - suffix.length), subject };
}

export function fromFailure({ kind, code, message, subject }: TextFailure): CriaError {
  switch (kind) {
    case "template":
      return new TemplateError(code, message);
    case "unsupported":
      return new UnsupportedError(code, message);
    case "gguf":
      return new GgufError(code, message, subject === undefined ? {} : { subject });
    case "other":
      return new CriaError(code, message);
  }
}
