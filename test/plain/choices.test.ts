// Several generations at once, when one fails.

import { expect, it } from "vitest";
import { generateAll, type Start } from "../../dist/adapters/openai/choices.js";

it("a generation that fails while nobody reads is told to who reads next, and to nobody else", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  const start: Start = async function* () {
    yield { text: "a", tokens: Int32Array.of(1) };
    throw "the client has gone"; // reasons of signals need not be errors
  };
  const parts = generateAll([start, start], undefined);
  expect((await parts.next()).value).toMatchObject({ text: "a" });
  await new Promise((resolve) => setTimeout(resolve, 20)); // a client that does not read
  expect(unhandled).toEqual([]);
  const rest = async () => {
    for await (const _ of parts);
  };
  await expect(rest()).rejects.toBe("the client has gone");
  await new Promise((resolve) => setTimeout(resolve, 0));
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});
