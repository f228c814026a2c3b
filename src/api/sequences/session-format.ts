// A saved session: a text and the keys and values of its full pages, so that a later process need not evaluate it again.
//
//   BYTES             CONTENT                       little endian throughout
//   8                 "criasess"
//   4                 version       2
//   4                 h             bytes of the description
//   4                 n             tokens
//   4                 p             pages
//   h                 description   JSON in UTF-8: the model, kernels and cache it belongs to; for a conversation, its messages
//   4 n               token ids     int32
//   p x pageBytes     pages         the first pages of the text; the rest is evaluated again, 63 tokens at most
//   stateBytes        state         if there are pages: the recurrent state at their end. Models that only attend have 0 bytes of it
//   32                SHA-256 of everything before it
//
// Pages that are not full stay out: the bytes after their last position belonged to another text. With recurrent state, pages after the
// last one at whose end there was a snapshot (leader/state-slots.ts) stay out, too.

import { PAGE } from "#abi";
import { ContextError, printable, SessionError } from "../../errors.js";
import type { ChatMessage } from "../../tokenizer/index.js";
import type { Tool } from "../tool.js";
import { sha256 } from "./sha256.js";

const MAGIC = "criasess";
const VERSION = 2;
const HEADER = 24;
/** Bytes of the digest at the end. */
export const DIGEST = 32;

/** What a session belongs to. Its bytes are of use nowhere else. */
export interface SessionStamp {
  /** The model's SHA-256 (model-digest.ts), in hexadecimal. */
  readonly model: string;
  readonly kernels: string;
  readonly kvCache: string;
  /** Positions of a page, and its bytes. */
  readonly page: number;
  readonly pageBytes: number;
  /** Bytes of a text's recurrent state. */
  readonly stateBytes: number;
}

/** What a conversation has in addition to its text. */
export interface ChatState {
  readonly messages: readonly ChatMessage[];
  readonly contextShift: boolean;
  readonly tools?: readonly Tool[] | undefined;
  readonly templateVariables?: Readonly<Record<string, unknown>>;
}

interface Description extends SessionStamp {
  /** Absent from a sequence's session. */
  readonly chat?: ChatState;
}

/** What a session holds. */
export interface Session {
  readonly tokens: Int32Array;
  /** (p, pageBytes) */
  readonly pages: Uint8Array;
  /** The recurrent state at the end of the pages. */
  readonly state: Uint8Array;
  readonly chat: ChatState | undefined;
}

/** The bytes before the tokens. The counts are filled in once they are known. */
export function sessionHead(stamp: SessionStamp, chat: ChatState | undefined): Uint8Array {
  const description = new TextEncoder().encode(JSON.stringify({ ...stamp, ...(chat && { chat }) }));
  const head = new Uint8Array(HEADER + description.length);
  for (let i = 0; i < MAGIC.length; i++) head[i] = MAGIC.charCodeAt(i);
  const view = new DataView(head.buffer);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, description.length, true);
  head.set(description, HEADER);
  return head;
}

/** Completes a session whose head, tokens and pages are in place. */
export async function sealSession(bytes: Uint8Array<ArrayBuffer>, tokens: number, pages: number): Promise<void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(16, tokens, true);
  view.setUint32(20, pages, true);
  const end = bytes.length - DIGEST;
  bytes.set(await sha256(bytes.subarray(0, end)), end);
}

/**
 * Reads a session.
 *
 * @param limits those of the model: token ids are below `vocabularySize`, and there are at most `contextSize` of them
 * @throws SessionError SESSION_CORRUPT, SESSION_VERSION, SESSION_MODEL_MISMATCH, SESSION_KERNELS_MISMATCH, SESSION_CACHE_MISMATCH;
 * ContextError CONTEXT_FULL when it is longer than the context
 */
