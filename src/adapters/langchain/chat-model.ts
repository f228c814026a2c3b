// The chat model: invoke, stream, batch and what is built on them.

import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import type { BaseLanguageModelInput, StructuredOutputMethodOptions } from "@langchain/core/language_models/base";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
  type BindToolsInput,
} from "@langchain/core/language_models/chat_models";
import {
  assembleStructuredOutputPipeline,
  createContentParser,
} from "@langchain/core/language_models/structured_output";
import { AIMessage, AIMessageChunk, type BaseMessage, type MessageContent } from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import type { Runnable } from "@langchain/core/runnables";
import { toJsonSchema } from "@langchain/core/utils/json_schema";
import type { SerializableSchema } from "@langchain/core/utils/standard_schema";
import type { InteropZodType } from "@langchain/core/utils/types";
import {
  type AnswerOptions,
  type ChatCompletionOptions,
  type GenerationSummary,
  type JsonSchema,
  type Model,
  type ToolCall,
  UnsupportedError,
} from "../../index.js";
import { chatMessages, textOf } from "./messages.js";
import { callChunksOf, messageCallsOf, toolChoiceOf, toolOf } from "./tools.js";

/** What `ChatCria` is made of. */
export interface ChatCriaFields extends BaseChatModelParams {
  /** From `loadModel`. */
  readonly model: Model;
  /** How to generate. */
  readonly options?: AnswerOptions;
}

/** What a call may say for itself. LangChain's own `stop`, `signal` and `tool_choice` count too. */
export interface ChatCriaCallOptions extends BaseChatModelCallOptions {
  /** How to generate: these go before those of the model. */
  readonly options?: AnswerOptions;
  /** The answer is JSON that this schema finds valid. */
  readonly jsonSchema?: JsonSchema;
  /** What the answer may call: what `bindTools` sets. */
  readonly tools?: readonly BindToolsInput[];
}

/** A schema as LangChain takes it: of zod, of another library that can write it as JSON Schema, or JSON Schema. */
export type OutputSchema<Output extends object> =
  | SerializableSchema<Output>
  | InteropZodType<Output>
  | Record<string, unknown>;

/**
 * A model as LangChain's chat model. Messages go through the file's chat template, tools too.
 *
 * Calls reject with UnsupportedError for images, messages of other types, tools that are not functions, and tools together with JSON; and
 * with what `model.generateChat` throws.
 */
export class ChatCria extends BaseChatModel<ChatCriaCallOptions> {
  readonly #model: Model;
  readonly #options: AnswerOptions;

  static override lc_name(): string {
    return "ChatCria";
  }

  constructor({ model, options = {}, ...params }: ChatCriaFields) {
    super(params);
    this.#model = model;
    this.#options = options;
  }

  /** By what LangChain knows this kind of model. */
  override _llmType(): string {
    return "cria";
  }

