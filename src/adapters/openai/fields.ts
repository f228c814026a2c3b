// The fields of a request's body: read by name and type, and none is ignored.

import type { GenerateOptions } from "../../index.js";
import { RequestError } from "./errors.js";

const types = {
  boolean: (value: unknown): value is boolean => typeof value === "boolean",
  number: (value: unknown): value is number => typeof value === "number",
  string: (value: unknown): value is string => typeof value === "string",
  object: (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value),
  array: (value: unknown): value is unknown[] => Array.isArray(value),
};

type Types = typeof types;
type TypeOf<Name extends keyof Types> = Types[Name] extends (value: unknown) => value is infer Type ? Type : never;

/** The body of a request. As in OpenAI's interface, a field that is null counts as absent. */
export class Fields {
  readonly #fields: Map<string, unknown>;
  readonly #path: string;

  /** @throws RequestError when the body is not an object. `path`: what goes before the names of its fields in messages. */
  constructor(body: unknown, path = "") {
    if (!types.object(body)) {
      throw new RequestError(400, "invalid_type", `${path === "" ? "the body" : path.slice(0, -1)} must be an object`);
    }
    this.#fields = new Map(Object.entries(body).filter(([, value]) => value !== null && value !== undefined));
    this.#path = path;
  }

  /** Takes a field out. @throws RequestError when it is not of these types */
  take<Name extends keyof Types>(field: string, ...names: readonly Name[]): TypeOf<Name> | undefined {
    const value = this.#fields.get(field);
    this.#fields.delete(field);
    if (value === undefined || names.some((name) => types[name](value))) return value as TypeOf<Name> | undefined;
    throw this.invalid(field, `must be of type ${names.join(" or ")}`);
  }

  /** Takes out a field that must be there. @throws RequestError */
  need<Name extends keyof Types>(field: string, ...names: readonly Name[]): TypeOf<Name> {
    const value = this.take(field, ...names);
    if (value !== undefined) return value;
    throw new RequestError(400, "missing_field", `${this.#path}${field} is missing`, this.#path + field);
  }

  /** Takes a field out that only says what is so anyway. @throws RequestError when it says something else */
  only(field: string, supported: string | number | boolean): void {
    const value = this.#fields.get(field);
    this.#fields.delete(field);
    if (value === undefined || value === supported) return;
    throw this.invalid(field, `must be ${JSON.stringify(supported)}; it is ${JSON.stringify(value)}`);
  }

  /** Fields that are left are refused. @throws RequestError */
  end(): void {
    for (const field of this.#fields.keys()) throw this.invalid(field, "is not supported");
  }

  invalid(field: string, what: string): RequestError {
    const param = this.#path + field;
    return new RequestError(400, "unsupported_value", `${param} ${what}`, param);
  }
}

/** Fields of numbers, and the options that they are. Those after the seed are not OpenAI's, but llama.cpp's server has them too. */
const numbers = {
  temperature: "temperature",
  top_p: "topP",
  presence_penalty: "presencePenalty",
  frequency_penalty: "frequencyPenalty",
  seed: "seed",
  top_k: "topK",
  min_p: "minP",
  typical_p: "typicalP",
  repeat_penalty: "repeatPenalty",
  repeat_last_n: "penaltyLastN",
} as const satisfies Record<string, keyof GenerateOptions>;

/** Fields by which callers are told apart: nothing here depends on them. */
const labels = ["user", "safety_identifier", "prompt_cache_key"];

/** Takes out the fields that chats and completions have in common. `limits`: the names for the most tokens, the first that is given counts. */
export function takeGenerateOptions(fields: Fields, limits: readonly string[]): GenerateOptions {
  const options: Record<string, unknown> = {};
  const set = (option: keyof GenerateOptions, value: unknown) => {
    if (value !== undefined) options[option] ??= value;
  };
  for (const [field, option] of Object.entries(numbers)) set(option, fields.take(field, "number"));
  for (const field of limits) set("maxTokens", fields.take(field, "number"));
  set("logitBias", fields.take("logit_bias", "object"));
  const stop = fields.take("stop", "string", "array");
  if (Array.isArray(stop) && !stop.every(types.string))
    throw fields.invalid("stop", "must be a string or an array of strings");
  set("stop", stop);
  for (const label of labels) fields.take(label, "string");
  fields.only("n", 1);
  return options;
}

/** Takes out `stream` and `stream_options`. */
export function takeStreaming(fields: Fields): { readonly stream: boolean; readonly includeUsage: boolean } {
  const stream = fields.take("stream", "boolean") ?? false;
  const given = fields.take("stream_options", "object");
  if (given === undefined) return { stream, includeUsage: false };
  if (!stream) throw fields.invalid("stream_options", "needs stream");
  const options = new Fields(given, "stream_options.");
  const includeUsage = options.take("include_usage", "boolean") ?? false;
  options.end();
  return { stream, includeUsage };
}
