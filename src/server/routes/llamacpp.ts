// The routes of llama.cpp's server that OpenAI's interface does not have: /completion, /embedding, and by name what is not supported.
// Documented at github.com/ggml-org/llama.cpp, tools/server/README.md.

import type { Context, Hono } from "hono";
import { jsonAnswer, streamAnswer } from "../../adapters/openai/answers.js";
import { type ChoicePart, generateAll, type Start } from "../../adapters/openai/choices.js";
import { RequestError } from "../../adapters/openai/errors.js";
import { type Fields, takeGenerateOptions, takeGrammar } from "../../adapters/openai/fields.js";
import { logprobOf } from "../../adapters/openai/logprobs.js";
import type { GeneratedLogprob, GenerateOptions, GenerationSummary, Model, SamplerName } from "../../index.js";
import { fieldsOf, type Variables } from "../bodies.js";
import type { Service } from "../service.js";

/** What llama.cpp's server calls samplers, which have words joined by lines there. */
const samplerOf = (name: unknown) =>
  String(name)
    .replace(/^typ_p$/, "typical_p")
    .replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()) as SamplerName;

const unsupported: Readonly<Record<string, string>> = {
  "POST /infill": "models complete texts here, and do not fill gaps in them",
  "POST /slots/:id": "the KV cache is shared by all requests, and its prefixes are found without being saved",
  "POST /lora-adapters": "adapters are given when a model is loaded",
  "POST /props": "properties are given when the server is started",
  "POST /v1/messages": "Anthropic's interface is not served; /v1/chat/completions is",
  "POST /v1/messages/count_tokens": "Anthropic's interface is not served; /tokenize counts tokens",
  "POST /v1/audio/transcriptions": "models here read text",
};

export function llamacppRoutes(app: Hono<Variables>, service: Service): void {
  app.post("/completion", (context) => completion(service, context));
  app.post("/embedding", async (context) => {
    const fields = await fieldsOf(context);
    const content = fields.need("content", "string", "array");
    const texts = typeof content === "string" ? [content] : content;
    const wrong = texts.findIndex((text) => typeof text !== "string");
    if (wrong >= 0) throw fields.invalid(`content[${wrong}]`, "must be a string");
    return service.ask(wantedOf(context, fields, false), async (model, _, signal) => {
      const vectors = await model.embed(texts as string[], { signal });
      return jsonAnswer(vectors.map((vector, index) => ({ index, embedding: [Array.from(vector)] })));
    });
  });
  app.get("/lora-adapters", (context) => context.json([]));
  for (const [route, reason] of Object.entries(unsupported)) {
    const [method, path] = route.split(" ") as [string, string];
    app.on(method, path, ({ req }) => {
      throw new RequestError(501, "unsupported", `${req.method} ${req.path} is not supported: ${reason}`);
    });
  }
}

function wantedOf(context: Context<Variables>, fields: Fields, events: boolean) {
  const name = fields.take("model", "string");
  return { id: context.get("id"), route: context.req.path, name, signal: context.req.raw.signal, events };
}

async function completion(service: Service, context: Context<Variables>): Promise<Response> {
  const fields = await fieldsOf(context);
  const prompt = fields.need("prompt", "string", "array", "object");
  const prompts = promptsOf(prompt, fields);
  const stream = fields.take("stream", "boolean") ?? false;
  const withTokens = fields.take("return_tokens", "boolean") ?? false;
  const endless = fields.take("ignore_eos", "boolean") ?? false;
  const only = fields.take("response_fields", "array");
  if (fields.take("lora", "array")?.length) throw fields.invalid("lora", "is not supported");
  const options = { ...takeGenerateOptions(fields, ["n_predict", "max_tokens"]), ...takeSampling(fields) };
  const { stop = [] } = options;
  const stops = typeof stop === "string" ? [stop] : stop;
  return service.ask(wantedOf(context, fields, stream), async (model, name, signal) => {
    const ids = prompts.map((parts) => idsOf(parts, model));
    const given = endless ? withoutEnd(options, model) : options;
    const starts = ids.map(
      (each): Start =>
        (own) =>
          model.generate(each, { ...given, signal: own }),
    );
    const said = starts.map(() => new Said(model, stops));
    const parts = generateAll(starts, signal);
    const bodyOf = ({ index, ...part }: ChoicePart, content: string, tokens: readonly number[]) => ({
      ...{ index, content, tokens, id_slot: -1, stop: part.done !== undefined },
      ...(part.logprobs && { completion_probabilities: part.logprobs.map((each) => probabilityOf(each, model)) }),
      ...(part.done && { ...ending(part.done, ids[index]!.length, said[index]!), model: name }),
    });
    if (stream) {
      const bodiesOf = (part: ChoicePart) => {
        said[part.index]!.add(part);
        return [chosen(bodyOf(part, part.text, [...part.tokens]), only)];
      };
      return streamAnswer(parts, fields.notes, { bodiesOf });
    }
    const logprobs: GeneratedLogprob[][] = starts.map(() => []);
    const bodies: object[] = [];
    for await (const part of parts) {
      const whole = said[part.index]!;
      whole.add(part);
      logprobs[part.index]!.push(...(part.logprobs ?? []));
      if (part.done === undefined) continue;
      const all = { ...part, ...(part.logprobs && { logprobs: logprobs[part.index]! }) };
      bodies[part.index] = chosen(bodyOf(all, whole.text, withTokens ? whole.tokens : []), only);
    }
    return jsonAnswer(Array.isArray(prompt) && bodies.length > 1 ? bodies : bodies[0]);
  });
}

