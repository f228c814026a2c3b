// Several generations at once: the answers to several prompts, or several answers to one.

import type { GeneratedLogprob, GeneratedPart, GenerationSummary, ToolCall, Usage } from "../../index.js";

/** A generation that begins when it is asked to, and ends with the signal. */
export type Start = (signal: AbortSignal) => AsyncGenerator<GeneratedPart, void, undefined>;

/** A part of the generation with this place. */
export type ChoicePart = GeneratedPart & { readonly index: number };

/** A generation as a whole. */
export interface Choice {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[] | undefined;
  readonly logprobs: readonly GeneratedLogprob[] | undefined;
  readonly done: GenerationSummary;
  /** Tokens of the thoughts. */
  readonly reasoningTokens: number;
}

/**
 * All generations at once, their parts as they come; `index` tells which one's. When one fails, or nobody reads on, all end, and it waits
 * for that.
 */
export async function* generateAll(
  starts: readonly Start[],
  signal: AbortSignal | undefined,
): AsyncGenerator<ChoicePart, void, undefined> {
  const { ended, letGo } = endedBy(signal);
  const nextOf = (index: number, parts: ReturnType<Start>) => {
    const coming = parts.next().then((next) => ({ index, parts, next }));
    // It may fail while nobody reads, and is told when somebody does: until then it must not count as an error that nobody handles.
    coming.catch(() => undefined);
    return coming;
  };
  const coming = new Map(starts.map((start, index) => [index, nextOf(index, start(ended.signal))]));
  try {
    while (coming.size > 0) {
      const { index, parts, next } = await Promise.race(coming.values());
      coming.delete(index);
      if (next.done) continue;
      coming.set(index, nextOf(index, parts)); // behind the others
      yield { ...next.value, index };
    }
  } finally {
    ended.abort();
    await Promise.allSettled(coming.values());
    letGo();
  }
}

/** A controller that aborts as the signal does. */
function endedBy(signal: AbortSignal | undefined) {
  const ended = new AbortController();
  const abort = () => ended.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  return { ended, letGo: () => signal?.removeEventListener("abort", abort) };
}

/** All generations, when they are complete. */
export async function collectAll(starts: readonly Start[], signal: AbortSignal | undefined): Promise<Choice[]> {
  const parts: GeneratedPart[][] = starts.map(() => []);
  for await (const part of generateAll(starts, signal)) parts[part.index]!.push(part);
  return parts.map(choiceOf);
}

function choiceOf(parts: readonly GeneratedPart[]): Choice {
  const last = parts.at(-1);
  if (last?.done === undefined) throw new Error("a generation ended without its last part");
  return {
    text: parts.map(({ text }) => text).join(""),
    reasoning: parts.map(({ reasoning }) => reasoning ?? "").join(""),
    toolCalls: last.toolCalls,
    logprobs: last.logprobs && parts.flatMap(({ logprobs }) => logprobs ?? []),
    done: last.done,
    reasoningTokens: parts.reduce((sum, part) => sum + reasoningTokensOf(part), 0),
  };
}

/** Tokens of a part that only says thoughts. */
export function reasoningTokensOf({ text, reasoning, tokens }: GeneratedPart): number {
  return reasoning !== undefined && text === "" ? tokens.length : 0;
}

/** What several generations read and wrote. `each`: how many of them, in a row, have one prompt, which counts once. */
export function totalUsage(usages: readonly Usage[], each: number) {
  const firsts = usages.filter((_, i) => i % each === 0);
  const speculated = usages.some(({ draftedTokens }) => draftedTokens !== undefined);
  return {
    promptTokens: firsts.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    cachedTokens: firsts.reduce((sum, { cachedTokens }) => sum + cachedTokens, 0),
    completionTokens: usages.reduce((sum, { completionTokens }) => sum + completionTokens, 0),
    ...(speculated && {
      draftedTokens: usages.reduce((sum, { draftedTokens = 0 }) => sum + draftedTokens, 0),
      acceptedTokens: usages.reduce((sum, { acceptedTokens = 0 }) => sum + acceptedTokens, 0),
    }),
  };
}
