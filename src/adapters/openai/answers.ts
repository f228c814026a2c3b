// Answers as `Response` objects: JSON, and streams of server-sent events.

import type { Model } from "../../index.js";
import { errorAnswer } from "./errors.js";
import type { Notes } from "./notes.js";
import type { ResponseStore } from "./response-store.js";

/** What is served, under which name, and what is kept of its answers. */
export interface Service {
  readonly model: Model;
  readonly name: string;
  readonly store: ResponseStore;
}

export function jsonAnswer<Body>(body: Body, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

/** An answer that tells of an error. Asking again would not help, which clients are told. */
export function refusal(error: unknown, notes: Notes): Response {
  const { status, body } = errorAnswer(error, notes);
  const answer = jsonAnswer(body, status);
  answer.headers.set("x-should-retry", "false");
  return answer;
}

/** What a stream's events are made of. */
export interface EventSource<Part> {
  /** The bodies that a part becomes. */
  readonly bodiesOf: (part: Part) => Iterable<object>;
  /** The bodies that tell of what failed; by default, OpenAI's error body. @throws what is nobody's error that we know */
  readonly failed?: (error: unknown) => Iterable<object>;
  /** Whether events have names, their bodies' `type`, and the stream ends without the mark [DONE]. */
  readonly named?: boolean;
}

/**
 * A stream of events: each part becomes the bodies that the source makes of it. What fails before the first part rejects; what fails later
 * is an event of the stream, except an abort, which breaks it. A stream that is cancelled ends the generation.
 */
export async function streamAnswer<Part>(
  parts: AsyncGenerator<Part, void, undefined>,
  notes: Notes,
  source: EventSource<Part>,
): Promise<Response> {
  const { bodiesOf, failed = (error) => [errorAnswer(error, notes).body], named = false } = source;
  const encoder = new TextEncoder();
  const event = (body: object) => {
    const name = named ? `event: ${(body as { readonly type: string }).type}\n` : "";
    return encoder.encode(`${name}data: ${JSON.stringify(body)}\n\n`);
  };
  const first = await parts.next();
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      if (!first.done) for (const body of bodiesOf(first.value)) controller.enqueue(event(body));
    },
    async pull(controller) {
      try {
        for (;;) {
          const { done, value } = await parts.next();
          if (done) {
            if (!named) controller.enqueue(encoder.encode("data: [DONE]\n\n"));
            return controller.close();
          }
          const events = Array.from(bodiesOf(value), event);
          for (const each of events) controller.enqueue(each);
          if (events.length > 0) return; // a pull that brings nothing is not repeated
        }
      } catch (error) {
        for (const body of failed(error)) controller.enqueue(event(body));
        controller.close();
      }
    },
    async cancel() {
      await parts.return();
    },
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream", "cache-control": "no-cache" } });
}
