// The fields of a request's body: read by name and type. What is not known is ignored, and the answer says so; or it is refused.

import type { GenerateOptions } from "../../index.js";
import { RequestError } from "./errors.js";
import type { Notes } from "./notes.js";
import { groupFields, numberFields } from "./option-fields.js";

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

/** An object of a request. As in OpenAI's interface, a field that is null counts as absent. */
export class Fields {
  readonly #fields: Map<string, unknown>;
  readonly #path: string;
  readonly notes: Notes;

  /** @throws RequestError when the body is not an object. `path`: what goes before the names of its fields in messages. */
  constructor(body: unknown, notes: Notes, path = "") {
    if (!types.object(body)) {
      const what = path === "" ? "the body" : path.slice(0, -1);
      throw new RequestError(400, "invalid_type", `${what} must be an object`, path === "" ? null : what);
    }
    this.#fields = new Map(Object.entries(body).filter(([, value]) => value !== null && value !== undefined));
    this.#path = path;
    this.notes = notes;
  }

  /** A field's name as messages have it. */
  pathOf(field: string): string {
    return this.#path + field;
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
    throw this.missing(field);
  }

  missing(field: string): RequestError {
    const param = this.#path + field;
    return new RequestError(400, "missing_field", `${param} is missing`, param);
  }

  /** Takes out an object, to be read in its turn. @throws RequestError */
  takeFields(field: string): Fields | undefined {
    const value = this.take(field, "object");
    return value && this.inner(value, `${field}.`);
  }

  /** Takes out an object that must be there. @throws RequestError */
  needFields(field: string): Fields {
    return this.inner(this.need(field, "object"), `${field}.`);
  }

