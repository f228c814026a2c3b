// What every route of a server needs: the models, who may come in, what is counted. A route that asks a model goes through `ask`, so that
// it is admitted, loaded, measured and ended in one place.

import { randomUUID } from "node:crypto";
import { refusal } from "../adapters/openai/answers.js";
import { RequestError } from "../adapters/openai/errors.js";
import { createHandler } from "../adapters/openai/fetch.js";
import { Notes } from "../adapters/openai/notes.js";
import { MemoryError, type Model, WorkerError } from "../index.js";
import { Admission } from "./admission.js";
import { CLIENT_GONE } from "./bodies.js";
import { Catalog, type Lease, type ServedModel, type Stay } from "./catalog.js";
import { Metrics } from "./metrics.js";
import { ModelCards } from "./model-cards.js";
import { type Observer, observed } from "./observed.js";
import type { ServerEvent, ServerSettings } from "./settings.js";
import { eventStream, kept, type StreamForm, watched } from "./streams.js";

/** A request that a model answers. */
export interface ActiveRequest {
  readonly id: string;
  readonly model: string;
  readonly route: string;
  /** When it came, as `performance.now()` tells. */
  readonly begin: number;
  /** Tokens that it has generated. */
  tokens: number;
  /** Instances of a pool that work for it, each as often as they do. */
  readonly instances: number[];
}

/** What a request wants of a model. */
export interface Wanted {
  readonly id: string;
  readonly route: string;
  /** undefined: the server's only model, or its first. */
  readonly name: string | undefined;
  /** Aborted when the client goes. */
  readonly signal: AbortSignal;
  /** Whether the answer is a stream of events, which can begin before the model does. */
  readonly events: boolean;
  /** How such a stream is written. Default: as server-sent events. */
  readonly form?: StreamForm;
  /** How long the model stays after the request, in milliseconds. Default: what holds for all. */
  readonly stay?: Stay | undefined;
}

/** Answers a request by a model that is loaded. What it throws becomes an answer. */
export type Answering = (model: Model, name: string, signal: AbortSignal) => Promise<Response>;

export class Service {
  readonly settings: ServerSettings;
  readonly catalog: Catalog;
  readonly cards: ModelCards;
  readonly metrics: Metrics;
  /** In the order in which they came. */
  readonly active = new Map<string, ActiveRequest>();
  readonly #admissions: ReadonlyMap<string, Admission>;
  readonly #report: (event: ServerEvent) => void;
  /** Ends what still runs when a server must not wait longer. */
  readonly #ending = new AbortController();
  draining = false;
  /** OpenAI's routes. Each request brings its model. */
  readonly openai = createHandler({}, {});

