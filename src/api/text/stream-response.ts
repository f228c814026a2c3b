// A generation as the answer to a request: the body of a `Response`, as Next, Hono, Bun, Deno, workers and Node's own adapters take it.

import { CriaError, printable } from "../../errors.js";
import { checkChoice, checkText, invalidOption, namesOf, optionsOf, readable } from "../../options.js";
import type { GeneratedPart } from "./generation.js";

/** What a response is like. */
export interface StreamResponseOptions {
  /**
   * "text": the text itself, as text/plain; thoughts and calls are left out. "events": server-sent events, as text/event-stream. Their data
   * is JSON:
   *
   * - without a name: `{ text }`, and `reasoning` and `toolCallDeltas` where the part has them
   * - `done`, the last: `{ finishReason, usage, timings }`, and `toolCalls` and `diagnostics` where there are any
   * - `failed`, in its place: `{ code, message }`
   *
   * Default "text".
   */
  readonly format?: "text" | "events";
  /** More headers, or others than those that the format has. */
  readonly headers?: Readonly<Record<string, string>>;
}

const optionNames = namesOf<StreamResponseOptions>({ format: true, headers: true });

/** How parts are written. Each function gives what is sent, or nothing. */
interface Format {
  readonly contentType: string;
  readonly part: (part: GeneratedPart) => string;
  /** Undefined: what fails breaks the body off, which whoever reads it sees. */
  readonly failed?: (error: unknown) => string;
}

const event = (name: string, data: object) =>
  `${name === "" ? "" : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;

const formats: Readonly<Record<"text" | "events", Format>> = {
  text: { contentType: "text/plain; charset=utf-8", part: ({ text }) => text },
  events: {
    contentType: "text/event-stream",
    part({ text, reasoning, toolCallDeltas = [], toolCalls, done }) {
      const says = text !== "" || reasoning !== undefined || toolCallDeltas.length > 0;
      const said = {
        text,
        ...(reasoning !== undefined && { reasoning }),
        ...(toolCallDeltas.length > 0 && { toolCallDeltas }),
      };
      const end = done === undefined ? "" : event("done", { ...done, ...(toolCalls !== undefined && { toolCalls }) });
      return (says ? event("", said) : "") + end;
    },
    failed(error) {
      // What is not cria's own may tell a stranger too much.
      const known = error instanceof CriaError;
      return event(
        "failed",
        known ? { code: error.code, message: error.message } : { code: "FAILED", message: "the generation failed" },
      );
    },
  },
};

/**
 * A response whose body is a generation, sent as it comes: `return streamResponse(model.generate(prompt))` in a route handler. Whoever reads
 * slowly is waited for, and whoever goes ends the generation.
 *
 * It resolves when the first part is there. What fails before then rejects, so that it can be answered with a status; later it breaks the
 * body off, or is the event `failed`.
 *
 * @param parts from `generate`, `generateChat`, `chat.send` or `chat.sendToolResults`
 * @throws CriaError INVALID_OPTION, and what the generation throws before its first part
 */
export async function streamResponse(
  parts: AsyncIterable<GeneratedPart>,
  options?: StreamResponseOptions,
): Promise<Response> {
  const given = optionsOf("streamResponse", options, optionNames);
  const format = formats[checkChoice("format", given.format ?? "text", ["text", "events"])];
  const headers = headersOf(format.contentType, given.headers ?? {});
  const iterator = iteratorOf(parts);
  const encoder = new TextEncoder();
  let first: IteratorResult<GeneratedPart> | undefined = await iterator.next();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        // A pull that brings nothing is not repeated, so parts of which nothing is sent are passed over.
        for (let sent = ""; sent === ""; ) {
          const { done, value } = first ?? (await iterator.next());
          first = undefined;
          if (done === true) return controller.close();
          sent = format.part(value);
          if (sent !== "") controller.enqueue(encoder.encode(sent));
        }
      } catch (error) {
        if (format.failed === undefined) return controller.error(error);
        controller.enqueue(encoder.encode(format.failed(error)));
        controller.close();
      }
    },
    async cancel() {
      await iterator.return?.();
    },
  });
  return new Response(body, { headers });
}

function iteratorOf(parts: AsyncIterable<GeneratedPart>): AsyncIterator<GeneratedPart> {
  return readable("parts", parts, () => {
    const make = (parts as Partial<AsyncIterable<GeneratedPart>> | null | undefined)?.[Symbol.asyncIterator];
    if (typeof make === "function") return make.call(parts);
    throw invalidOption("parts", "what generate, generateChat or send gives", parts);
  });
}

function headersOf(contentType: string, given: Readonly<Record<string, string>>): Headers {
  const headers = new Headers({
    "content-type": contentType,
    "cache-control": "no-cache",
    // What a model says is a stranger's text: browsers must not take it for a page.
    "x-content-type-options": "nosniff",
    // nginx would collect the parts.
    "x-accel-buffering": "no",
  });
  readable("headers", given, () => {
    if (typeof given !== "object" || given === null) throw invalidOption("headers", "an object of headers", given);
    for (const [name, value] of Object.entries(given))
      headers.set(name, checkText(`headers.${printable(name)}`, value));
  });
  return headers;
}
