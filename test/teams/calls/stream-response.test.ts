// A generation as a Response: its text or its events, its headers, what fails before and after it begins, and whoever goes.

import { demoModel, type GeneratedPart, loadModel, type Model, streamResponse } from "cria";
import { afterAll, beforeAll, expect, it } from "vitest";

let model: Model;
beforeAll(async () => {
  model = await loadModel(demoModel, { threads: 1, sequences: 2 });
});
afterAll(() => model.dispose());

const prompt = "Once upon a time";
const greedy = { temperature: 0, maxTokens: 24 };
const question = [{ role: "user", content: "What is 3 + 4?" }];

/** Events as [name, data]. */
const eventsOf = (body: string) =>
  body
    .trimEnd()
    .split("\n\n")
    .map((event) => {
      const [, name, data] = /^(?:event: (\w+)\n)?data: (.*)$/.exec(event)!;
      return [name ?? "", JSON.parse(data!) as Record<string, unknown>] as const;
    });

/** Parts that somebody else makes. */
async function* made(parts: readonly (string | Error)[], left: () => void = () => {}) {
  try {
    for (const part of parts) {
      if (part instanceof Error) throw part;
      yield { text: part, tokens: Int32Array.of(1) } satisfies GeneratedPart;
    }
  } finally {
    left();
  }
}

it("is the text, as text that is not a page and is not collected on its way", async () => {
  const { text } = await model.complete(prompt, greedy);
  const response = await streamResponse(model.generate(prompt, greedy), { headers: { "x-mine": "1" } });
  expect(await response.text()).toBe(text);
  expect(Object.fromEntries(response.headers)).toEqual({
    "cache-control": "no-cache",
    "content-type": "text/plain; charset=utf-8",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
    "x-mine": "1",
  });
});

it("comes as it is made", async () => {
  const response = await streamResponse(model.generate(prompt, greedy));
  let pieces = 0;
  for await (const _ of response.body as unknown as AsyncIterable<Uint8Array>) pieces++;
  expect(pieces).toBeGreaterThan(3);
});

it("is events: the text in pieces, and how it ended", async () => {
  const answer = await model.completeChat(question, greedy);
  const response = await streamResponse(model.generateChat(question, greedy), { format: "events" });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const events = eventsOf(await response.text());
  expect(events.slice(0, -1).map(([name]) => name)).toEqual(events.slice(1).map(() => ""));
  expect(events.slice(0, -1).map(([, { text }]) => text)).toEqual(expect.not.arrayContaining([""]));
  expect(
    events
      .slice(0, -1)
      .map(([, { text }]) => text)
      .join(""),
  ).toBe(answer.text);
  const { finishReason, usage } = answer;
  expect(events.at(-1)).toMatchObject(["done", { finishReason, usage: { completionTokens: usage.completionTokens } }]);
});

it("rejects with what fails before the first part", async () => {
  const { contextSize } = model.info;
  const long = model.generate(new Array(contextSize).fill(5));
  await expect(streamResponse(long)).rejects.toMatchObject({ code: "CONTEXT_FULL" });
  await expect(streamResponse(made([new Error("at once")]))).rejects.toThrow("at once");
});

it("breaks off where it fails later; as events, it tells of cria's own errors only", async () => {
  await expect((await streamResponse(made(["a", new Error("later")]))).text()).rejects.toThrow("later");
  const secret = await streamResponse(made(["a", new Error("a path of mine")]), { format: "events" });
  expect(eventsOf(await secret.text())).toEqual([
    ["", { text: "a" }],
    ["failed", { code: "FAILED", message: "the generation failed" }],
  ]);
  const aborted = new AbortController();
  const parts = model.generate(prompt, { ...greedy, signal: aborted.signal });
  const response = await streamResponse(parts, { format: "events" });
  aborted.abort();
  expect(eventsOf(await response.text()).at(-1)![0]).toBe("failed");
});

it("ends the generation when its reader goes", async () => {
  let left = 0;
  const response = await streamResponse(made(["a", "b", "c"], () => left++));
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  expect(left).toBe(1);
});

it("is asked for no more than is read", async () => {
  let asked = 0;
  const parts = (async function* () {
    for (; ; asked++) yield { text: "a", tokens: Int32Array.of(1) } satisfies GeneratedPart;
  })();
  const response = await streamResponse(parts);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(asked).toBeLessThan(3);
  await response.body!.cancel();
});

it.each([
  [() => streamResponse("text" as never), /^parts must be what generate, generateChat or send gives; it is "text"$/],
  [() => streamResponse(null as never), /^parts must be/],
  [() => streamResponse(made([]), { format: "json" as never }), /^format must be one of text, events; it is "json"$/],
  [() => streamResponse(made([]), { headers: { "a b": "c" } }), /^headers must be/],
  [() => streamResponse(made([]), { headers: { a: 5 as never } }), /^headers\.a must be a string; it is 5$/],
  [() => streamResponse(made([]), { status: 200 } as never), /^streamResponse has no option "status"/],
])("%s is refused", async (call, message) => {
  await expect(call()).rejects.toMatchObject({ code: "INVALID_OPTION", message: expect.stringMatching(message) });
});
