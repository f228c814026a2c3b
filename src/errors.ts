// The failures of cria: a few classes, each with a stable `code`, and the numbers in the message.

/** More characters than any message needs. What a file or a server wrote may be of any length. */
const LONGEST_MESSAGE = 2000;

/**
 * The base of all cria errors. Besides its message, each has a code that programs may compare. The message is one line without control
 * characters, whoever wrote what it quotes.
 */
export class CriaError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(printable(message, LONGEST_MESSAGE), options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** A model file that is not well-formed GGUF. */
export class GgufError extends CriaError {
  /** Byte offset in the file (of the split file's part, where the file is split) at which reading failed. */
  readonly offset: number | undefined;
  /** The metadata key or tensor that was being read. */
  readonly subject: string | undefined;

  constructor(code: string, message: string, where: { offset?: number; subject?: string; cause?: unknown } = {}) {
    const place = [
      where.subject === undefined ? "" : `"${where.subject}"`,
      where.offset === undefined ? "" : `at byte ${where.offset}`,
    ].filter((part) => part !== "");
    super(code, place.length > 0 ? `${message} (${place.join(" ")})` : message, { cause: where.cause });
    this.offset = where.offset;
    this.subject = where.subject;
  }
}

/** A well-formed request for something that cria does not do. The message names it and lists what is supported. */
export class UnsupportedError extends CriaError {}

/** The memory plan does not fit. The message shows weights + cache + buffers against the limit. */
export class MemoryError extends CriaError {}

/** Tokens that do not fit in the context, or a sequence used in a way that its state does not allow. */
export class ContextError extends CriaError {}

/** A saved session that is damaged, or that belongs to another model, to other kernels, or to a cache of another kind. */
export class SessionError extends CriaError {}

/** A worker died, trapped, or did not answer: the model is lost. `dispose` it and load another. */
export class WorkerError extends CriaError {}

/** A chat template that does not parse, raises, or exceeds its limits. */
export class TemplateError extends CriaError {}

/**
 * A model that could not be downloaded: because of the server's answer, the connection, the received bytes, or the cache's folder.
 * Received bytes are kept where they can be used, and the next try goes on from there.
 */
export class DownloadError extends CriaError {
  /** The HTTP status, if the server's answer is the cause. */
  readonly status: number | undefined;

  constructor(code: string, message: string, options: { status?: number; cause?: unknown } = {}) {
    super(code, message, { cause: options.cause });
    this.status = options.status;
  }
}

/** A file that cannot be read or written. `cause` is the file system's own error. */
export class FileError extends CriaError {
  /** The file's path. */
  readonly path: string;

  constructor(code: string, path: string, message: string, options?: ErrorOptions) {
    super(code, `${printable(path, 200)} ${message}`, options);
    this.path = path;
  }
}

/** A grammar that does not parse, matches no text, or exceeds a limit. */
export class GrammarError extends CriaError {}

/**
 * Makes a name from a file fit for one line of an error message, because the file's author chose it: control, format and unpaired
 * surrogate characters are escaped as \u{hex}, and the text is cut to `longest` characters.
 */
export function printable(text: string, longest = 96): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}...` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}

/**
 * Makes a URL, well-formed or not, fit for an error message: without what lets somebody in. Its query may be a signature, and what stands
 * before its @ a password.
 */
export function printableUrl(url: string | URL): string {
  const place = String(url).replace(/[?#].*/s, "");
  // In hf:user/repo@revision the @ stands behind no password.
  return printable(/^hf:/i.test(place) ? place : place.replace(/^([a-z][a-z0-9+.-]*:)?([/\\]*)[^/\\]*@/i, "$1$2"), 200);
}
