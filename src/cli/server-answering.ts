// A server's model, as commands have one: its texts and conversations come over OpenAI's routes, as they are generated.

import { fieldsOfOptions } from "../adapters/openai/option-fields.js";
import { CriaError } from "../errors.js";
import type {
  AnswerOptions,
  ChatMessage,
  ChatOptions,
  FinishReason,
  GeneratedPart,
  GenerateOptions,
  JsonSchema,
} from "../index.js";
import { idleOption } from "../options.js";
import type { Answering, Conversation } from "./answering.js";
import type { ServerClient } from "./server-client.js";

/** A chunk of a stream, of both routes. */
interface Chunk {
  readonly choices?: readonly {
    readonly text?: string | null;
    readonly delta?: { readonly content?: string | null; readonly reasoning_content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
  } | null;
  /** Of the whole answer, beside `usage`: cria's server and llama.cpp's have it. */
  readonly timings?: { readonly prompt_ms?: unknown; readonly predicted_ms?: unknown } | null;
}

export class ServerAnswering implements Answering {
  readonly about: readonly string[];
  readonly #client: ServerClient;
  readonly #model: string;

  private constructor(client: ServerClient, model: string) {
    this.#client = client;
    this.#model = model;
    this.about = [`server  ${client.url}, model ${model}`];
  }

  /** `name`: undefined: the server's first. @throws CriaError when there is no server, or it has no such model */
  static async open(client: ServerClient, name: string | undefined, signal: AbortSignal): Promise<ServerAnswering> {
    const { data } = (await client.json("/v1/models", { signal })) as { readonly data?: readonly { id: string }[] };
    const names = (data ?? []).map(({ id }) => id);
    if (names.length === 0) throw new CriaError("SERVER_REFUSED", `${client.url} has no models`);
    if (name !== undefined && !names.includes(name)) {
      const message = `${client.url} has no model "${name}"; it has ${names.map((each) => `"${each}"`).join(", ")}`;
      throw new CriaError("SERVER_REFUSED", message);
    }
    return new ServerAnswering(client, name ?? names[0]!);
  }

  generate(prompt: string, options: GenerateOptions): AsyncIterable<GeneratedPart> {
    const { jsonSchema, grammar, ...others } = options;
    const format = { grammar, ...(jsonSchema !== undefined && { json_schema: schemaOf(jsonSchema) }) };
    return this.#parts("/v1/completions", { prompt, ...format }, others);
  }

  chat({ system, messages = [], templateVariables }: ChatOptions): Conversation {
    return new ServerConversation(
      [...(system === undefined ? [] : [{ role: "system", content: system }]), ...messages],
      (sent, { templateVariables: more, jsonSchema, grammar, ...options }) => {
        const variables = { ...templateVariables, ...more };
        const schema = jsonSchema !== undefined && { name: "answer", schema: schemaOf(jsonSchema), strict: true };
        const body = {
          messages: sent,
          ...(Object.keys(variables).length > 0 && { chat_template_kwargs: variables }),
          ...(schema !== false && { response_format: { type: "json_schema", json_schema: schema } }),
          grammar,
        };
        return this.#parts("/v1/chat/completions", body, options);
      },
    );
  }

  async dispose(): Promise<void> {}

  async *#parts(path: string, body: object, given: GenerateOptions): AsyncGenerator<GeneratedPart, void, undefined> {
    // It is chosen here, so that it can be told.
    const seed = given.seed ?? Math.floor(Math.random() * 2 ** 32);
    const { fields, unsaid } = fieldsOfOptions({ ...given, seed });
    if (unsaid.length > 0) throw idleOption(unsaid[0]!, "a request to a server cannot say it");
    const begin = performance.now();
    let first: number | undefined;
    let finish: FinishReason = "stop";
    let usage: Chunk["usage"];
    let timings: Chunk["timings"];
    const wanted = { model: this.#model, ...body, ...fields, stream: true, stream_options: { include_usage: true } };
    for await (const event of this.#client.events(path, wanted, given.signal)) {
      const chunk = event as Chunk;
      usage = chunk.usage ?? usage;
      timings = chunk.timings ?? timings;
      const [choice] = chunk.choices ?? [];
      if (choice === undefined) continue;
      const { text, delta, finish_reason } = choice;
      if (finish_reason === "length") finish = "length";
      const written = text ?? delta?.content ?? "";
      const reasoning = delta?.reasoning_content ?? undefined;
      if (written === "" && reasoning === undefined) continue;
      first ??= performance.now();
      yield { text: written, tokens: NO_TOKENS, ...(reasoning !== undefined && { reasoning }) };
    }
    const end = performance.now();
    const promptTokens = usage?.prompt_tokens ?? 0;
    const completionTokens = usage?.completion_tokens ?? 0;
    const cachedTokens = usage?.prompt_tokens_details?.cached_tokens ?? 0;
    // What the server says. From here, tokens may arrive together, and times have the queue and the way in them: that is what there is of
    // servers that say nothing.
    const prefillMilliseconds = millisecondsIn(timings?.prompt_ms) ?? (first ?? end) - begin;
    const decodeMilliseconds = millisecondsIn(timings?.predicted_ms) ?? end - (first ?? end);
    yield {
      text: "",
      tokens: NO_TOKENS,
      done: {
        finishReason: finish,
        usage: { promptTokens, completionTokens, cachedTokens, seed },
        timings: {
          prefillMilliseconds,
          prefillTokensPerSecond: perSecond(promptTokens - cachedTokens, prefillMilliseconds),
          decodeMilliseconds,
          decodeTokensPerSecond: perSecond(completionTokens - 1, decodeMilliseconds),
        },
      },
    };
  }
}

/** A server tells texts, and not which tokens they are. */
const NO_TOKENS = new Int32Array(0);

const millisecondsIn = (said: unknown) => (typeof said === "number" && said >= 0 ? said : undefined);

const perSecond = (tokens: number, milliseconds: number) =>
  milliseconds > 0 ? (Math.max(0, tokens) * 1000) / milliseconds : 0;

/** `true` means any JSON, and requests have objects only. The command line has no schemas of libraries. */
const schemaOf = (schema: unknown): JsonSchema => (schema === true ? {} : (schema as JsonSchema));

/** Asks for the answer to messages. */
type Ask = (messages: readonly ChatMessage[], options: AnswerOptions) => AsyncIterable<GeneratedPart>;

class ServerConversation implements Conversation {
  #messages: readonly ChatMessage[];
  readonly #ask: Ask;

  constructor(messages: readonly ChatMessage[], ask: Ask) {
    this.#messages = messages;
    this.#ask = ask;
  }

  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** As `chat.send`: message and answer join the conversation when the answer is complete. */
  async *send(text: string, options: AnswerOptions = {}): AsyncGenerator<GeneratedPart, void, undefined> {
    const messages = [...this.#messages, { role: "user", content: text }];
    let [answer, reasoning] = ["", ""];
    for await (const part of this.#ask(messages, options)) {
      answer += part.text;
      reasoning += part.reasoning ?? "";
      if (part.done !== undefined) {
        const thoughts = reasoning === "" ? {} : { reasoning_content: reasoning };
        this.#messages = [...messages, { role: "assistant", content: answer, ...thoughts }];
      }
      yield part;
    }
  }

  dispose(): void {}
}
