// What a server is told, and what it tells.

import { CriaError } from "../index.js";
import { checkBoolean, checkCallback, checkInteger, checkText, invalidOption, namesOf, optionsOf } from "../options.js";
import type { ServedModel } from "./catalog.js";

export interface ServerOptions {
  /** The models, each under a name of its own. Requests that name none mean the first. */
  readonly models: readonly ServedModel[];
  /** Default 127.0.0.1: only this machine. */
  readonly host?: string;
  /** Default 8080. 0: a free one. */
  readonly port?: number;
  /** Loads all models before `startServer` returns. Default: each at its first request. */
  readonly preload?: boolean;
  /** Minutes without a request after which a model is unloaded. Default: never. */
  readonly idleMinutes?: number;
  /** Requests that may wait for each model beyond those that run. Default 64. */
  readonly queue?: number;
  /** Without one of these keys, requests are refused, except for /health and /ready. Default: none is needed. */
  readonly apiKeys?: readonly string[];
  /** Names by which the server may be called, beside its own. */
  readonly allowedHosts?: readonly string[];
  /** Origins whose pages may use the server; "*" is all. Default: none but its own. */
  readonly cors?: readonly string[];
  /** Default 16 MiB. */
  readonly maxBodyBytes?: number;
  /** Seconds after which a client that takes nothing of its answer is cut off. Default 30. */
  readonly slowSeconds?: number;
  /** Told what happens: requests, and models that are loaded and unloaded. Never a text. */
  readonly onEvent?: (event: ServerEvent) => void;
}

/** What happens in a server. No text of a prompt or an answer is in it. */
export type ServerEvent =
  | {
      readonly event: "request";
      readonly id: string;
      readonly method: string;
      readonly route: string;
      readonly status: number;
      readonly milliseconds: number;
    }
  | {
      readonly event: "model";
      readonly model: string;
      readonly state: string;
      readonly milliseconds: number | undefined;
      readonly message: string | undefined;
    }
  /** Requests that had not ended when the time for that was over. */
  | { readonly event: "cut"; readonly requests: number };

/** The options, checked, with their defaults. */
export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  readonly preload: boolean;
  readonly idleMilliseconds: number | undefined;
  readonly queue: number;
  readonly apiKeys: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly cors: readonly string[];
  readonly maxBodyBytes: number;
  readonly slowMilliseconds: number;
}

const optionNames = namesOf<ServerOptions>({
  models: true,
  host: true,
  port: true,
  preload: true,
  idleMinutes: true,
  queue: true,
  apiKeys: true,
  allowedHosts: true,
  cors: true,
  maxBodyBytes: true,
  slowSeconds: true,
  onEvent: true,
});

/** @throws CriaError INVALID_OPTION */
export function settingsOf(given: ServerOptions): {
  readonly models: readonly ServedModel[];
  readonly settings: ServerSettings;
  readonly report: (event: ServerEvent) => void;
} {
  const options = optionsOf("startServer", given, optionNames);
  if (!Array.isArray(options.models)) throw invalidOption("models", "an array", options.models);
  const models = options.models.map(({ name, ...rest }, i) => ({ name: word(`models[${i}].name`, name), ...rest }));
  if (options.preload !== undefined) checkBoolean("preload", options.preload);
  checkCallback("onEvent", options.onEvent);
  const idle = options.idleMinutes;
  if (idle !== undefined && !(typeof idle === "number" && idle > 0))
    throw invalidOption("idleMinutes", "a number above 0", idle);
  const slow = options.slowSeconds ?? 30;
  if (!(typeof slow === "number" && slow > 0)) throw invalidOption("slowSeconds", "a number above 0", slow);
  return {
    models,
    report: (event) => options.onEvent?.(event),
    settings: {
      host: word("host", options.host ?? "127.0.0.1"),
      port: checkInteger("port", options.port ?? 8080, 0, 65535),
      preload: options.preload ?? false,
      idleMilliseconds: idle === undefined ? undefined : Math.min(idle * 60_000, 2 ** 31 - 1),
      queue: checkInteger("queue", options.queue ?? 64, 0, 2 ** 20),
      apiKeys: words("apiKeys", options.apiKeys),
      allowedHosts: words("allowedHosts", options.allowedHosts).map((host) => host.toLowerCase()),
      cors: words("cors", options.cors),
      maxBodyBytes: checkInteger("maxBodyBytes", options.maxBodyBytes ?? 2 ** 24, 1, 2 ** 30),
      slowMilliseconds: slow * 1000,
    },
  };
}

function word(name: string, value: unknown): string {
  checkText(name, value);
  if (value === "") throw new CriaError("INVALID_OPTION", `${name} must not be empty`);
  return value as string;
}

function words(name: string, values: readonly string[] = []): readonly string[] {
  if (!Array.isArray(values)) throw invalidOption(name, "an array", values);
  return values.map((value, i) => word(`${name}[${i}]`, value));
}
