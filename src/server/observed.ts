// A model whose calls are measured: the same interface, with a line to the one who counts.

import type { Completion, GeneratedPart, GenerationSummary, Model, ModelPool } from "../index.js";

/** What is told of the calls of one model. Times are seconds. */
export interface Observer {
  /** From the call to the first token. */
  firstToken(seconds: number): void;
  /** Between two parts of a text that is streamed, by the tokens of the later one. */
  token(seconds: number): void;
  /** So many tokens of a text that is streamed have come. */
  tokens(count: number): void;
  /** A generation has ended; so many of its tokens have been told. */
  generated(summary: GenerationSummary, told: number): void;
  /** Texts were embedded or reranked. */
  evaluated(promptTokens: number): void;
  /** Of a pool: an instance begins to work for a call, or ceases to. */
  instance(place: number, works: boolean): void;
  /** A call has failed. */
  failed(error: unknown): void;
}

/** The same model. All calls that generate, embed or rerank tell the observer. */
export function observed(target: Model, observer: Observer): Model {
  const model =
    "tracked" in target ? (target as ModelPool).tracked((place, works) => observer.instance(place, works)) : target;
  const calls: Partial<Record<keyof Model, unknown>> = {
    generate: (...given: Parameters<Model["generate"]>) => streamed(model.generate(...given), observer),
    generateChat: (...given: Parameters<Model["generateChat"]>) => streamed(model.generateChat(...given), observer),
    complete: (...given: Parameters<Model["complete"]>) => collected(() => model.complete(...given), observer),
    completeChat: (...given: Parameters<Model["completeChat"]>) =>
      collected(() => model.completeChat(...given), observer),
    embed: (inputs: Parameters<Model["embed"]>[0], options: Parameters<Model["embed"]>[1] = {}) =>
      counted((onUsage) => model.embed(inputs, { ...options, onUsage }), options.onUsage, observer),
    rerank: (query: string, documents: readonly string[], options: Parameters<Model["rerank"]>[2] = {}) =>
      counted((onUsage) => model.rerank(query, documents, { ...options, onUsage }), options.onUsage, observer),
  };
  return new Proxy(target, {
    get(_, name) {
      const call = calls[name as keyof Model];
      if (call !== undefined) return call;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function* streamed(
  parts: AsyncGenerator<GeneratedPart, void, undefined>,
  observer: Observer,
): AsyncGenerator<GeneratedPart, void, undefined> {
  let last = performance.now();
  let told = 0;
  try {
    for await (const part of parts) {
      const now = performance.now();
      const seconds = (now - last) / 1000;
      const count = part.tokens.length;
      if (count > 0) {
        if (told > 0) for (let token = 0; token < count; token++) observer.token(seconds / count);
        else observer.firstToken(seconds);
        observer.tokens(count);
        told += count;
        last = now;
      }
      if (part.done !== undefined) observer.generated(part.done, told);
      yield part;
    }
  } catch (error) {
    observer.failed(error);
    throw error;
  }
}

async function collected(call: () => Promise<Completion>, observer: Observer): Promise<Completion> {
  try {
    const completion = await call();
    observer.generated(completion, 0);
    return completion;
  } catch (error) {
    observer.failed(error);
    throw error;
  }
}

type OnUsage = (usage: { readonly promptTokens: number }) => void;

async function counted<Result>(
  call: (onUsage: OnUsage) => Promise<Result>,
  caller: OnUsage | undefined,
  observer: Observer,
): Promise<Result> {
  try {
    return await call((usage) => {
      observer.evaluated(usage.promptTokens);
      caller?.(usage);
    });
  } catch (error) {
    observer.failed(error);
    throw error;
  }
}
