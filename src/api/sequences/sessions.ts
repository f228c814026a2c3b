// Saves what a sequence holds, and restores a sequence from what was saved.

import { PAGE } from "#abi";
import { SessionError } from "../../errors.js";
import type { Blueprint } from "../../model/blueprint.js";
import type { Shard } from "../../model/plan/shard.js";
import { invalidOption } from "../../options.js";
import type { LeaderClient } from "../../protocol/client.js";
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
  readonly client: LeaderClient;
  readonly shard: Shard;
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
    client.tell({ type: "restore", sequence, tokens: session.tokens, pages: session.pages });
    return session;
  }

  #ownStamp(): Promise<SessionStamp> {
    const { shard, blueprint, frequencies, kernels, kvCache } = this.#model;
    this.#stamp ??= modelDigest(shard, blueprint, frequencies).then((model) => ({
      model,
      kernels,
      kvCache,
      page: PAGE,
      pageBytes: blueprint.pool.pageBytes,
    }));
    return this.#stamp;
  }
}

async function bytesOf(source: SessionSource): Promise<Uint8Array<ArrayBuffer>> {
  if (source instanceof Uint8Array) return new Uint8Array(source); // the caller may write to it meanwhile
  if (typeof source !== "string" && !(source instanceof URL)) {
    throw invalidOption("session", "a Uint8Array, a path or a file: URL", source);
  }
  const { readFile } = await import("node:fs/promises");
  const { buffer, byteOffset, byteLength } = await readFile(source);
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Writes a session to a file. It goes to a file beside it first, so that there is never half a session. */
export async function writeSessionFile(path: string | URL, session: Uint8Array): Promise<void> {
  const { rename, rm, writeFile } = await import("node:fs/promises");
  const target = path instanceof URL ? (await import("node:url")).fileURLToPath(path) : path;
  const partial = `${target}.${crypto.randomUUID()}.partial`;
  try {
    await writeFile(partial, session);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
