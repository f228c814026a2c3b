// The pump of a generation: the leader's tokens in, parts of text out, until a stop string, the leader's summary or an abort ends it.

import { abortable } from "../../abort.js";
import { CriaError } from "../../errors.js";
import { controlsIn, textsOf } from "../../grammar/index.js";
import { checkBoolean, checkInteger, groupOf, readable } from "../../options.js";
import type { ModelClient } from "../../protocol/client.js";
import type { DraftCounts, GenerateSummary } from "../../protocol/messages.js";
import { plainSampling, resolveSampling } from "../../sampling/resolve-sampling.js";
import type { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";
import type { Tokenizer } from "../../tokenizer/index.js";
import { type SpeculationDefaults, speculationOf } from "../speculation.js";
import { FormReader } from "./form-reader.js";
import type { Completion, FinishReason, GeneratedLogprob, GeneratedPart, GenerateOptions } from "./generation.js";
import { type AnswerForm, controlIdOf, type Grammars } from "./grammars.js";
import { StopStrings } from "./stop-strings.js";

const UNLIMITED = 2 ** 31 - 1;

/** What a generation starts from and runs with. */
export interface GenerationRequest {
  readonly client: ModelClient;
  readonly text: BackgroundTokenizer;
  readonly grammars: Grammars;
  /** In a chat: what the answer may be. */
  readonly form?: AnswerForm | undefined;
  readonly contextSize: number;
  readonly speculation: SpeculationDefaults;
  /** The whole prompt. The context has room for at least one more token. */
  readonly ids: Int32Array;
  /** The sequence that keeps the text for the next time, if any. */
  readonly sequence: number | undefined;
}

/** Ends a generation whose loop was neither finished nor left, when nobody can go on with it any more. */
const forgotten = new FinalizationRegistry((leave: AbortController) => leave.abort());

/** `maxTokens`, or what counts where it is absent. @throws CriaError INVALID_OPTION */
export function mostTokens(maxTokens: number | undefined, otherwise: number): number {
  return maxTokens === undefined ? otherwise : checkInteger("maxTokens", maxTokens, 0, UNLIMITED);
}

/** Streams a generation. Leaving the loop early aborts it. While many parts are unread, it is paused. */
export async function* streamGeneration(
  request: GenerationRequest,
  options: GenerateOptions,
): AsyncGenerator<GeneratedPart, void, undefined> {
  const { client, text, ids, contextSize } = request;
  const { tokenizer } = text;
  const {
    maxTokens,
    contextShift,
    stop = [],
    signal,
    prefillProgress,
    grammar,
    jsonSchema,
    jsonForm,
    speculate,
    prediction,
    ...sampling
  } = options;
  const speculation = speculationOf(speculate, prediction, request.speculation);
  const { seed, dry, posted } = readable("the sampling options", sampling, () => {
    const resolved = resolveSampling(sampling, tokenizer.vocabularySize);
    const { seed, dry } = resolved;
    return { seed, dry, posted: plainSampling(sampling, resolved) };
  });
  const progress = checkBoolean("prefillProgress", prefillProgress ?? false);
  const keep = contextShift && checkKeep(contextShift, contextSize);
  const room = keep === undefined ? contextSize - ids.length : UNLIMITED;
  const most = Math.min(room, mostTokens(maxTokens, room));
  const predicted =
    speculation === "lookup" && prediction !== undefined ? await idsOf(prediction, text, signal) : undefined;
  const breakers = dry && (await abortable(text.breakers(dry.sequenceBreakers), signal));
  const { request: grammarRequest, diagnostics } = await request.grammars.request(
    { grammar, jsonSchema, jsonForm },
    request.form,
  );
  const stops = new StopStrings(typeof stop === "string" ? [stop] : stop);

  const decoder = tokenizer.decoder({ continues: [...ids].some((id) => !tokenizer.isSpecial(id)) });
  const isFree = grammar === undefined && jsonSchema === undefined;
  const reader = new FormReader(request.form ?? {}, isFree);
  const marks = shownMarks(tokenizer, request.form ?? {});
  /** The text of a token; that of a control token which divides the answer, too. */
  const written = (id: number) => {
    const mark = marks.get(id);
    return mark === undefined ? decoder.push(id) : decoder.end() + mark;
  };
  const queue = new PartQueue();
  const leave = new AbortController();
  let completionTokens = 0;
  let reasoningTokens = 0;
  let drafts: DraftCounts | undefined = speculation === "off" ? undefined : { drafted: 0, accepted: 0 };
  let stopped = false;
  const begin = performance.now();
  let firstToken = 0;

  const running = client
    .generate(
      {
        type: "generate",
        sequence: request.sequence,
        ids,
        sampling: posted,
        breakers,
        maxTokens: most,
        keep,
        endIds: [...tokenizer.endOfGenerationIds],
        vocabularySize: tokenizer.vocabularySize,
        grammar: grammarRequest,
        progress,
        speculation,
        prediction: predicted,
      },
      ({ id, logprob, top, speculated }, taken) => {
        if (stopped) return; // the leader does not know yet
        drafts = speculated ?? drafts;
        completionTokens++;
        if (firstToken === 0) firstToken = performance.now();
        const { reasoning, text: said, deltas } = reader.push(written(id));
        if (reader.thinks) reasoningTokens++;
        const found = stops.push(said);
        const logprobs = logprob === undefined ? undefined : [{ id, logprob, top: top ?? [] }];
        const calls = !found.stopped && deltas.length > 0;
        const part = {
          text: calls ? found.text + stops.end() : found.text, // no text comes after a call
          ...(reasoning !== "" && { reasoning }),
          tokens: Int32Array.of(id),
          ...(logprobs && { logprobs }),
          ...(calls && { toolCallDeltas: deltas }),
        };
        queue.push(part, taken);
        if (found.stopped) {
          stopped = true;
          leave.abort();
        }
      },
      [signal, leave.signal],
      ({ evaluated, cached }) => {
        const prefill = { promptTokens: ids.length, cachedTokens: cached, evaluatedTokens: evaluated };
        queue.push({ text: "", tokens: new Int32Array(0), prefill }, () => undefined);
      },
    )
    .then(
      (summary) => {
        const last = reader.push(decoder.end());
        const held = reader.end();
        const rest = stops.push(last.text + held.text);
        const text = rest.text + (rest.stopped ? "" : stops.end());
        const finishReason = summary.finishReason === "stop" || rest.stopped ? "stop" : "length";
        queue.end({ text, reasoning: last.reasoning + held.reasoning, finishReason, summary });
      },
      (error: unknown) => {
        if (stopped && !signal?.aborted)
          queue.end({ text: "", reasoning: "", finishReason: "stop", summary: undefined });
        else queue.fail(error);
      },
    );

  // Nothing but this generator refers to it: no function in here may.
  const loop = {};
  forgotten.register(loop, leave, loop);
  try {
    for (;;) {
      const item = await queue.next();
      if ("part" in item) {
        if (!signal?.aborted) yield item.part; // otherwise the failure is on its way
        continue;
      }
      const { summary } = item;
      const prefillMilliseconds = summary?.prefillMilliseconds ?? firstToken - begin;
      const decodeMilliseconds = summary?.decodeMilliseconds ?? performance.now() - firstToken;
      const cachedTokens = summary?.cachedTokens ?? 0;
      const speculated = summary?.speculated ?? drafts;
      // The first token comes from the prompt's last row: decoding begins after it.
      const decoded = Math.max(0, completionTokens - 1);
      yield {
        text: item.text,
        ...(item.reasoning !== "" && { reasoning: item.reasoning }),
        tokens: new Int32Array(0),
        ...(sampling.logprobs && { logprobs: [] }),
        done: {
          finishReason: item.finishReason,
          usage: {
            promptTokens: ids.length,
            completionTokens,
            ...(reasoningTokens > 0 && { reasoningTokens }),
            cachedTokens,
            ...(speculated && { draftedTokens: speculated.drafted, acceptedTokens: speculated.accepted }),
            seed,
          },
          timings: {
            prefillMilliseconds,
            prefillTokensPerSecond: perSecond(ids.length - cachedTokens, prefillMilliseconds),
            decodeMilliseconds,
            decodeTokensPerSecond: perSecond(decoded, decodeMilliseconds),
          },
          ...(diagnostics.length > 0 && { diagnostics }),
        },
        ...(reader.toolCalls.length > 0 && { toolCalls: reader.toolCalls }),
      };
      return;
    }
  } finally {
    forgotten.unregister(loop);
    leave.abort();
    await running;
  }
}

/** The tokens of a text without those that begin or end one. */
async function idsOf(words: string, text: BackgroundTokenizer, signal: AbortSignal | undefined): Promise<Int32Array> {
  const ids = await abortable(text.encodeParts([{ text: words, special: false }], signal), signal);
  return ids.filter((id) => !text.tokenizer.isSpecial(id));
}

/** How many tokens a context shift keeps. At least one more must be left to forget, and one to go on from. */
function checkKeep(contextShift: unknown, contextSize: number): number {
  const { keep } = groupOf<{ readonly keep?: unknown }>("contextShift", contextShift, ["keep"]);
  return checkInteger("contextShift.keep", keep, 0, contextSize - 2);
}

/** The control tokens by which an answer of this form is divided, with their texts. */
function shownMarks(tokenizer: Tokenizer, { thoughts, messages, calls }: AnswerForm): ReadonlyMap<number, string> {
  const { begin, end, answer = [] } = thoughts?.marks ?? { begin: "", end: "" };
  const notations = [messages, calls?.notation].flatMap((notation) =>
    notation === undefined ? [] : textsOf(notation),
  );
  const controlIds = (text: string) => controlIdOf(tokenizer, text);
  const pieces = [begin, end, ...answer.flat(), ...notations].flatMap((text) => controlsIn(text, controlIds));
  return new Map(pieces.flatMap(({ id, text }) => (id === undefined ? [] : [[id, text] as const])));
}

/** Collects a stream of parts. */
export async function collect(parts: AsyncIterable<GeneratedPart>): Promise<Completion> {
  let text = "";
  let reasoning = "";
  const tokens: number[] = [];
  let logprobs: GeneratedLogprob[] | undefined;
  for await (const part of parts) {
    text += part.text;
    reasoning += part.reasoning ?? "";
    tokens.push(...part.tokens);
    if (part.logprobs !== undefined) {
      logprobs ??= [];
      logprobs.push(...part.logprobs);
    }
    if (part.done !== undefined) {
      const { done, toolCalls } = part;
      const extras = { ...(logprobs && { logprobs }), ...(toolCalls && { toolCalls }) };
      const thoughts = reasoning !== "" && { reasoning };
      return { text, ...thoughts, tokens: Int32Array.from(tokens), ...done, ...extras };
    }
  }
  throw new CriaError("PROTOCOL", "the generation ended without a summary");
}

interface LastItem {
  readonly text: string;
  readonly reasoning: string;
  readonly finishReason: FinishReason;
  readonly summary:
    | Pick<GenerateSummary, "prefillMilliseconds" | "decodeMilliseconds" | "cachedTokens" | "speculated">
    | undefined;
}

interface PartItem {
  readonly part: GeneratedPart;
  /** The caller takes it. */
  readonly taken: () => void;
}

/** Holds parts between the leader's messages and the caller's loop. When it holds many, the leader pauses. */
class PartQueue {
  readonly #items: (PartItem | LastItem)[] = [];
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  push(part: GeneratedPart, taken: () => void): void {
    this.#items.push({ part, taken });
    this.#wake();
  }

  end(last: LastItem): void {
    this.#items.push(last);
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.#wake();
  }

  async next(): Promise<PartItem | LastItem> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const item = this.#items.shift();
      if (item !== undefined && "part" in item) item.taken();
      if (item !== undefined) return item;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}
