// The language model: generateText, streamText and what is built on them.

import type { LanguageModelV3, LanguageModelV3CallOptions, SharedV3Warning } from "@ai-sdk/provider";
import {
  type ChatCompletionOptions,
  type ChatMessage,
  CriaError,
  type GenerateOptions,
  type JsonSchema,
  type Model,
} from "../../index.js";
import { chatMessages } from "./prompt.js";
import { endOf, streamOf } from "./stream.js";
import { newCallId, toolCallOf, toolOptions } from "./tools.js";

/**
 * A model as a language model of the AI SDK. Prompts go through the file's chat template, tools too. cria's other options go into
 * `providerOptions: { cria: { minP: 0.1, templateVariables: { enable_thinking: false } } }`; seed and timings come back in `providerMetadata.cria`.
 *
 * Calls reject with UnsupportedError for files, for tools of providers, and for tools together with JSON; and with what
 * `model.generateChat` throws.
 */
export function criaLanguageModel(model: Model): LanguageModelV3 {
  return {
    specificationVersion: "v3",
    provider: "cria",
    modelId: model.info.name ?? model.info.architecture,
    supportedUrls: {},

    async doGenerate(options) {
      const completion = await model.completeChat(...chatCall(options));
      const { text, reasoning, toolCalls } = completion;
      return {
        content: [
          ...(reasoning === undefined ? [] : [{ type: "reasoning" as const, text: reasoning }]),
          ...(text === "" ? [] : [{ type: "text" as const, text }]),
          ...(toolCalls ?? []).map((call) => toolCallOf(call, newCallId())),
        ],
        ...endOf(completion, toolCalls),
        warnings: warningsFor(options),
      };
    },

    async doStream(options) {
      const parts = model.generateChat(...chatCall(options));
      // A prompt or an option that is refused rejects the call; only what goes wrong later is an error of the stream.
      const { value: first } = await parts.next();
      return { stream: streamOf(first!, parts, { warnings: warningsFor(options), signal: options.abortSignal }) };
    },
  };
}

/** What a call says, in cria's words. Values that the SDK has not made may throw anything when they are read. */
function chatCall(options: LanguageModelV3CallOptions): [ChatMessage[], ChatCompletionOptions] {
  try {
    return [chatMessages(options.prompt), chatOptions(options)];
  } catch (error) {
    if (error instanceof CriaError) throw error;
    throw new CriaError("INVALID_OPTION", "the options of the call must be values that can be read", { cause: error });
  }
}

function chatOptions(options: LanguageModelV3CallOptions): ChatCompletionOptions {
  const { responseFormat: format } = options;
  const named: GenerateOptions = {
    maxTokens: options.maxOutputTokens,
    temperature: options.temperature,
    topK: options.topK,
    topP: options.topP,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    seed: options.seed,
    stop: options.stopSequences,
    signal: options.abortSignal,
    // Without a schema any JSON will do.
    jsonSchema: format?.type === "json" ? ((format.schema as JsonSchema | undefined) ?? true) : undefined,
  };
  const given = Object.fromEntries(Object.entries(named).filter(([, value]) => (value ?? undefined) !== undefined));
  return { ...options.providerOptions?.["cria"], ...given, ...toolOptions(options) };
}

function warningsFor({ includeRawChunks, tools }: LanguageModelV3CallOptions): SharedV3Warning[] {
  const warnings: SharedV3Warning[] = [];
  if (includeRawChunks === true) {
    warnings.push({ type: "unsupported", feature: "includeRawChunks", details: "the text is the only kind of chunk" });
  }
  if (tools?.some((tool) => tool?.type === "function" && tool.inputExamples !== undefined)) {
    const details = "chat templates show a tool's description and schema only";
    warnings.push({ type: "unsupported", feature: "inputExamples", details });
  }
  return warnings;
}
