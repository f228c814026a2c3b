// Usage in OpenAI's words.

import type { CompletionUsage } from "openai/resources/completions";
import type { Usage } from "../../index.js";

export function usageOf(usage: Pick<Usage, "promptTokens" | "completionTokens" | "cachedTokens">): CompletionUsage {
  const { promptTokens, completionTokens, cachedTokens } = usage;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}
