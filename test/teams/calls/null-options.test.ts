// null is absent: in every option of every function, and for the options themselves. JSON and databases say null for what is not there.

import { downloadModel, loadModel, type Model } from "cria";
import { openGguf } from "cria/gguf";
import { openKernels } from "cria/kernels";
import { chatTemplateFrom } from "cria/tokenizer";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadOptionNames } from "../../../dist/api/load/load-options.js";
import { chatCompletionOptionNames } from "../../../dist/api/text/chat.js";
import { generateOptionNames } from "../../../dist/api/text/generation.js";
import { fixtureModel } from "../../support/fixture-model.js";

/** Each name with null. */
const nulls = (names: readonly string[]): object => Object.fromEntries(names.map((name) => [name, null]));

const TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}";
let file: Uint8Array<ArrayBuffer>;
let model: Model;
beforeAll(async () => {
  file = await fixtureModel({
    ...{ dim: 64, layers: 1, heads: 2, kvHeads: 1, ffn: 64, vocab: 512, format: () => "F32" as const },
    metadata: { "tokenizer.chat_template": TEMPLATE },
  });
  model = await loadModel(file, nulls(loadOptionNames));
});
afterAll(() => model.dispose());

it("loadModel", async () => {
  const other = await loadModel(file, null as never);
  expect(other.info.contextSize).toBe(model.info.contextSize);
  await other.dispose();
});

it("complete, completeChat and chat", async () => {
  const brief = { maxTokens: 2, seed: 1 };
  const others = (names: readonly string[]) => nulls(names.filter((name) => !(name in brief)));
  const plain = await model.complete("a", brief);
  const { tokens } = await model.complete("a", { ...others(generateOptionNames), ...brief });
  expect(tokens).toEqual(plain.tokens);
  const messages = [{ role: "user", content: "a" }];
  const chat = await model.completeChat(messages, { ...others(chatCompletionOptionNames), ...brief });
  expect(chat.tokens).toEqual((await model.completeChat(messages, brief)).tokens);
  const conversation = model.chat(nulls(["system", "messages", "tools", "contextShift"]));
  expect((await conversation.ask("a", { ...others(generateOptionNames), ...brief })).tokens).toEqual(chat.tokens);
  expect((await model.complete([1, 2], { ...brief, dry: { multiplier: 1, base: null } as never })).tokens.length).toBe(
    2,
  );
});

it("options that are null", async () => {
  const first = async (parts: AsyncGenerator<unknown>) => {
    const { done } = await parts.next();
    await parts.return(undefined);
    return done;
  };
  expect(await first(model.generate("a", null as never))).toBe(false);
  expect(await first(model.generateChat([{ role: "user", content: "a" }], null as never))).toBe(false);
  const chat = model.chat(null as never);
  expect(await first(chat.send("a", null as never))).toBe(false);
  const sequence = model.createSequence();
  expect((await sequence.evaluate([1], null as never)).length).toBe(model.info.vocabularySize);
  sequence.dispose();
  expect(await model.embed(["a"], null as never)).toEqual(await model.embed(["a"]));
  expect((await openGguf(file, null as never)).tensors.length).toBeGreaterThan(0);
  expect((await openKernels(null as never)).formats.length).toBeGreaterThan(0);
  const messages = [{ role: "user", content: "a" }];
  expect(await chatTemplateFrom(TEMPLATE, null as never).render(messages, null as never)).toBe("a");
  await expect(downloadModel("hf:none", null as never)).rejects.toMatchObject({ code: "DOWNLOAD_SOURCE" });
});

it("embed", async () => {
  const names = ["pooling", "normalize", "dimensions", "purpose", "prompts", "overlong", "onProgress", "onUsage"];
  expect(await model.embed(["a"], nulls([...names, "signal"]))).toEqual(await model.embed(["a"]));
});

it("what has no default is still asked for", async () => {
  const code = { code: "INVALID_OPTION" };
  await expect(model.completeJson("a", null as never)).rejects.toMatchObject(code);
  await expect(model.complete("a", { contextShift: { keep: null } as never })).rejects.toMatchObject(code);
});
