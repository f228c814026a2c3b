// A loaded model: the public object. It checks its arguments, turns text into ids, and hands the work to the leader.

import { abortable } from "../abort.js";
import { ContextError, CriaError, UnsupportedError } from "../errors.js";
import {
  type JsonSchema,
  type JsonValueOf,
  type StandardJsonSchema,
  type StandardOutput,
  validated,
} from "../grammar/index.js";
import type { LoadFigures } from "../machine/disturbance/monitor.js";
import type { Team } from "../machine/team.js";
import { checkSignal, invalidOption, optionsOf } from "../options.js";
import type { ModelClient } from "../protocol/client.js";
import type { Pooling } from "../protocol/pooling.js";
import type { BackgroundTokenizer } from "../tokenizer/background-tokenizer.js";
import { isBlankTemplate } from "../tokenizer/chat-template.js";
import { type ChatMessage, chatTemplateFrom, type Tokenizer } from "../tokenizer/index.js";
import type { ModelInfo } from "./model-info.js";
import { checkIds, Sequence, type SequenceModel } from "./sequences/sequence.js";
import type { SessionSource, Sessions } from "./sequences/sessions.js";
import type { SpeculationDefaults } from "./speculation.js";
import {
  Chat,
  type ChatCompletionOptions,
  type ChatOptions,
  chatCompletionOptionNames,
  chatOptionNames,
} from "./text/chat.js";
import { type ChatPrompt, type ChatTemplateSource, chatPrompt } from "./text/chat-prompt.js";
import {
  type Completion,
  type GeneratedPart,
  type GenerateOptions,
  generateOptionNames,
  type JsonCompletion,
} from "./text/generation.js";
import { Grammars } from "./text/grammars.js";
import { checkMessages } from "./text/messages.js";
import { collect, streamGeneration } from "./text/stream.js";
import { checkTemplateVariables } from "./text/template-variables.js";
import { chosenTools, toolSetOf } from "./text/tools.js";
import { type EmbedOptions, embed } from "./vectors/embedding.js";
import { type PairFormat, type RankedDocument, type RerankOptions, rerank } from "./vectors/reranking.js";

/** A text, or token ids that are taken as they are. */
export type Prompt = string | ArrayLike<number>;

/** What `loadModel` has put together. */
export interface ModelParts {
  readonly client: ModelClient;
  readonly team: Pick<Team, "pieces">;
  /** Ends the workers, and rejects all calls with `reason`. */
  readonly close: (reason: CriaError) => Promise<void>;
  readonly load: () => LoadFigures;
  /** Of embeddings that stay in the file. */
  readonly table: { reads(): ArrayLike<number> };
  readonly sessions: Sessions;
  readonly text: BackgroundTokenizer;
  /** Those that are compiled already, of another object for the same model. Default: none. */
  readonly grammars?: Grammars;
  /** `tokenizer.chat_template` */
  readonly chatTemplate: string | undefined;
  /** `tokenizer.chat_template.tool_use`: for conversations with tools. */
  readonly toolTemplate: string | undefined;
  /** The folder of this package's workers, where a bundler has moved them. */
  readonly assets: URL | undefined;
  readonly pairFormat: PairFormat;
  readonly contextSize: number;
  readonly speculation: SpeculationDefaults;
  readonly loadMilliseconds: number;
  readonly info: ModelInfo;
}

/** How to generate JSON. The schema is an argument, and the text ends with the JSON. */
export type CompleteJsonOptions = Omit<GenerateOptions, "grammar" | "jsonSchema" | "stop">;

const completeJsonOptionNames = generateOptionNames.filter((name) => !["grammar", "jsonSchema", "stop"].includes(name));

/** A loaded model. From `loadModel`. */
export class Model {
  /** What the model is, and what it needs. */
  readonly info: ModelInfo;
  /** Text to ids and back. */
  readonly tokenizer: Tokenizer;
  /** How long `loadModel` took, ms. */
  readonly loadMilliseconds: number;

  readonly #parts: ModelParts;
  readonly #grammars: Grammars;
  #nextSequence = 1;
  #disposed: Promise<void> | undefined;

  /** Use `loadModel`. */
  constructor(parts: ModelParts) {
    this.#parts = parts;
    this.info = parts.info;
    this.tokenizer = parts.text.tokenizer;
    this.#grammars = parts.grammars ?? new Grammars(parts.text.tokenizer, parts.assets);
    this.loadMilliseconds = parts.loadMilliseconds;
  }

