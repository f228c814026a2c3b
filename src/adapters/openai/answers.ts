// Answers as `Response` objects: JSON, and streams of server-sent events.

import type { Model } from "../../index.js";
import { errorAnswer } from "./errors.js";

/** What is served, and under which name. */
export interface Service {
  readonly model: Model;
  readonly name: string;
}

export function jsonAnswer<Body>(body: Body, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

/** An answer that tells of an error. Asking again would not help, which clients are told. */
export function refusal(error: unknown): Response {
  const { status, body } = errorAnswer(error);
  const answer = jsonAnswer(body, status);
  answer.headers.set("x-should-retry", "false");
  return answer;
}

/**
 * A stream of events: each part becomes the bodies that `bodiesOf` makes of it. What fails before the first part rejects; what fails later
 * is an event of the stream, except an abort, which breaks it. A stream that is cancelled ends the generation.
 */
export async function streamAnswer<Part>(
  parts: AsyncGenerator<Part, void, undefined>,
  bodiesOf: (part: Part) => Iterable<object>,
): Promise<Response> {
  const encoder = new TextEncoder();
  const event = (data: string) => encoder.encode(`data: ${data}\n\n`);
  const eventsOf = (part: Part) => Array.from(bodiesOf(part), (body) => event(JSON.stringify(body)));
  const first = await parts.next();
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      if (!first.done) for (const each of eventsOf(first.value)) controller.enqueue(each);
    },
    async pull(controller) {
      try {
        for (;;) {
          const { done, value } = await parts.next();
          const events = done ? [event("[DONE]")] : eventsOf(value);
          for (const each of events) controller.enqueue(each);
          if (done) return controller.close();
          if (events.length > 0) return; // a pull that brings nothing is not repeated
        }
      } catch (error) {
        controller.enqueue(event(JSON.stringify(errorAnswer(error).body)));
        controller.close();
      }
    },
    async cancel() {
      await parts.return();
    },
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream", "cache-control": "no-cache" } });
}
