// Saves what a sequence holds, and restores a sequence from what was saved.

import { PAGE } from "#abi";
import { SessionError } from "../../errors.js";
import { localPath, NewFile, readWholeFile } from "../../files.js";
import type { Blueprint } from "../../model/blueprint.js";
import { invalidOption, readable } from "../../options.js";
import type { ModelClient } from "../../protocol/client.js";
import { modelDigest } from "./model-digest.js";
import {
  type ChatState,
  DIGEST,
  readSession,
  type Session,
  type SessionStamp,
  sealSession,
  sessionHead,
} from "./session-format.js";

/** A saved session: its bytes, or the path or `file:` URL of the file that holds them. */
export type SessionSource = Uint8Array | string | URL;

/** What a session is compared with. */
export interface SessionModel {
  readonly client: ModelClient;
  /** Samples of the weights of one of the teams: they hold the same. */
  readonly sample: () => Promise<Uint8Array>;
  readonly blueprint: Blueprint;
  readonly frequencies: readonly Float64Array[];
  readonly contextSize: number;
  readonly kernels: string;
  readonly kvCache: string;
}

export class Sessions {
  readonly #model: SessionModel;
  #stamp: Promise<SessionStamp> | undefined;

  constructor(model: SessionModel) {
    this.#model = model;
  }

  /** The session of a sequence that no call is working on; with `chat`, of a conversation. */
  async save(sequence: number, chat: ChatState | undefined): Promise<Uint8Array> {
    const head = sessionHead(await this.#ownStamp(), chat);
    const { session, tokens, pages } = await this.#model.client.save(sequence, head, DIGEST);
    await sealSession(session, tokens, pages);
    return session;
  }

  /** Reads a session, and puts what it holds into sequence number `sequence`. @throws SessionError, ContextError */
  async restore(source: SessionSource, kind: "sequence" | "chat", sequence: number): Promise<Session> {
    const { client, blueprint, contextSize } = this.#model;
    const limits = { contextSize, vocabularySize: blueprint.hyperparameters.vocab };
    const session = await readSession(await bytesOf(source), await this.#ownStamp(), limits);
    if ((session.chat === undefined) !== (kind === "sequence")) {
      const [is, call] = kind === "chat" ? ["sequence", "restoreSequence"] : ["conversation", "restoreChat"];
      throw new SessionError("SESSION_KIND", `the session is a ${is}'s: ${call} takes it`);
    }
    const { tokens, pages, state } = session;
    client.tell({ type: "restore", sequence, tokens, pages, state });
    return session;
  }

  #ownStamp(): Promise<SessionStamp> {
    const { sample, blueprint, frequencies, kernels, kvCache } = this.#model;
    const stampOf = async (): Promise<SessionStamp> => ({
      model: await modelDigest(await sample(), blueprint, frequencies),
      kernels,
      kvCache,
      page: PAGE,
      pageBytes: blueprint.pool.pageBytes,
      stateBytes: blueprint.states?.slotBytes ?? 0,
    });
    this.#stamp ??= stampOf();
    return this.#stamp;
  }
}

async function bytesOf(source: SessionSource): Promise<Uint8Array<ArrayBuffer>> {
  // A copy, because the caller may write to it meanwhile.
  const bytes = readable("session", source, () => (source instanceof Uint8Array ? new Uint8Array(source) : undefined));
  if (bytes !== undefined) return bytes;
  if (typeof source !== "string" && !(source instanceof URL)) {
    throw invalidOption("session", "a Uint8Array, a path or a file: URL", source);
  }
  return readWholeFile(await localPath("session", source), MOST_SESSION_BYTES, (bytes) => {
    return new SessionError("SESSION_CORRUPT", `not a session that cria saved: no session has ${bytes} bytes`);
  });
}

/** A KV cache fits into one memory of 4 GiB; a conversation's messages are less. */
const MOST_SESSION_BYTES = 2 ** 33;

/** Saves a session, to a file as well where there is a path. @throws FileError, CriaError INVALID_OPTION, what `save` throws */
export async function saveSession(
  path: string | URL | undefined,
  save: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  if (path === undefined) return save();
  const file = await localPath("path", path);
  const session = await save();
  const written = await NewFile.create(file);
  try {
    await written.write(session);
    await written.finish();
  } catch (error) {
    await written.discard();
    throw error;
  }
  return session;
}
