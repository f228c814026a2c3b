// POST /v1/completions

import type { CompletionChoice, Completion as TextCompletion } from "openai/resources/completions";
import type {
  Completion,
  GeneratedLogprob,
  GeneratedPart,
  GenerateOptions,
  Prompt,
  Tokenizer,
  Usage,
} from "../../index.js";
import { jsonAnswer, type Service, streamAnswer } from "./answers.js";
import { type Fields, takeGenerateOptions, takeStreaming } from "./fields.js";
import { promptsOf } from "./prompts.js";
import { usageOf } from "./usage.js";

/** @throws RequestError, and what `model.generate` throws */
export async function completions(
  { model, name }: Service,
  fields: Fields,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const prompts = promptsOf(fields, "prompt");
  const top = fields.take("logprobs", "number");
  const options: GenerateOptions = {
    ...takeGenerateOptions(fields, ["max_tokens"]),
    ...(top !== undefined && { logprobs: true, topLogprobs: top }),
  };
  const { stream, includeUsage } = takeStreaming(fields);
  fields.only("best_of", 1);
  fields.only("echo", false);
  fields.end();

  const head = { id: `cmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: name };
  const body = (choices: CompletionChoice[]): TextCompletion => ({ ...head, object: "text_completion", choices });
  const logprobsOf = (logprobs: readonly GeneratedLogprob[] | undefined) => listed(logprobs, model.tokenizer);

  if (!stream) {
    const all = await completeAll(
      prompts,
      (prompt, own) => model.complete(prompt, { ...options, signal: own }),
      signal,
    );
    return jsonAnswer<TextCompletion>({
      ...body(
        all.map(({ text, finishReason, logprobs }, index) => {
          return { index, text, finish_reason: finishReason, logprobs: logprobsOf(logprobs) };
        }),
      ),
      usage: usageOf(totalUsage(all.map(({ usage }) => usage))),
    });
  }

  const parts = generateAll(prompts, (prompt, own) => model.generate(prompt, { ...options, signal: own }), signal);
  const usages: Usage[] = [];
  return streamAnswer(parts, function* ({ index, text, logprobs, done }) {
    // The type has no null there, the interface has: a choice that goes on has not finished.
    const finish = (done?.finishReason ?? null) as CompletionChoice["finish_reason"];
    if (text !== "" || logprobs !== undefined || done !== undefined) {
      yield body([{ index, text, finish_reason: finish, logprobs: logprobsOf(logprobs) }]);
    }
    if (done !== undefined) usages.push(done.usage);
    if (includeUsage && usages.length === prompts.length) yield { ...body([]), usage: usageOf(totalUsage(usages)) };
  });
}

/** All prompts at once. When one fails the others must not run on. */
async function completeAll(
  prompts: readonly Prompt[],
  complete: (prompt: Prompt, signal: AbortSignal) => Promise<Completion>,
  signal: AbortSignal | undefined,
): Promise<Completion[]> {
  const { ended, letGo } = endedBy(signal);
  try {
    return await Promise.all(prompts.map((prompt) => complete(prompt, ended.signal)));
  } catch (error) {
    ended.abort(error);
    throw error;
  } finally {
    letGo();
  }
}

/** All prompts at once, their parts as they come; `index` tells which prompt's. When one fails, or nobody reads on, all end. */
async function* generateAll(
  prompts: readonly Prompt[],
  generate: (prompt: Prompt, signal: AbortSignal) => AsyncGenerator<GeneratedPart, void, undefined>,
  signal: AbortSignal | undefined,
): AsyncGenerator<GeneratedPart & { readonly index: number }, void, undefined> {
  const { ended, letGo } = endedBy(signal);
  const nextOf = async (index: number, parts: ReturnType<typeof generate>) => {
    return { index, parts, next: await parts.next() };
  };
  const coming = new Map(prompts.map((prompt, index) => [index, nextOf(index, generate(prompt, ended.signal))]));
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

function totalUsage(usages: readonly Usage[]) {
  const sum = (count: (usage: Usage) => number) => usages.reduce((total, usage) => total + count(usage), 0);
  return {
    promptTokens: sum((usage) => usage.promptTokens),
    completionTokens: sum((usage) => usage.completionTokens),
    cachedTokens: sum((usage) => usage.cachedTokens),
  };
}

function listed(
  logprobs: readonly GeneratedLogprob[] | undefined,
  tokenizer: Tokenizer,
): CompletionChoice.Logprobs | null {
  if (logprobs === undefined) return null;
  const text = (id: number) => new TextDecoder().decode(tokenizer.tokenBytes(id));
  return {
    tokens: logprobs.map(({ id }) => text(id)),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) => Object.fromEntries(top.map(({ id, logprob }) => [text(id), logprob]))),
  };
}
