// The language model: generateText, streamText and what is built on them.

import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3FinishReason,
  LanguageModelV3StreamPart,
  LanguageModelV3Usage,
  SharedV3ProviderMetadata,
  SharedV3Warning,
} from "@ai-sdk/provider";
import {
  type GeneratedPart,
  type GenerateOptions,
  type GenerationSummary,
  type JsonSchema,
  type Model,
  UnsupportedError,
} from "../../index.js";
import { chatMessages } from "./prompt.js";

/**
 * A model as a language model of the AI SDK. Prompts go through the file's chat template. cria's other sampling options go into
 * `providerOptions: { cria: { minP: 0.1 } }`; seed and timings come back in `providerMetadata.cria`.
 *
 * Calls reject with UnsupportedError for files and tools, and with what `model.generateChat` throws.
 */
export function criaLanguageModel(model: Model): LanguageModelV3 {
  return {
    specificationVersion: "v3",
    provider: "cria",
    modelId: model.info.name ?? model.info.architecture,
    supportedUrls: {},

    async doGenerate(options) {
      const completion = await model.completeChat(chatMessages(options.prompt), generateOptions(options));
      const { text } = completion;
      return {
        content: text === "" ? [] : [{ type: "text", text }],
        ...endOf(completion),
        warnings: warningsFor(options),
      };
    },

    async doStream(options) {
      const parts = model.generateChat(chatMessages(options.prompt), generateOptions(options));
      // A prompt or an option that is refused rejects the call; only what goes wrong later is an error of the stream.
      const { value: first } = await parts.next();
      return { stream: streamOf(first!, parts, { warnings: warningsFor(options), signal: options.abortSignal }) };
    },
  };
}

function generateOptions(options: LanguageModelV3CallOptions): GenerateOptions {
  const { responseFormat: format } = options;
  if (options.tools !== undefined && options.tools.length > 0) {
    throw new UnsupportedError("UNSUPPORTED_TOOLS", `tools are not supported; there are ${options.tools.length}`);
  }
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
  const given = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
  return { ...options.providerOptions?.["cria"], ...given };
}

function warningsFor(options: LanguageModelV3CallOptions): SharedV3Warning[] {
  if (options.includeRawChunks !== true) return [];
  return [{ type: "unsupported", feature: "includeRawChunks", details: "there are no chunks but the text" }];
}

/** How a generation ended, in the SDK's words. */
function endOf({ finishReason, usage, timings }: GenerationSummary): {
  finishReason: LanguageModelV3FinishReason;
  usage: LanguageModelV3Usage;
  providerMetadata: SharedV3ProviderMetadata;
} {
  const { promptTokens, cachedTokens, completionTokens, seed } = usage;
  return {
    finishReason: { unified: finishReason, raw: finishReason },
    usage: {
      inputTokens: {
        total: promptTokens,
        noCache: promptTokens - cachedTokens,
        cacheRead: cachedTokens,
        cacheWrite: undefined,
      },
      outputTokens: { total: completionTokens, text: completionTokens, reasoning: 0 },
    },
    providerMetadata: { cria: { seed, timings: { ...timings } } },
  };
}

/** A generation whose `first` part has been read already, as the SDK streams it. A stream that is cancelled ends it. */
function streamOf(
  first: GeneratedPart,
  rest: AsyncGenerator<GeneratedPart, void, undefined>,
  { warnings, signal }: { warnings: SharedV3Warning[]; signal: AbortSignal | undefined },
): ReadableStream<LanguageModelV3StreamPart> {
  const id = "text";
  type Controller = ReadableStreamDefaultController<LanguageModelV3StreamPart>;
  const push = (controller: Controller, { text, done }: GeneratedPart) => {
    if (text !== "") controller.enqueue({ type: "text-delta", id, delta: text });
    if (done === undefined) return;
    controller.enqueue({ type: "text-end", id });
    controller.enqueue({ type: "finish", ...endOf(done) });
  };
  return new ReadableStream<LanguageModelV3StreamPart>({
    start(controller) {
      controller.enqueue({ type: "stream-start", warnings });
      controller.enqueue({ type: "text-start", id });
      push(controller, first);
    },
    async pull(controller) {
      try {
        for (;;) {
          const { done, value } = await rest.next();
          if (done) return controller.close();
          // Tokens can come before their text; a pull that brings nothing is not repeated.
          if (value.text !== "" || value.done !== undefined) return push(controller, value);
        }
      } catch (error) {
        // The SDK knows an abort by the stream's failing, and other errors as parts.
        if (signal?.aborted) throw error;
        controller.enqueue({ type: "error", error });
        controller.close();
      }
    },
    async cancel() {
      await rest.return();
    },
  });
}
