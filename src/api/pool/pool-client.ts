// The line from a pool's model to its leaders: a call goes to the instance that holds the longest beginning of its text, unless another
// one is so much less busy that it would answer sooner.
//
// A call that an instance did not live to answer, and that has given nothing to its caller yet, moves to another one, once: a call that
// kills two instances rejects, and does not kill the rest. Sequences and conversations live in one instance, and are lost with it.

import { abortable } from "../../abort.js";
import { CriaError, WorkerError } from "../../errors.js";
import type { LeaderClient, ModelClient, OnProgress, OnToken, Signals, WithoutJob } from "../../protocol/client.js";
import { joinIds } from "../../protocol/ids.js";
import type {
  EmbedRequest,
  EvaluateRequest,
  GenerateRequest,
  GenerateSummary,
  LeaderRequest,
  SavedSequence,
} from "../../protocol/messages.js";
import type { PoolInstance } from "./pool-instance.js";

/** A call under way delays another one as much as so many tokens of a prompt would. */
const CALL_TOKENS = 256;
/** A call with more texts than one goes to several instances if each gets so many tokens. */
const TOKENS_OF_PART = 64;

/** Told that an instance begins to work for a call (`works`), or ceases to. */
export type OnInstance = (instance: number, works: boolean) => void;

/** A call that may go to any instance. */
interface Moving {
  /** The text whose beginning may be cached. */
  readonly ids?: Int32Array;
  readonly signals: Signals;
  readonly onInstance: OnInstance | undefined;
}

export class PoolClient implements ModelClient {
  readonly #instances: readonly PoolInstance[];
  /** Where sequences live. */
  readonly #homes = new Map<number, { readonly instance: PoolInstance; readonly life: number }>();
  #waiting: (() => void)[] = [];
  #ended: CriaError | undefined;

  constructor(instances: readonly PoolInstance[]) {
    this.#instances = instances;
  }

