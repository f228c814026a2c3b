// Bodies of answers that are watched while they go out.

/** An answer whose first event takes longer begins without it. */
const BEGIN_AFTER = 2000;

const encoder = new TextEncoder();

/** How a stream says that it waits for its first event, and that there will be none. */
export interface StreamForm {
  readonly contentType: string;
  /** What clients take for a sign of life, and skip. */
  readonly wait: () => string;
  /** The event that tells of an error, of the body of an answer in OpenAI's shape. */
  readonly failed: (body: string) => string;
}

/** Server-sent events: comments, which clients skip. */
export const eventStream: StreamForm = {
  contentType: "text/event-stream",
  wait: () => ": the prompt is being evaluated\n\n",
  failed: (body) => `data: ${body}\n\n`,
};

/**
 * The answer, and a call when its body has ended: sent, cancelled by the client's going, or failed. A reader who takes nothing for
 * `slowMilliseconds` is cancelled: what it has not read is held in memory, and its place in the KV cache is not free.
 *
 * @param cut ends the connection where the body fails in its midst. Without it, who reads the body is told of the error
 */
export function watched(answer: Response, slowMilliseconds: number, onEnd: () => void, cut?: () => void): Response {
  if (answer.body === null) {
    onEnd();
    return answer;
  }
  const reader = answer.body.getReader();
  let slow: NodeJS.Timeout | undefined;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const fail = (error: unknown) => {
          if (cut === undefined) controller.error(error);
          else {
            cut();
            controller.close();
          }
          onEnd();
        };
        clearTimeout(slow);
        try {
          const { done, value } = await reader.read();
          if (done) {
            controller.close();
            return onEnd();
          }
          controller.enqueue(value);
          slow = setTimeout(() => {
            const error = new Error("the client does not read its answer");
            fail(error);
            reader.cancel(error).catch(() => undefined); // it may have failed meanwhile
          }, slowMilliseconds);
          slow.unref();
        } catch (error) {
          fail(error);
        }
      },
      async cancel(reason) {
        clearTimeout(slow);
        await reader.cancel(reason).finally(onEnd);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { status: answer.status, headers: answer.headers });
}

/**
 * A stream that begins even where its first event takes long: with a sign of life every `pingMilliseconds`, because proxies and clients end
 * connections that are silent. Where the answer then is an error,
 * the error is the stream's only event. Answers that come soon are returned as they are.
 *
 * @param answering never rejects
 */
export async function kept(
  answering: Promise<Response>,
  { contentType, wait, failed }: StreamForm,
  pingMilliseconds: number,
  cancel: () => void,
): Promise<Response> {
  const soon = await Promise.race([answering, after(Math.min(BEGIN_AFTER, pingMilliseconds))]);
  if (soon !== undefined) return soon;
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>(
    {
      // The answer's head goes out with it.
      start: (controller) => controller.enqueue(encoder.encode(wait())),
      async pull(controller) {
        if (reader === undefined) {
          const answer = await Promise.race([answering, after(pingMilliseconds)]);
          if (answer === undefined) return controller.enqueue(encoder.encode(wait()));
          if (!answer.ok) {
            controller.enqueue(encoder.encode(failed(await answer.text())));
            return controller.close();
          }
          reader = answer.body!.getReader();
        }
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel(reason) {
        cancel();
        await reader?.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": contentType, "cache-control": "no-cache" } });
}

function after(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), milliseconds).unref();
  });
}
