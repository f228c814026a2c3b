// Aborts while the text worker has the text: a template that takes its whole second, a prompt of megabytes.

import { fileURLToPath } from "node:url";
import { type CriaError, demoModel, loadModel, type Model } from "cria";
import { GgufWriter, openGguf } from "cria/gguf";
import { afterAll, beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "../../support/temporary-folder.js";

const folder = temporaryFolder();
const SLOW = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";

let model: Model;
beforeAll(async () => {
  const gguf = await openGguf(fileURLToPath(demoModel));
  const writer = new GgufWriter();
  for (const [key, value] of gguf.metadata) writer.set(key, gguf.metadata.typeOf(key)!, value);
  writer.set("tokenizer.chat_template", "string", SLOW);
  for (const tensor of gguf.tensors) writer.addTensor(tensor.name, tensor.type, tensor.shape);
  const path = folder.path("slow-template.gguf");
  await writer.writeFile(path, ({ name }) => gguf.readTensor(gguf.tensor(name)!));
  await gguf.close();
  model = await loadModel(path, { threads: 1 });
});
afterAll(() => model?.dispose());

/** From the abort to the end of the call, ms. */
async function settles(call: (signal: AbortSignal) => Promise<unknown>): Promise<number> {
  const controller = new AbortController();
  const reason = new Error("enough");
  let aborted = 0;
  setTimeout(() => {
    aborted = performance.now();
    controller.abort(reason);
  }, 100);
  await expect(call(controller.signal)).rejects.toBe(reason);
  return performance.now() - aborted;
}

const question = [{ role: "user", content: "Hello" }];

it("a chat settles at once while its template renders, and the next call has a worker again", async () => {
  expect(await settles((signal) => model.completeChat(question, { signal }))).toBeLessThan(200);
  expect(await settles((signal) => model.chat().ask("Hello", { signal }))).toBeLessThan(200);
  await expect(model.completeChat(question)).rejects.toMatchObject({ code: "TEMPLATE_TIME" });
  await expect(model.complete("word ".repeat(1000))).rejects.toMatchObject({
    code: "CONTEXT_FULL",
  } satisfies Partial<CriaError>);
});

it("chats that were aborted while they waited for the text worker do not keep it from the next one", async () => {
  const controller = new AbortController();
  // Each would take the template's whole second.
  const calls = Array.from({ length: 20 }, () => model.completeChat(question, { signal: controller.signal }));
  const failures = Promise.all(calls.map((call) => call.catch((error: Error) => error.message)));
  setTimeout(() => controller.abort(new Error("enough")), 50);
  expect(new Set(await failures)).toEqual(new Set(["enough"]));
  const begin = performance.now();
  await expect(model.completeChat(question)).rejects.toMatchObject({ code: "TEMPLATE_TIME" });
  expect(performance.now() - begin).toBeLessThan(10_000);
});

it("a long prompt settles at once while it is encoded, and so does an embedding", async () => {
  // The worker has others of its kind to do first.
  const text = Array.from({ length: 60_000 }, (_, i) => `w${(i * 7919).toString(36)}`).join(" ");
  const calls = Array.from({ length: 2 }, () => model.complete(text).catch((error: CriaError) => error.code));
  expect(await settles((signal) => model.complete(text, { signal }))).toBeLessThan(200);
  expect(await settles((signal) => model.embed([text], { signal }))).toBeLessThan(200);
  expect(new Set(await Promise.all(calls))).toEqual(new Set(["CONTEXT_FULL"]));
});
