// Usage in OpenAI's words.

import type { CompletionUsage } from "openai/resources/completions";
import type { ResponseUsage } from "openai/resources/responses/responses";
import type { Usage } from "../../index.js";

type Counts = Pick<Usage, "promptTokens" | "completionTokens" | "cachedTokens" | "draftedTokens" | "acceptedTokens">;

export function usageOf(usage: Counts, reasoningTokens?: number): CompletionUsage {
  const { promptTokens, completionTokens, cachedTokens, draftedTokens, acceptedTokens = 0 } = usage;
  const details = {
    ...(reasoningTokens !== undefined && { reasoning_tokens: reasoningTokens }),
    // OpenAI's predictions are the request's; these are cria's own guesses.
    ...(draftedTokens !== undefined && {
      accepted_prediction_tokens: acceptedTokens,
      rejected_prediction_tokens: draftedTokens - acceptedTokens,
    }),
  };
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    ...(Object.keys(details).length > 0 && { completion_tokens_details: details }),
  };
}

export function responseUsageOf(usage: Counts, reasoningTokens: number): ResponseUsage {
  const { promptTokens, completionTokens, cachedTokens } = usage;
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: 0 },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: promptTokens + completionTokens,
  };
}
