// POST /v1/completions

import type { CompletionChoice, Completion as TextCompletion } from "openai/resources/completions";
import type { GenerateOptions, Model, Prompt, Usage } from "../../index.js";
import { jsonAnswer, type Service, streamAnswer } from "./answers.js";
import { type ChoicePart, collectAll, generateAll, type Start, totalUsage } from "./choices.js";
import { type Fields, takeCount, takeGenerateOptions, takeGrammar, takeStreaming } from "./fields.js";
import { CompletionLogprobs } from "./logprobs.js";
import { promptsOf } from "./prompts.js";
import { timingsOf } from "./timings.js";
import { usageOf } from "./usage.js";

/** @throws RequestError, and what `model.generate` throws */
export async function completions(
  { model, name }: Service,
  fields: Fields,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const prompts = promptsOf(fields, "prompt");
  const top = fields.take("logprobs", "number");
  fields.notes.fieldOf.set("topLogprobs", "logprobs");
  const options: GenerateOptions = {
    ...takeGenerateOptions(fields, ["max_tokens", "n_predict"]),
    ...takeGrammar(fields),
    ...(top !== undefined && { logprobs: true, topLogprobs: top }),
  };
  const { stream, includeUsage } = takeStreaming(fields);
  const n = takeCount(fields);
  fields.only("best_of", 1, n);
  const echo = fields.take("echo", "boolean") ?? false;
  if (echo && top !== undefined)
    throw fields.invalid("echo", "cannot be beside logprobs: those of prompts are not known");
  fields.refuse("suffix");
  fields.end();

  // The answers to a prompt are in a row. A seed that is given is the first one's; the others have the next ones.
  const seedOf = (i: number) => (options.seed === undefined ? undefined : options.seed + i);
  const starts = prompts.flatMap((prompt) =>
    Array.from({ length: n }, (_, i): Start => {
      return (own) => model.generate(prompt, { ...options, seed: seedOf(i), signal: own });
    }),
  );
  const echoes = echo ? prompts.map((prompt) => textOf(prompt, model)) : [];
  const echoOf = (index: number) => echoes[Math.floor(index / n)] ?? "";
  const logprobs = starts.map((_, index) => new CompletionLogprobs(model.tokenizer, [...echoOf(index)].length));

  const head = { id: `cmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: name };
  const body = (choices: CompletionChoice[]): TextCompletion => ({ ...head, object: "text_completion", choices });

  if (!stream) {
    const choices = await collectAll(starts, signal);
    return jsonAnswer<TextCompletion>({
      ...body(
        choices.map((choice, index) => ({
          index,
          text: echoOf(index) + choice.text,
          finish_reason: choice.done.finishReason,
          logprobs: logprobs[index]!.next(choice.logprobs),
        })),
      ),
      usage: usageOf(
        totalUsage(
          choices.map(({ done }) => done.usage),
          n,
        ),
      ),
    });
  }

  const begun = new Set<number>();
  const usages: Usage[] = [];
  const bodiesOf = function* ({ index, text, done, ...part }: ChoicePart) {
    // The type has no null there, the interface has: a choice that goes on has not finished.
    const finish = (done?.finishReason ?? null) as CompletionChoice["finish_reason"];
    const written = begun.has(index) ? text : echoOf(index) + text;
    begun.add(index);
    if (written !== "" || part.logprobs !== undefined || done !== undefined) {
      yield body([{ index, text: written, finish_reason: finish, logprobs: logprobs[index]!.next(part.logprobs) }]);
    }
    if (done === undefined) return;
    usages[index] = done.usage;
    if (!includeUsage || Object.keys(usages).length < starts.length) return;
    const usage = usageOf(totalUsage(usages, n));
    yield { ...body([]), usage, ...(starts.length === 1 && { timings: timingsOf(done) }) };
  };
  return streamAnswer(generateAll(starts, signal), fields.notes, { bodiesOf });
}

/** A prompt as text. */
function textOf(prompt: Prompt, model: Model): string {
  return typeof prompt === "string" ? prompt : model.tokenizer.decode(Array.from(prompt));
}