export async function readSession(
  bytes: Uint8Array<ArrayBuffer>,
  stamp: SessionStamp,
  limits: { readonly contextSize: number; readonly vocabularySize: number },
): Promise<Session> {
  if (bytes.length < HEADER + DIGEST || [...MAGIC].some((c, i) => bytes[i] !== c.charCodeAt(0))) {
    throw corrupt(`its ${bytes.length} bytes do not begin with a session's header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [version, h, n, p] = [8, 12, 16, 20].map((at) => view.getUint32(at, true)) as [number, number, number, number];
  if (version !== VERSION) {
    throw new SessionError(
      "SESSION_VERSION",
      `the session is of version ${version}; this cria reads version ${VERSION}`,
    );
  }
  const end = bytes.length - DIGEST;
  if (HEADER + h > end) throw corrupt(`its description has ${h} bytes, the session ${bytes.length}`);
  const digest = await sha256(bytes.subarray(0, end));
  if (digest.some((byte, i) => byte !== bytes[end + i])) throw corrupt("its SHA-256 is not that of its bytes");

  const description = describe(bytes.subarray(HEADER, HEADER + h));
  compare(description, stamp);
  const pagesAt = HEADER + h + 4 * n;
  const stateAt = pagesAt + p * stamp.pageBytes;
  if (stateAt + (p > 0 ? stamp.stateBytes : 0) !== end || p * PAGE > n) {
    throw corrupt(`${n} tokens and ${p} pages of ${stamp.pageBytes} bytes are not what its ${bytes.length} bytes hold`);
  }
  if (n > limits.contextSize) {
    throw new ContextError(
      "CONTEXT_FULL",
      `the session has ${n} tokens; the context has room for ${limits.contextSize}`,
    );
  }
  const tokens = Int32Array.from({ length: n }, (_, i) => view.getInt32(HEADER + h + 4 * i, true));
  for (const [i, id] of tokens.entries()) {
    if (id < 0 || id >= limits.vocabularySize) {
      throw corrupt(`token ${i} must be an integer in 0 .. ${limits.vocabularySize - 1}; it is ${id}`);
    }
  }
  return {
    tokens,
    pages: bytes.subarray(pagesAt, stateAt),
    state: bytes.subarray(stateAt, end),
    chat: description.chat,
  };
}

/** The description, if it has the fields of one. */
function describe(json: Uint8Array): Description {
  let value: Partial<Description> | null;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    throw corrupt("its description is not JSON");
  }
  const texts = [value?.model, value?.kernels, value?.kvCache].every((field) => typeof field === "string");
  const numbers = [value?.page, value?.pageBytes, value?.stateBytes].every((field) => Number.isInteger(field));
  if (!texts || !numbers) throw corrupt("its description lacks a field");
  if (value?.chat !== undefined) {
    const { messages, contextShift } = (value.chat ?? {}) as Partial<Record<keyof ChatState, unknown>>;
    const roles = Array.isArray(messages) && messages.every((one) => typeof one?.role === "string");
    if (!roles || typeof contextShift !== "boolean") throw corrupt("its messages are not those of a conversation");
  }
  return value as Description;
}

function compare(description: Description, stamp: SessionStamp): void {
  const check = (code: string, what: string, of: keyof SessionStamp) => {
    if (description[of] === stamp[of]) return;
    const [theirs, ours] = [description, stamp].map((one) => printable(String(one[of]).slice(0, 16)));
    throw new SessionError(code, `the session is of ${what} ${theirs}, the model has ${ours}`);
  };
  check("SESSION_KERNELS_MISMATCH", "the kernels", "kernels");
  check("SESSION_CACHE_MISMATCH", "a cache of type", "kvCache");
  check("SESSION_MODEL_MISMATCH", "the model with the SHA-256", "model");
  check("SESSION_CACHE_MISMATCH", "a cache with the page size", "page");
  check("SESSION_CACHE_MISMATCH", "a cache with the page bytes", "pageBytes");
  check("SESSION_CACHE_MISMATCH", "a recurrent state with the bytes", "stateBytes");
}

function corrupt(why: string): SessionError {
  return new SessionError("SESSION_CORRUPT", `not a session that cria saved: ${why}`);
}