  /** What LangChain's cache tells models apart by. */
  override _identifyingParams(): Record<string, unknown> {
    return { ...this.#metadata(), ...this.#options };
  }

  /** Tokens of a text, by the model's own tokenizer. */
  override async getNumTokens(content: MessageContent): Promise<number> {
    return this.#model.tokenizer.encode(textOf(content), { bos: false }).length;
  }

  /** A chat model that may call tools. `tool_choice` in `config` says whether it must. */
  override bindTools(
    tools: BindToolsInput[],
    config: Partial<ChatCriaCallOptions> = {},
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, ChatCriaCallOptions> {
    return this.withConfig({ ...config, tools });
  }

  /**
   * A chat model whose answers are objects that a schema finds valid. What the model says is held to the schema token by token; tell it
   * in the prompt what you want all the same.
   *
   * @throws UnsupportedError for a `method` other than "jsonSchema"
   */
  override withStructuredOutput<Output extends object>(
    schema: OutputSchema<Output>,
    config?: StructuredOutputMethodOptions<false>,
  ): Runnable<BaseLanguageModelInput, Output>;
  override withStructuredOutput<Output extends object>(
    schema: OutputSchema<Output>,
    config?: StructuredOutputMethodOptions<true>,
  ): Runnable<BaseLanguageModelInput, { raw: BaseMessage; parsed: Output }>;
  override withStructuredOutput<Output extends object>(
    schema: OutputSchema<Output>,
    config: StructuredOutputMethodOptions<boolean> = {},
  ): Runnable<BaseLanguageModelInput, Output> | Runnable<BaseLanguageModelInput, { raw: BaseMessage; parsed: Output }> {
    const { method = "jsonSchema", includeRaw, name } = config;
    if (method !== "jsonSchema") {
      throw new UnsupportedError("UNSUPPORTED_RESPONSE_FORMAT", `method must be jsonSchema; it is "${method}"`);
    }
    const bound = this.withConfig({ jsonSchema: toJsonSchema(schema) as JsonSchema });
    return assembleStructuredOutputPipeline(bound, createContentParser<Output>(schema), includeRaw, name);
  }

  /** What LangChain's `invoke` and `generate` call. */
  override async _generate(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<ChatResult> {
    const completion = await this.#model.completeChat(chatMessages(messages), this.#chatOptions(options));
    const { text, reasoning, toolCalls } = completion;
    const calls = toolCalls && { tool_calls: messageCallsOf(toolCalls) };
    const end = this.#endOf(completion, toolCalls);
    const message = new AIMessage({ content: text, ...thoughtsOf(reasoning), ...calls, ...end });
    return { generations: [{ text, message }] };
  }

  /** What LangChain's `stream` calls. */
  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const parts = this.#model.generateChat(chatMessages(messages), this.#chatOptions(options));
    for await (const { text, reasoning, toolCallDeltas, toolCalls, done } of parts) {
      const calls = toolCallDeltas && { tool_call_chunks: callChunksOf(toolCallDeltas) };
      const end = done && this.#endOf(done, toolCalls);
      const message = new AIMessageChunk({ content: text, ...thoughtsOf(reasoning), ...calls, ...end });
      const chunk = new ChatGenerationChunk({ text, message });
      yield chunk;
      await runManager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk });
    }
  }

  #chatOptions(call: this["ParsedCallOptions"]): ChatCompletionOptions {
    const { options, stop, signal, jsonSchema, tools, tool_choice: choice } = call;
    const chat: ChatCompletionOptions = {
      ...this.#options,
      ...options,
      ...(stop && { stop }),
      ...(signal && { signal }),
      ...((jsonSchema ?? undefined) !== undefined && { jsonSchema }),
      ...(tools && { tools: tools.map(toolOf) }),
      ...(choice && { toolChoice: toolChoiceOf(choice) }),
    };
    if (chat.tools === undefined || chat.jsonSchema === undefined || chat.toolChoice === "none") return chat;
    throw new UnsupportedError(
      "UNSUPPORTED_RESPONSE_FORMAT",
      "the call has tools and asks for JSON; supported: one of them, or tools that may not be called",
    );
  }

  #metadata() {
    const { name, architecture } = this.#model.info;
    return { model_provider: "cria", model_name: name ?? architecture };
  }

  /** How a generation ended, in LangChain's words. */
  #endOf({ finishReason, usage, timings }: GenerationSummary, toolCalls: readonly ToolCall[] | undefined) {
    const { promptTokens, completionTokens, reasoningTokens, cachedTokens, seed } = usage;
    return {
      usage_metadata: {
        input_tokens: promptTokens,
        output_tokens: completionTokens,
        total_tokens: promptTokens + completionTokens,
        input_token_details: { cache_read: cachedTokens },
        ...(reasoningTokens !== undefined && { output_token_details: { reasoning: reasoningTokens } }),
      },
      response_metadata: {
        ...this.#metadata(),
        finish_reason: toolCalls ? "tool_calls" : finishReason,
        seed,
        timings,
      },
    };
  }
}

/** Thoughts, in the field of messages in which LangChain's other chat models have them. */
function thoughtsOf(reasoning: string | undefined) {
  return reasoning !== undefined && { additional_kwargs: { reasoning_content: reasoning } };
}