  /**
   * Continues a prompt, part by part. A text gets a BOS token if the file's flags say so. Control tokens in it stay text. Leaving the
   * loop early ends the generation.
   *
   * @throws ContextError when the prompt leaves no room for a token, UnsupportedError NO_GENERATION for an encoder, CriaError
   * INVALID_OPTION, WorkerError; rejects with signal.reason
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): AsyncGenerator<GeneratedPart, void, undefined> {
    return this.#generate("generate", (signal) => this.#promptIds(prompt, signal), undefined, options);
  }

  /** Continues a prompt, and answers when it is done: `generate`, collected. */
  async complete(prompt: Prompt, options: GenerateOptions = {}): Promise<Completion> {
    return collect(this.#generate("complete", (signal) => this.#promptIds(prompt, signal), undefined, options));
  }

  /**
   * Continues a prompt with JSON that is valid by a schema, and parses it. The JSON is complete within `maxTokens`. TypeScript knows the
   * type of the result where the schema is written in the call or `as const`, and where it is a library's; else `completeJson<Person>` says
   * it.
   *
   * @param schema JSON Schema, draft 2020-12; docs/structured-output.md lists what is supported. `true`: any JSON. Or a schema of Zod,
   *   ArkType or another library of the Standard JSON Schema interface: `object` is then what that makes of the JSON
   * @throws UnsupportedError UNSUPPORTED_SCHEMA for a keyword that is not supported, with its name and place; ContextError
   *   BUDGET_TOO_SMALL when `maxTokens` is less than the shortest JSON; GrammarError, SCHEMA_REFUSED where a library's schema finds fault
   *   with what its JSON Schema allows; and what `complete` throws
   */
  completeJson<Schema extends StandardJsonSchema>(
    prompt: Prompt,
    schema: Schema,
    options?: CompleteJsonOptions,
  ): Promise<JsonCompletion<StandardOutput<Schema>>>;
  completeJson<const Schema extends JsonSchema>(
    prompt: Prompt,
    schema: Schema,
    options?: CompleteJsonOptions,
  ): Promise<JsonCompletion<JsonValueOf<Schema>>>;
  completeJson<Value = unknown>(
    prompt: Prompt,
    schema: JsonSchema | StandardJsonSchema,
    options?: CompleteJsonOptions,
  ): Promise<JsonCompletion<Value>>;
  async completeJson(
    prompt: Prompt,
    schema: JsonSchema | StandardJsonSchema,
    options: CompleteJsonOptions = {},
  ): Promise<JsonCompletion<unknown>> {
    const given = optionsOf<GenerateOptions>("completeJson", options, completeJsonOptionNames);
    if (schema === undefined || schema === null) throw invalidOption("jsonSchema", "a JSON schema", schema);
    const ids = (signal: AbortSignal | undefined) => this.#promptIds(prompt, signal);
    const completion = await collect(this.#generate("completeJson", ids, undefined, { ...given, jsonSchema: schema }));
    return { object: await validated(schema, JSON.parse(completion.text)), ...completion };
  }

  /**
   * A conversation in the file's chat template. While it waits, others may take its part of the KV cache, which is then computed again.
   *
   * @throws UnsupportedError when the file has no chat template, or the model is an encoder (NO_GENERATION)
   */
  chat(options: ChatOptions = {}): Chat {
    this.#check();
    this.#checkGenerates("chat");
    const given = optionsOf("chat", options, chatOptionNames);
    const chatTemplate = this.#chatTemplate(given.tools);
    const sequence = this.#nextSequence++;
    const chat = this.#chatOf(chatTemplate, sequence, given);
    this.#parts.client.tell({ type: "open", sequence });
    return chat;
  }

  /**
   * Restores a conversation that `chat.save()` has saved: it goes on as if it had never ended.
   *
   * @throws SessionError when the session is damaged, or belongs to another model, other kernels or another type of cache; ContextError
   * when it is longer than the context
   */
  async restoreChat(session: SessionSource): Promise<Chat> {
    this.#check();
    this.#checkGenerates("restoreChat");
    const sequence = this.#nextSequence++;
    const { chat } = await this.#parts.sessions.restore(session, "chat", sequence);
    try {
      return this.#chatOf(this.#chatTemplate(chat!.tools), sequence, chat!);
    } catch (error) {
      this.#parts.client.close(sequence);
      throw error;
    }
  }

  /**
   * Answers a conversation whose messages the caller keeps, part by part. What users say is never read as control tokens.
   *
   * @param messages oldest first; the answer is the assistant's. Contents are texts, or parts that are texts
   * @throws UnsupportedError when the file has no chat template, or one that does not support tools (UNSUPPORTED_TOOLS); TemplateError,
   * and what `generate` throws
   */
  async *generateChat(
    messages: readonly ChatMessage[],
    options: ChatCompletionOptions = {},
  ): AsyncGenerator<GeneratedPart, void, undefined> {
    this.#check();
    const given = optionsOf("generateChat", options, chatCompletionOptionNames);
    const { tools, toolChoice, parallelToolCalls, templateVariables = {}, ...generating } = given;
    const chatTemplate = this.#chatTemplate(tools);
    const toolSet = tools === undefined ? undefined : toolSetOf(tools);
    const chosen = chosenTools(toolSet, { toolChoice, parallelToolCalls });
    const variables = checkTemplateVariables(templateVariables);
    const checked = checkMessages(messages, chatTemplate.source);
    const prompt = (signal: AbortSignal | undefined) =>
      chatPrompt(chatTemplate, this.#parts.text, checked, { tools: chosen, variables, signal });
    yield* this.#generate("generateChat", prompt, undefined, generating);
  }

  /** Answers a conversation whose messages the caller keeps: `generateChat`, collected. */
  async completeChat(messages: readonly ChatMessage[], options: ChatCompletionOptions = {}): Promise<Completion> {
    return collect(this.generateChat(messages, options));
  }

  /**
   * An empty sequence, for people who write their own sampling.
   *
   * @throws UnsupportedError NO_GENERATION for an encoder
   */
  createSequence(): Sequence {
    this.#check();
    this.#checkGenerates("createSequence");
    const sequence = this.#nextSequence++;
    this.#parts.client.tell({ type: "open", sequence });
    return new Sequence(this.#sequenceModel(), sequence, 0);
  }

  /** Restores a sequence that `sequence.save()` has saved. @throws as `restoreChat` does */
  async restoreSequence(session: SessionSource): Promise<Sequence> {
    this.#check();
    this.#checkGenerates("restoreSequence");
    const sequence = this.#nextSequence++;
    const { tokens } = await this.#parts.sessions.restore(session, "sequence", sequence);
    return new Sequence(this.#sequenceModel(), sequence, tokens.length);
  }

  /**
   * Turns texts into vectors. Texts share steps of the model, so one call with many is faster than many calls. A text gets BOS and EOS,
   * or [CLS] and [SEP], as the file's flags say. Control tokens in it stay text.
   *
   * @param inputs one text; or several, or token ids that are taken as they are
   * @returns of one text its vector, of several one for each: (dimensions) f32, of length 1 unless `normalize` is false; with pooling
   * "none" one for each token
   * @throws ContextError for an input that is empty, or too long where `overlong` does not allow it; UnsupportedError for a `purpose`
   * that is not known for this model; CriaError INVALID_OPTION, INVALID_TOKEN; WorkerError; rejects with signal.reason
   */
  embed(inputs: string, options?: EmbedOptions): Promise<Float32Array>;
  embed(inputs: string, options: EmbedOptions<"none">): Promise<Float32Array[]>;
  embed(inputs: string, options: EmbedOptions<Pooling>): Promise<Float32Array | Float32Array[]>;
  embed(inputs: readonly Prompt[], options?: EmbedOptions): Promise<Float32Array[]>;
  embed(inputs: readonly Prompt[], options: EmbedOptions<"none">): Promise<Float32Array[][]>;
  embed(inputs: readonly Prompt[], options: EmbedOptions<Pooling>): Promise<Float32Array[] | Float32Array[][]>;
  async embed(inputs: string | readonly Prompt[], options: EmbedOptions<Pooling> = {}) {
    this.#check();
    const model = { client: this.#parts.client, text: this.#parts.text, info: this.info };
    if (typeof inputs !== "string") return embed(model, inputs, options);
    const [vector] = await embed(model, [inputs], options);
    return vector!;
  }

  /**
   * Scores documents as answers to a query, by a reranker: a model that reads both together, and has a head that ranks.
   *
   * @returns the best documents first; among equal scores, the earlier document first
   * @throws UnsupportedError when the model is not a reranker; ContextError when a pair is too long and `overlong` does not allow it;
   * CriaError INVALID_OPTION; WorkerError; rejects with signal.reason
   */
  async rerank(query: string, documents: readonly string[], options: RerankOptions = {}): Promise<RankedDocument[]> {
    this.#check();
    const { client, text, pairFormat } = this.#parts;
    return rerank({ client, text, info: this.info, pairFormat }, query, documents, options);
  }

  /**
   * The share of the matmuls' pieces, since the model was loaded, that were computed by the workers that packed them, 0 to 1. On machines
   * with several NUMA nodes and pinned workers, this is the share that was read from local memory. NaN before the first step.
   */
  get ownedShare(): number {
    const { own, others } = this.#parts.team.pieces;
    return own / (own + others);
  }

  /**
   * Of the embeddings that stay in the file (`info.memory.inFile`), since the model was loaded: how many rows the steps needed, one of each
   * embedding for a token; how many of them were read from the file, because the cache did not have them; and how long both took.
   */
  get tableReads(): { readonly rows: number; readonly fromFile: number; readonly milliseconds: number } {
    const [rows, fromFile, milliseconds] = this.#parts.table.reads() as unknown as [number, number, number];
    return { rows, fromFile, milliseconds };
  }

  /**
   * How the model has run in the last 10 s in which it computed: how much of its work it lost against its own best, and to what. A reading
   * is taken twice a second while calls are under way.
   */
  load(): LoadFigures {
    return this.#parts.load();
  }

  /** Ends the workers and gives the memory back. Calls under way reject. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#parts.close(new CriaError("DISPOSED", "the model is disposed of"));
    return this.#disposed;
  }

  /** `dispose`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #check(): void {
    if (this.#disposed !== undefined) throw new CriaError("DISPOSED", "the model is disposed of");
  }

  #checkGenerates(call: string): void {
    const { generates, architecture } = this.info;
    if (generates) return;
    throw new UnsupportedError(
      "NO_GENERATION",
      `${call}: the model (${architecture}) is an encoder, which does not generate text; embed turns texts into vectors`,
    );
  }

  #sequenceModel(): SequenceModel {
    const { client, sessions, contextSize } = this.#parts;
    return {
      client,
      sessions,
      contextSize,
      vocabularySize: this.tokenizer.vocabularySize,
      newId: () => this.#nextSequence++,
    };
  }

  #chatOf(template: ChatTemplateSource, sequence: number, options: ChatOptions): Chat {
    const { client, sessions, text, contextSize } = this.#parts;
    return new Chat(
      {
        template: template.source,
        contextSize,
        promptOf: (messages, more) => chatPrompt(this.#chatTemplate(more.tools), text, messages, more),
        generate: (prompt, options) => this.#generate("send", prompt, sequence, options),
        save: (state) => sessions.save(sequence, state),
        close: () => client.close(sequence),
      },
      options,
    );
  }

  async *#generate(
    call: string,
    prompt: (signal: AbortSignal | undefined) => Promise<ChatPrompt>,
    sequence: number | undefined,
    given: GenerateOptions,
  ): AsyncGenerator<GeneratedPart, void, undefined> {
    this.#check();
    this.#checkGenerates(call);
    const options = optionsOf(call, given, generateOptionNames);
    checkSignal(options.signal);
    options.signal?.throwIfAborted();
    const { client, text, contextSize, speculation } = this.#parts;
    const { ids, form } = await abortable(prompt(options.signal), options.signal);
    this.#check();
    if (ids.length >= contextSize) {
      throw new ContextError(
        "CONTEXT_FULL",
        `the prompt has ${ids.length} tokens; a context of ${contextSize} has room for ${contextSize - 1} and an answer`,
      );
    }
    const grammars = this.#grammars;
    yield* streamGeneration({ client, text, grammars, form, contextSize, speculation, ids, sequence }, options);
  }

  /** The template of the file: with tools that for tools, if there is one. */
  #chatTemplate(tools: unknown): ChatTemplateSource {
    const { chatTemplate, toolTemplate, assets } = this.#parts;
    const hasTools = (tools ?? undefined) !== undefined && toolTemplate !== undefined;
    const source = hasTools ? toolTemplate : (chatTemplate ?? toolTemplate);
    if (source === undefined || isBlankTemplate(source)) {
      const what = `${source === undefined ? "no" : "a blank"} chat template (tokenizer.chat_template)`;
      throw new UnsupportedError("NO_CHAT_TEMPLATE", `the model file has ${what}`);
    }
    return { template: chatTemplateFrom(source, { assets }), source };
  }

  async #promptIds(prompt: Prompt, signal: AbortSignal | undefined): Promise<ChatPrompt> {
    if (typeof prompt !== "string") return { ids: checkIds(prompt, this.tokenizer.vocabularySize) };
    const ids = await this.#parts.text.encodeParts([{ text: prompt, special: false }], signal);
    if (ids.length === 0)
      throw new ContextError("EMPTY_INPUT", "the prompt is empty, and the model has no BOS token to begin with");
    return { ids };
  }
}
