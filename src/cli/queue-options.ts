// What the commands that use a queue have in common: options, the adapter with its packages, and a model's identity.

import type { QueuePlace } from "../adapters/bullmq/index.js";
import { openGguf } from "../gguf/index.js";
import type { LoadOptions } from "../index.js";
import type { OptionTable, OptionValues } from "./command.js";
import { UsageError } from "./failure.js";

export const queueOptions = {
  queue: {
    flags: ["--queue"],
    type: "string",
    value: "URL",
    help: "the Redis server that has the queue: redis://[user:password@]host[:port], rediss:// with TLS",
  },
  queueName: { flags: ["--queue-name"], type: "string", value: "NAME", help: "the queue's name (default: cria)" },
  queuePrefix: {
    flags: ["--queue-prefix"],
    type: "string",
    value: "WORD",
    help: "what the names of the queue's keys begin with (default: bull)",
  },
} as const satisfies OptionTable;

/** Where the options say that the queue is. */
export function queuePlace(url: string, { queueName, queuePrefix }: OptionValues<typeof queueOptions>): QueuePlace {
  return { connection: url, name: queueName, prefix: queuePrefix };
}

/** The adapter's packages are the user's to install: who has one machine does not need them. @throws UsageError */
export async function queueModule() {
  try {
    return await import("../adapters/bullmq/index.js");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new UsageError("--queue needs packages that are not installed: npm install bullmq ioredis");
  }
}

/** The identity in jobs of a model that is loaded so. */
export async function identityOf(path: string, options: LoadOptions, signal: AbortSignal): Promise<string> {
  const { modelIdentity } = await queueModule();
  const gguf = await openGguf(path);
  const parts = gguf.parts.map((part) => part.path ?? path);
  await gguf.close();
  const { quantize, kvCache, contextSize } = options;
  const lora = options.lora?.map((adapter) => ({ path: String(adapter.path), scale: adapter.scale }));
  return modelIdentity(parts, { quantize, kvCache, contextSize, lora, signal });
}