  /** A value within this one, to be read in its turn. @throws RequestError when it is not an object */
  inner(value: unknown, path: string): Fields {
    return new Fields(value, this.notes, this.#path + path);
  }

  /** Takes out an array, and reads each of its elements, which are objects. @throws RequestError */
  takeEach<Item>(field: string, read: (element: Fields, i: number) => Item): Item[] | undefined {
    return this.take(field, "array")?.map((element, i) => read(this.inner(element, `${field}[${i}].`), i));
  }

  /** Takes a field out that only says what is so anyway. @throws RequestError when it says something else */
  only(field: string, ...supported: readonly (string | number | boolean)[]): void {
    const value = this.#fields.get(field);
    this.#fields.delete(field);
    if (value === undefined || supported.some((each) => each === value)) return;
    const known = supported.map((each) => JSON.stringify(each)).join(" or ");
    throw this.invalid(field, `must be ${known}; it is ${JSON.stringify(value)}`);
  }

  /** Takes fields out on which nothing here depends. */
  drop(...fields: readonly string[]): void {
    for (const field of fields) this.#fields.delete(field);
  }

  /** Refuses fields that ask for what there is not. @throws RequestError */
  refuse(...fields: readonly string[]): void {
    for (const field of fields) if (this.#fields.has(field)) throw this.invalid(field, "is not supported");
  }

  /** Fields that are left are ignored, which the answer tells. @throws RequestError for the first of them, in a strict service */
  end(): void {
    for (const field of this.#fields.keys()) {
      if (this.notes.strict) throw this.invalid(field, "is not supported");
      this.notes.ignored.push(this.#path + field);
    }
  }

  invalid(field: string, what: string): RequestError {
    const param = this.#path + field;
    return new RequestError(400, "unsupported_value", `${param} ${what}`, param);
  }
}

/** Fields by which callers are told apart, or that only may make an answer cheaper: nothing here depends on them. */
const idle = [
  ...["user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"],
  ...["metadata", "service_tier"],
];

/** Takes out the fields that all generations have in common. `limits`: the names for the most tokens, the first that is given counts. */
export function takeGenerateOptions(fields: Fields, limits: readonly string[]): GenerateOptions {
  const options: Record<string, unknown> = {};
  const set = (option: keyof GenerateOptions, field: string, value: unknown) => {
    // As in llama.cpp's server, -1 is for a new seed, and for as many tokens as there is room for.
    if (value === undefined || (value === -1 && (option === "seed" || option === "maxTokens"))) return;
    if (option in options) return;
    options[option] = value;
    fields.notes.fieldOf.set(option, fields.pathOf(field));
  };
  for (const [field, option] of Object.entries(numberFields)) set(option, field, fields.take(field, "number"));
  for (const field of limits) set("maxTokens", field, fields.take(field, "number"));
  for (const [option, names] of Object.entries(groupFields)) {
    const given = Object.entries(names).map(([field, name]) => [field, name, fields.take(field, "number")] as const);
    const [first] = given;
    if (!first?.[2]) continue;
    options[option] = Object.fromEntries(
      given.flatMap(([, name, value]) => (value === undefined ? [] : [[name, value]])),
    );
    for (const [field, name] of given) fields.notes.fieldOf.set(`${option}.${name}`, fields.pathOf(field));
  }
  set("logitBias", "logit_bias", takeLogitBias(fields));
  const stop = fields.take("stop", "string", "array");
  if (Array.isArray(stop) && !stop.every(types.string))
    throw fields.invalid("stop", "must be a string or an array of strings");
  if (stop?.length !== 0) set("stop", "stop", stop);
  set("prediction", "prediction", takePrediction(fields));
  fields.drop(...idle);
  return options;
}

/** What the answer will most likely be: a text, or parts that are texts. */
function takePrediction(fields: Fields): string | undefined {
  const prediction = fields.takeFields("prediction");
  if (prediction === undefined) return undefined;
  prediction.only("type", "content");
  const content = prediction.need("content", "string", "array");
  prediction.end();
  if (!Array.isArray(content)) return content;
  const texts = content.map((value, i) => {
    const part = prediction.inner(value, `content[${i}].`);
    part.only("type", "text");
    const text = part.need("text", "string");
    part.end();
    return text;
  });
  return texts.join("");
}

/** By token: an object, or, as llama.cpp's server has it, pairs. */
function takeLogitBias(fields: Fields): object | undefined {
  const given = fields.take("logit_bias", "object", "array");
  if (!Array.isArray(given)) return given;
  const pairs = given.map((pair) => {
    if (types.array(pair) && pair.length === 2 && pair.every(types.number)) return pair as [number, number];
    throw fields.invalid("logit_bias", "must be an object, or pairs of a token's id and its bias");
  });
  return pairs.length === 0 ? undefined : new Map(pairs);
}

/** Takes out `grammar` and `json_schema`, as llama.cpp's server has them. */
export function takeGrammar(fields: Fields): Pick<GenerateOptions, "grammar" | "jsonSchema"> {
  const grammar = fields.take("grammar", "string");
  const jsonSchema = fields.take("json_schema", "object");
  // An empty grammar is none there.
  if (grammar) fields.notes.fieldOf.set("grammar", "grammar");
  if (jsonSchema !== undefined) fields.notes.fieldOf.set("jsonSchema", "json_schema");
  return { ...(grammar && { grammar }), ...(jsonSchema && { jsonSchema }) };
}

/** Takes out `stream` and `stream_options`. */
export function takeStreaming(fields: Fields): { readonly stream: boolean; readonly includeUsage: boolean } {
  const stream = fields.take("stream", "boolean") ?? false;
  const options = fields.takeFields("stream_options");
  if (options === undefined) return { stream, includeUsage: false };
  if (!stream) throw fields.invalid("stream_options", "needs stream");
  const includeUsage = options.take("include_usage", "boolean") ?? false;
  options.take("include_obfuscation", "boolean"); // padding against eavesdroppers on the network
  options.end();
  return { stream, includeUsage };
}

/** The most answers to one request, as OpenAI has it. */
const MOST_ANSWERS = 128;

/** Takes out what llama.cpp's server adds to the chunks of a stream: `return_progress` and `timings_per_token`. */
export function takeStreamFigures(fields: Fields): { readonly progress: boolean; readonly timings: boolean } {
  const progress = fields.take("return_progress", "boolean") ?? false;
  const timings = fields.take("timings_per_token", "boolean") ?? false;
  return { progress, timings };
}

/** Takes out `n`, how many answers are wanted. */
export function takeCount(fields: Fields): number {
  const n = fields.take("n", "number") ?? 1;
  if (Number.isInteger(n) && n >= 1 && n <= MOST_ANSWERS) return n;
  throw fields.invalid("n", `must be an integer from 1 to ${MOST_ANSWERS}; it is ${n}`);
}
