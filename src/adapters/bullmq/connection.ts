// Where a queue is.

import type { ConnectionOptions, RedisOptions } from "bullmq";
import { checkText, invalidOption } from "../../options.js";

/** Where a queue is. */
export interface QueuePlace {
  /** redis://[user:password@]host[:port][/database], rediss:// with TLS; or what BullMQ takes, such as a client of ioredis. */
  readonly connection: string | ConnectionOptions;
  /** The queue's name. Default "cria". */
  readonly name?: string;
  /** What the names of all its keys begin with. Default "bull", as in BullMQ. */
  readonly prefix?: string;
}

/** The same, checked. */
export interface Place {
  readonly connection: ConnectionOptions;
  readonly name: string;
  readonly prefix: string;
  /** For messages: without a password. */
  readonly shown: string;
}

/** @throws CriaError INVALID_OPTION */
export function placeOf({ connection, name = "cria", prefix = "bull" }: QueuePlace): Place {
  checkText("name", name, 1, 200);
  if (name.includes(":")) throw invalidOption("name", "a string without colons", name);
  checkText("prefix", prefix, 1, 200);
  if (typeof connection !== "string") {
    if (typeof connection !== "object" || connection === null) {
      throw invalidOption("connection", "a redis: URL, or options or a client for BullMQ", connection);
    }
    return { connection, name, prefix, shown: name };
  }
  const url = URL.canParse(connection) ? new URL(connection) : undefined;
  if (url === undefined || !/^rediss?:$/.test(url.protocol)) {
    throw invalidOption("connection", "a URL such as redis://host:6379", connection);
  }
  // Commands wait while the server is away, however long that is.
  const options: RedisOptions = { url: connection, maxRetriesPerRequest: null };
  return { connection: options, name, prefix, shown: `${name} at ${url.host}` };
}

/** The key under which workers say which model they have. */
export function modelKey({ prefix, name }: Place): string {
  return `${prefix}:${name}:cria-model`;
}