  constructor(models: readonly ServedModel[], settings: ServerSettings, report: (event: ServerEvent) => void) {
    this.settings = settings;
    this.#report = report;
    this.catalog = new Catalog(models, {
      idleMilliseconds: settings.idleMilliseconds,
      memoryBytes: settings.memoryBytes,
      onDisturbance: (name, disturbance) => this.metrics.disturbed(name, disturbance),
      onState: (name, state, { milliseconds, error }) => {
        if (state === "ready") this.metrics.loaded(name);
        const message = error instanceof Error ? error.message : undefined;
        report({ event: "model", model: name, state, milliseconds: rounded(milliseconds), message });
      },
    });
    this.cards = new ModelCards(this.catalog);
    this.#admissions = new Map(
      models.map(({ name }) => [name, new Admission(() => this.catalog.sequences(name), settings.queue)]),
    );
    this.metrics = new Metrics(() =>
      this.catalog.names.map((name) => ({
        ...{ name, ...this.counts(name) },
        ...{ model: this.catalog.loaded(name), instances: this.catalog.instances(name) },
      })),
    );
  }

  /** Requests that a model has, in all: those that run and those that wait. */
  counts(name: string): { readonly running: number; readonly waiting: number } {
    const { running, waiting } = this.#admissions.get(name)!;
    return { running, waiting };
  }

  /** Loads a model unless it is. @throws RequestError 503 while the server is closing; what `loadModel` throws */
  async load(name: string): Promise<void> {
    if (this.draining) throw new RequestError(503, "closing", "the server is closing");
    (await this.catalog.lease(name)).release();
  }

  /** The model's name that a request means. @throws RequestError 404 */
  nameOf(wanted: string | undefined): string {
    const { names } = this.catalog;
    if (wanted === undefined) return names[0]!;
    // Ollama's clients add a tag, and mean the model without one.
    const found = [wanted, wanted.replace(/:latest$/, "")].find((name) => this.catalog.has(name));
    if (found !== undefined) return found;
    const known = names.map((name) => JSON.stringify(name)).join(", ");
    throw new RequestError(
      404,
      "model_not_found",
      `the model ${JSON.stringify(wanted)} does not exist; there are ${known}`,
      "model",
    );
  }

  /** Lets a model answer. Never rejects: what goes wrong is an answer in OpenAI's shape. */
  async ask(wanted: Wanted, answering: Answering): Promise<Response> {
    try {
      return await this.#ask(wanted, answering);
    } catch (error) {
      return refused(error);
    }
  }

  async #ask(
    { id, route, name: given, signal, events, form = eventStream, stay }: Wanted,
    answering: Answering,
  ): Promise<Response> {
    if (this.draining) return overloaded(503, "closing", "the server is closing", 1);
    const name = this.nameOf(given);
    const ticket = this.#admissions.get(name)!.enter();
    if ("retryAfter" in ticket) {
      const { running, waiting } = this.counts(name);
      const message = `the model ${JSON.stringify(name)} has ${running} requests, and ${waiting} wait; try again in ${ticket.retryAfter} s`;
      return overloaded(429, "queue_full", message, ticket.retryAfter);
    }
    const request: ActiveRequest = { id, model: name, route, begin: performance.now(), tokens: 0, instances: [] };
    this.active.set(id, request);
    const left = new AbortController();
    const ends = AbortSignal.any([signal, left.signal, this.#ending.signal]);
    let lease: Lease | undefined;
    const failed = (error: unknown) => {
      if (!signal.aborted && !left.signal.aborted) return refused(error);
      return overloaded(CLIENT_GONE, "client_gone", "the client has gone", undefined);
    };
    const answered = async () => {
      lease = await this.catalog.lease(name, stay);
      ends.throwIfAborted();
      return answering(observed(lease.model, this.#observer(request, lease.model, ends)), name, ends);
    };
    const answerOrError = answered().catch(failed);
    const answer = events
      ? await kept(answerOrError, form, this.settings.pingMilliseconds, () => left.abort())
      : await answerOrError;
    return watched(answer, this.settings.slowMilliseconds, () => {
      ticket.end();
      this.active.delete(id);
      // A client may go while the model is still being loaded for it.
      void answerOrError.then(() => lease?.release());
    });
  }

  /** Counts the calls that a request makes of its model. */
  #observer(request: ActiveRequest, model: Model, ends: AbortSignal): Observer {
    const observer = this.metrics.observer(request.model);
    return {
      ...observer,
      tokens: (count) => {
        request.tokens += count;
        observer.tokens(count);
      },
      instance: (place, works) => {
        if (works) request.instances.push(place);
        else request.instances.splice(request.instances.indexOf(place), 1);
      },
      failed: (error) => {
        // Who goes, or is cut off, has not met an error.
        if (!ends.aborted || error instanceof WorkerError) observer.failed(error);
        // The model is of no more use; those who come next get a new one. A pool starts its instances again itself.
        if (error instanceof WorkerError && this.catalog.instances(request.model) === undefined) {
          void this.catalog.drop(request.model, model);
        }
      },
    };
  }

  /** Lets requests that run come to their end, for at most so long, and unloads the models. New ones are refused from now on. */
  async drain(milliseconds: number): Promise<void> {
    this.draining = true;
    const until = performance.now() + milliseconds;
    while (this.active.size > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    if (this.active.size > 0) this.#report({ event: "cut", requests: this.active.size });
    this.#ending.abort(new Error("the server is closing"));
    await this.catalog.close();
  }

  report(event: ServerEvent): void {
    this.#report(event);
  }
}

/** An id for a request, which its answer and its line in the log have. */
export const requestId = () => `req_${randomUUID().replaceAll("-", "")}`;

const rounded = (value: number | undefined) => (value === undefined ? undefined : Math.round(value * 10) / 10);

/** An error as an answer. A model that does not fit into memory may fit later. */
export function refused(error: unknown): Response {
  if (error instanceof MemoryError) return overloaded(503, error.code, error.message, 10);
  try {
    return refusal(error, new Notes(false));
  } catch {
    const message = error instanceof Error ? error.message : String(error);
    return overloaded(500, "internal_error", message, undefined);
  }
}

export function overloaded(status: number, code: string, message: string, retryAfter: number | undefined): Response {
  const type = status === 429 ? "rate_limit_error" : "server_error";
  return new Response(JSON.stringify({ error: { message, type, param: null, code } }), {
    status,
    headers: {
      "content-type": "application/json",
      ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
    },
  });
}