  /** An instance has begun or ceased to be ready. */
  changed(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  async generate(
    request: WithoutJob<GenerateRequest>,
    onToken: OnToken,
    signals: Signals,
    onProgress?: OnProgress,
    onInstance?: OnInstance,
  ): Promise<GenerateSummary> {
    const { ids, sequence } = request;
    if (sequence !== undefined) {
      const { instance, client } = this.#homeOf(sequence);
      return this.#counted(instance, 1, () => client.generate(request, onToken, signals, onProgress));
    }
    return this.#moving({ ids, signals, onInstance }, async (instance, client, begun) => {
      const cached = instance.held.match(ids);
      const text = [...ids];
      instance.held.add(ids);
      const take: OnToken = (token, taken) => {
        begun();
        text.push(token.id);
        onToken(token, taken);
      };
      const summary = await this.#counted(instance, ids.length - cached, () =>
        client.generate(request, take, signals, onProgress),
      );
      instance.held.add(text);
      return summary;
    });
  }

  async embed(request: WithoutJob<EmbedRequest>, signals: Signals, onInstance?: OnInstance): Promise<Float32Array> {
    const parts = this.#partsOf(request);
    const failed = new AbortController();
    const watched = parts.length > 1 ? [...signals, failed.signal] : signals;
    const vectors = await Promise.all(
      parts.map((part) =>
        this.#moving({ signals: watched, onInstance }, (instance, client) =>
          this.#counted(instance, part.ids.length, () => client.embed(part, watched)),
        ).catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
      ),
    );
    if (vectors.length === 1) return vectors[0]!;
    const all = new Float32Array(vectors.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of vectors) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  async evaluate(request: WithoutJob<EvaluateRequest>, signals: Signals): Promise<Float32Array> {
    const { instance, client } = this.#homeOf(request.sequence);
    return this.#counted(instance, request.ids.length, () => client.evaluate(request, signals));
  }

  async save(sequence: number, head: Uint8Array, tail: number): Promise<SavedSequence> {
    return this.#homeOf(sequence).client.save(sequence, head, tail);
  }

  /** The same client, telling where its generations and embeddings run. */
  tracked(onInstance: OnInstance): ModelClient {
    return {
      generate: (request, onToken, signals, onProgress) =>
        this.generate(request, onToken, signals, onProgress, onInstance),
      embed: (request, signals) => this.embed(request, signals, onInstance),
      evaluate: (request, signals) => this.evaluate(request, signals),
      save: (sequence, head, tail) => this.save(sequence, head, tail),
      tell: (request) => this.tell(request),
      close: (sequence) => this.close(sequence),
      end: (error) => this.end(error),
    };
  }

  /** What is said of a sequence goes to its instance; a new one lives where the fewest calls and sequences are. */
  tell(request: LeaderRequest): void {
    if (this.#ended !== undefined) throw this.#ended;
    switch (request.type) {
      case "open":
      case "restore": {
        const { instance, client } = this.#leastBusy();
        client.tell(request);
        this.#settle(request.sequence, instance);
        return;
      }
      case "fork": {
        const { instance, client } = this.#homeOf(request.from);
        client.tell(request);
        this.#settle(request.sequence, instance);
        return;
      }
      case "truncate":
        this.#homeOf(request.sequence).client.tell(request);
        return;
      case "close":
        this.close(request.sequence);
        return;
      default:
        throw new CriaError("PROTOCOL", `"${request.type}" is said by an instance's own client`);
    }
  }

  close(sequence: number): void {
    const home = this.#homes.get(sequence);
    this.#homes.delete(sequence);
    if (home === undefined || home.life !== home.instance.life) return;
    home.instance.sequences.delete(sequence);
    home.instance.client?.close(sequence);
  }

  end(error: CriaError): void {
    this.#ended ??= error;
    for (const { client } of this.#instances) client?.end(error);
    this.changed();
  }

  #settle(sequence: number, instance: PoolInstance): void {
    instance.sequences.add(sequence);
    instance.taken++;
    this.#homes.set(sequence, { instance, life: instance.life });
  }

  #homeOf(sequence: number): { readonly instance: PoolInstance; readonly client: LeaderClient } {
    if (this.#ended !== undefined) throw this.#ended;
    const home = this.#homes.get(sequence);
    const client = home?.instance.client;
    if (home !== undefined && client !== undefined && home.life === home.instance.life) {
      return { instance: home.instance, client };
    }
    const why = home?.instance.problem?.message ?? "it is not known";
    throw new WorkerError("WORKER_DIED", `the sequence was lost with its instance of the pool: ${why}`);
  }

  /** Runs a call where it is answered soonest; again elsewhere, if that instance is lost before `begun` was called. */
  async #moving<Result>(
    { ids, signals, onInstance }: Moving,
    run: (instance: PoolInstance, client: LeaderClient, begun: () => void) => Promise<Result>,
  ): Promise<Result> {
    let hasBegun = false;
    let lost: PoolInstance | undefined;
    for (;;) {
      await this.#someReady(signals);
      // The choice and the count that it rests on are made in one go, because other calls choose meanwhile.
      const { instance, client } = this.#leastBusy(ids);
      const { life } = instance;
      if (lost === undefined) instance.taken++;
      else instance.moved++;
      const place = this.#instances.indexOf(instance);
      onInstance?.(place, true);
      try {
        return await run(instance, client, () => {
          hasBegun = true;
        });
      } catch (error) {
        const died = error instanceof WorkerError && instance.life !== life;
        if (!died || hasBegun || lost !== undefined || this.#ended !== undefined) throw error;
        lost = instance;
      } finally {
        onInstance?.(place, false);
      }
    }
  }

  /** Keeps count of a call under way. */
  async #counted<Result>(instance: PoolInstance, tokens: number, run: () => Promise<Result>): Promise<Result> {
    instance.calls++;
    instance.tokens += tokens;
    try {
      return await run();
    } finally {
      instance.calls--;
      instance.tokens -= tokens;
    }
  }

  /** Waits while no instance is ready and some is loaded. */
  async #someReady(signals: Signals): Promise<void> {
    while (
      this.#ended === undefined &&
      this.#ready.length === 0 &&
      this.#instances.some(({ state }) => state === "starting")
    ) {
      const change = new Promise<void>((go) => this.#waiting.push(go));
      await Promise.race(signals.map((signal) => abortable(change, signal)).concat(change));
    }
    if (this.#ended !== undefined) throw this.#ended;
  }

  get #ready(): readonly { readonly instance: PoolInstance; readonly client: LeaderClient }[] {
    return this.#instances.flatMap((instance) => {
      const { client } = instance;
      return client === undefined ? [] : [{ instance, client }];
    });
  }

  /** Of instances that are equally busy, the one with fewer sequences, then the one that has taken fewer calls. */
  #leastBusy(ids?: Int32Array) {
    const ready = this.#ready.map((one) => {
      const { calls, tokens, held } = one.instance;
      return { ...one, delay: calls * CALL_TOKENS + tokens - (ids === undefined ? 0 : held.match(ids)) };
    });
    if (ready.length === 0) {
      const why = this.#instances.find(({ problem }) => problem !== undefined)?.problem;
      throw why ?? new WorkerError("WORKER_DIED", "no instance of the pool is ready");
    }
    return ready.reduce((best, one) => {
      const [a, b] = [best.instance, one.instance];
      const order = one.delay - best.delay || b.sequences.size - a.sequences.size || b.taken - a.taken;
      return order < 0 ? one : best;
    });
  }

  /** Texts that go to several instances, in parts of about as many tokens. */
  #partsOf(request: WithoutJob<EmbedRequest>): readonly WithoutJob<EmbedRequest>[] {
    const { ids, ends } = request;
    const count = Math.min(this.#ready.length, ends.length, Math.floor(ids.length / TOKENS_OF_PART));
    if (count < 2) return [request];
    // The texts come longest first: dealt out in turn they would have to be put in order again.
    const parts: WithoutJob<EmbedRequest>[] = [];
    let first = 0;
    for (let part = 1; part <= count; part++) {
      const goal = (ids.length * part) / count;
      let end = first;
      while (end < ends.length && (part === count || ends[end]! <= goal)) end++;
      if (end === first) continue;
      const from = first === 0 ? 0 : ends[first - 1]!;
      const own = ends.slice(first, end).map((one) => one - from);
      parts.push({ ...request, ids: joinIds([ids.subarray(from, ends[end - 1]!)]), ends: own });
      first = end;
    }
    return parts;
  }
}
