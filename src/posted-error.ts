// A cria error on its way from a worker to the thread that asked: structured cloning keeps neither the class nor the code.

import {
  ContextError,
  CriaError,
  DownloadError,
  GgufError,
  GrammarError,
  MemoryError,
  SessionError,
  TemplateError,
  UnsupportedError,
  WorkerError,
} from "./errors.js";

const classes = {
  CriaError,
  GgufError,
  UnsupportedError,
  MemoryError,
  ContextError,
  SessionError,
  WorkerError,
  TemplateError,
  DownloadError,
  GrammarError,
} as const;

type ClassName = keyof typeof classes;

export interface PostedError {
  readonly class: ClassName;
  readonly code: string;
  readonly message: string;
  /** What the class has besides: `offset`, `subject`, `status`. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** The error as a message carries it. Its cause, which may be anything, stays behind: the message says what matters of it. */
export function posted(error: CriaError): PostedError {
  const [name] = Object.entries(classes).find(([, Class]) => error.constructor === Class) ?? ["CriaError"];
  const { code, message, name: _, cause: __, stack: ___, ...details } = error;
  return { class: name as ClassName, code, message, details };
}

/** The error again, of the class that it had. */
export function received({ class: name, code, message, details }: PostedError): CriaError {
  const error = new classes[name](code, message);
  for (const [key, value] of Object.entries(details)) Object.defineProperty(error, key, { value, enumerable: true });
  return error;
}