/** What has been generated so far. */
class Said {
  readonly #model: Model;
  readonly #stops: readonly string[];
  text = "";
  readonly tokens: number[] = [];

  constructor(model: Model, stops: readonly string[]) {
    this.#model = model;
    this.#stops = stops;
  }

  add({ text, tokens }: ChoicePart): void {
    this.text += text;
    this.tokens.push(...tokens);
  }

  /** The stop string that ended it: what the tokens say behind the text. */
  get stoppingWord(): string {
    if (this.#stops.length === 0) return "";
    const whole = this.#model.tokenizer.decode(this.tokens);
    return this.#stops.find((word) => whole.startsWith(word, this.text.length)) ?? "";
  }
}

/** Of the fields of an answer, those that were asked for. One within another is asked for with a slash, and comes out without it. */
function chosen(body: object, only: readonly unknown[] | undefined): object {
  if (only === undefined || only.length === 0) return body;
  const found: Record<string, unknown> = {};
  for (const field of only) {
    const path = String(field).split("/");
    const value = path.reduce((inner: unknown, key) => (inner as Record<string, unknown> | undefined)?.[key], body);
    if (value !== undefined) found[path.at(-1)!] = value;
  }
  return found;
}

/** A part of a prompt: a text, in which control tokens count, or a token. */
type PromptParts = readonly (string | number)[];

/** One prompt or several: texts, tokens, or both in turn. @throws RequestError */
function promptsOf(given: string | unknown[] | Record<string, unknown>, fields: Fields): readonly PromptParts[] {
  const isParts = (value: unknown): value is PromptParts =>
    Array.isArray(value) && value.every((part) => typeof part === "string" || Number.isInteger(part));
  const one = (value: unknown): PromptParts => {
    if (typeof value === "string") return [value];
    if (isParts(value)) return value;
    const { prompt_string: text, multimodal_data: media } = (value ?? {}) as Record<string, unknown>;
    if (typeof text === "string" && !(media as unknown[] | undefined)?.length) return [text];
    throw fields.invalid("prompt", "must be a text, an array of texts and token ids, or an array of these");
  };
  if (!Array.isArray(given)) return [one(given)];
  if (given.length === 0) throw fields.invalid("prompt", "must not be empty");
  return isParts(given) && given.some((part) => typeof part === "number") ? [given] : given.map(one);
}

/** Only a text at the beginning gets what the model's texts begin with. */
function idsOf(parts: PromptParts, { tokenizer }: Model): readonly number[] {
  return parts.flatMap((part, i) => {
    if (typeof part === "number") return [part];
    return [...tokenizer.encode(part, { special: true, ...(i > 0 && { bos: false }) })];
  });
}

function takeSampling(fields: Fields): GenerateOptions {
  const most = fields.take("n_probs", "number") ?? 0;
  const samplers = fields.take("samplers", "array")?.map(samplerOf);
  const mirostat = fields.take("mirostat", "number") ?? 0;
  if (mirostat !== 0 && mirostat !== 2) throw fields.invalid("mirostat", `must be 0 or 2; it is ${mirostat}`);
  const [tau, eta] = [fields.take("mirostat_tau", "number"), fields.take("mirostat_eta", "number")];
  return {
    ...takeGrammar(fields),
    ...(most > 0 && { logprobs: true, topLogprobs: most }),
    ...(samplers && samplers.length > 0 && { samplers }),
    ...(mirostat === 2 && { mirostat: { ...(tau !== undefined && { tau }), ...(eta !== undefined && { eta }) } }),
  };
}

/** The same, where no token ends the text. */
function withoutEnd(options: GenerateOptions, { tokenizer }: Model): GenerateOptions {
  const bias = options.logitBias ?? new Map<number, number>();
  const given = bias instanceof Map ? [...bias] : Object.entries(bias).map(([id, value]) => [Number(id), value]);
  const ends = [...tokenizer.endOfGenerationIds].map((id) => [id, Number.NEGATIVE_INFINITY]);
  return { ...options, logitBias: new Map([...given, ...ends] as [number, number][]) };
}

function ending({ finishReason, usage, timings }: GenerationSummary, promptLength: number, said: Said) {
  const { promptTokens, cachedTokens, completionTokens, seed } = usage;
  const { prefillMilliseconds, prefillTokensPerSecond, decodeMilliseconds, decodeTokensPerSecond } = timings;
  const word = finishReason === "stop" ? said.stoppingWord : "";
  const evaluated = promptTokens - cachedTokens;
  return {
    stop_type: finishReason === "length" ? "limit" : word === "" ? "eos" : "word",
    stopping_word: word,
    truncated: false,
    tokens_predicted: completionTokens,
    tokens_evaluated: promptLength,
    tokens_cached: cachedTokens,
    generation_settings: { seed },
    timings: {
      cache_n: cachedTokens,
      prompt_n: evaluated,
      prompt_ms: prefillMilliseconds,
      prompt_per_token_ms: prefillMilliseconds / Math.max(1, evaluated),
      prompt_per_second: prefillTokensPerSecond,
      predicted_n: completionTokens,
      predicted_ms: decodeMilliseconds,
      predicted_per_token_ms: decodeMilliseconds / Math.max(1, completionTokens),
      predicted_per_second: decodeTokensPerSecond,
    },
  };
}

function probabilityOf(given: GeneratedLogprob, { tokenizer }: Model) {
  const { top_logprobs: top, ...own } = logprobOf(given, tokenizer);
  return { id: given.id, ...own, top_logprobs: top.map((one, i) => ({ id: given.top[i]!.id, ...one })) };
}
