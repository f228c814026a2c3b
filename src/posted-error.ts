// A cria error on its way from a worker to the thread that asked: structured cloning keeps neither the class nor the code.

import * as errors from "./errors.js";
import { CriaError } from "./errors.js";

type ErrorClass = { readonly prototype: CriaError };

/** Every class of errors.ts by the name that it is exported under, which no bundler changes. */
const classes = new Map<string, ErrorClass>(
  Object.entries<unknown>(errors).filter((entry): entry is [string, ErrorClass] => {
    const [, value] = entry;
    return typeof value === "function" && (value === CriaError || value.prototype instanceof CriaError);
  }),
);

export interface PostedError {
  readonly class: string;
  readonly code: string;
  readonly message: string;
  /** What the class has besides: `offset`, `subject`, `status`. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** The error as a message carries it. Its cause, which may be anything, stays behind: the message says what matters of it. */
export function posted(error: CriaError): PostedError {
  const [name] = [...classes].find(([, Class]) => error.constructor === Class) ?? ["CriaError"];
  const { code, message, name: _, cause: __, stack: ___, ...details } = error;
  return { class: name, code, message, details };
}

/** The error again, of the class that it had. */
export function received({ class: name, code, message, details }: PostedError): CriaError {
  // Constructors take other arguments, and make other messages of them.
  const error: CriaError = Object.setPrototypeOf(
    new CriaError(code, message),
    (classes.get(name) ?? CriaError).prototype,
  );
  error.name = name;
  for (const [key, value] of Object.entries(details)) Object.defineProperty(error, key, { value, enumerable: true });
  return error;
}
