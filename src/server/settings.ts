// What a server is told, and what it tells.

import { CriaError } from "../index.js";
import {
  checkBoolean,
  checkCallback,
  checkInteger,
  checkText,
  groupOf,
  idleOption,
  invalidOption,
  namesOf,
  optionsOf,
} from "../options.js";
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
  /**
   * What all models together may take, in bytes. A model that is asked for beyond that makes the one go that was used longest ago, and is
   * refused when requests use all of them. Default: each may take what the system says is free when it is loaded.
   */
  readonly memoryBytes?: number;
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
  /**
   * Seconds after which a client that takes nothing of its answer is cut off. Its headers must be there in a third of that, and its whole
   * request in twice that. Default 30.
   */
  readonly slowSeconds?: number;
  /** Seconds after which a stream whose first token has not come yet gets a sign of life, and then again. Default 10. */
  readonly pingSeconds?: number;
  /** Called when a client asks for the server's end (POST /shutdown). Default: that is refused. */
  readonly onShutdown?: () => void;
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
  readonly memoryBytes: number | undefined;
  readonly queue: number;
  readonly apiKeys: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly cors: readonly string[];
  readonly maxBodyBytes: number;
  readonly slowMilliseconds: number;
  readonly pingMilliseconds: number;
  readonly onShutdown: (() => void) | undefined;
}

const servedNames = namesOf<ServedModel>({ name: true, source: true, options: true, instances: true });

const optionNames = namesOf<ServerOptions>({
  models: true,
  host: true,
  port: true,
  preload: true,
  idleMinutes: true,
  memoryBytes: true,
  queue: true,
  apiKeys: true,
  allowedHosts: true,
  cors: true,
  maxBodyBytes: true,
  slowSeconds: true,
  pingSeconds: true,
  onShutdown: true,
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
  const models = options.models.map(servedModel);
  if (options.preload !== undefined) checkBoolean("preload", options.preload);
  checkCallback("onEvent", options.onEvent);
  checkCallback("onShutdown", options.onShutdown);
  const idle = options.idleMinutes === undefined ? undefined : above0("idleMinutes", options.idleMinutes);
  const memory = options.memoryBytes;
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
      memoryBytes: memory === undefined ? undefined : checkInteger("memoryBytes", memory, 1, Number.MAX_SAFE_INTEGER),
      slowMilliseconds: above0("slowSeconds", options.slowSeconds ?? 30) * 1000,
      pingMilliseconds: above0("pingSeconds", options.pingSeconds ?? 10) * 1000,
      onShutdown: options.onShutdown,
    },
  };
}

function servedModel(given: ServedModel, i: number): ServedModel {
  const model = groupOf<ServedModel>(`models[${i}]`, given, servedNames);
  const { instances } = model;
  const known = typeof instances === "string" ? ["l3", "node", "auto"].includes(instances) : isCount(instances ?? 1);
  if (!known) {
    throw invalidOption(`models[${i}].instances`, '"l3", "node", "auto", or an integer from 1 on', instances);
  }
  if (instances !== undefined && model.options?.pin !== undefined) {
    throw idleOption(`models[${i}].options.pin`, "each of its instances has processors of its own");
  }
  return { ...model, name: word(`models[${i}].name`, model.name) };
}

const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 1;

function above0(name: string, value: unknown): number {
  if (typeof value === "number" && value > 0) return value;
  throw invalidOption(name, "a number above 0", value);
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
