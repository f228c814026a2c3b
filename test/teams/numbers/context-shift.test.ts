// Context shift: a generation and a conversation go on beyond the context, with exactly what a fresh text of what is left would give.

import { fileURLToPath } from "node:url";
import { type Chat, loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endless, randomIds } from "../../support/fixture-model.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const CONTEXT = 128;

let model: Model;
beforeAll(async () => {
  model = await loadModel(demo, { threads: 2, contextSize: CONTEXT, sequences: 2 });
});
afterAll(() => model.dispose());

describe("a generation", () => {
  const prompt = randomIds(20, 512, 1);

  /** The likeliest tokens, by hand: when the context is full, a new text begins with what is kept. */
  async function byHand(count: number, keep: number): Promise<number[]> {
    const banned = model.tokenizer.endOfGenerationIds;
    const tokens: number[] = [];
    let text = [...prompt];
    let sequence = model.createSequence();
    let logits = await sequence.evaluate(text);
    for (;;) {
      const best = logits.reduce((best, logit, id) => (logit > logits[best]! && !banned.has(id) ? id : best), 0);
      tokens.push(best);
      if (tokens.length === count) break;
      text.push(best);
      if (text.length <= CONTEXT) {
        logits = await sequence.evaluate([best]);
        continue;
      }
      text = [...text.slice(0, keep), ...text.slice(keep + Math.ceil((CONTEXT - keep) / 2))];
      sequence.dispose();
      sequence = model.createSequence();
      logits = await sequence.evaluate(text);
    }
    sequence.dispose();
    return tokens;
  }

  it.each([0, 1, 20, 100, CONTEXT - 2])("that keeps %i tokens gives what texts of what is left give", async (keep) => {
    const maxTokens = keep > 64 ? 120 : 260;
    const options = { ...endless(model), temperature: 0, maxTokens, contextShift: { keep } };
    const { tokens, finishReason } = await model.complete(prompt, options);
    expect([...tokens]).toEqual(await byHand(maxTokens, keep));
    expect(finishReason).toBe("length");
  });

  it("gives the same among others that shift too", async () => {
    const call = (seed: number) => {
      const options = { ...endless(model), temperature: 1, seed, maxTokens: 300, contextShift: { keep: 10 } };
      return model.complete(randomIds(15 + seed, 512, seed), options);
    };
    const alone = [];
    for (let seed = 0; seed < 6; seed++) alone.push((await call(seed)).tokens);
    const together = await Promise.all(alone.map((_, seed) => call(seed)));
    expect(together.map(({ tokens }) => tokens)).toEqual(alone);
  });

  it("without it ends when the context is full", async () => {
    const { tokens, finishReason } = await model.complete(prompt, { ...endless(model), maxTokens: 300 });
    expect([tokens.length, finishReason]).toEqual([CONTEXT - 20, "length"]);
  });

  it("with it has no limit but maxTokens, an end, or an abort", async () => {
    const signal = AbortSignal.timeout(150);
    let tokens = 0;
    const run = async () => {
      for await (const part of model.generate(prompt, { ...endless(model), signal, contextShift: { keep: 1 } })) {
        tokens += part.tokens.length;
      }
    };
    await expect(run()).rejects.toMatchObject({ name: "TimeoutError" });
    expect(tokens).toBeGreaterThan(0);
  });

  it("refuses to keep what leaves nothing to forget, and what it does not know", async () => {
    const codeOf = (contextShift: object) =>
      model.complete(prompt, { contextShift } as object).catch(({ code, message }) => `${code} ${message}`);
    for (const keep of [-1, 1.5, CONTEXT - 1, undefined]) {
      expect(await codeOf({ keep })).toMatch(
        /^INVALID_OPTION contextShift.keep must be an integer in 0 \.\. 126; it is /,
      );
    }
    expect(await codeOf({ keep: 1, drop: 2 })).toMatch(/^INVALID_OPTION contextShift has no option "drop"/);
    await expect(model.complete(randomIds(200, 512), { contextShift: { keep: 1 } })).rejects.toMatchObject({
      code: "CONTEXT_FULL",
    });
  });
});

describe("a conversation", () => {
  const options = { temperature: 0, maxTokens: 12 } as const;
  const questions = Array.from({ length: 12 }, (_, i) => `What is ${i} + ${i + 1}, little llama?`);

  it("ends when it has outgrown the context", async () => {
    const chat = model.chat({ system: "You are a llama." });
    const ask = async () => {
      for (const question of questions) await chat.ask(question, options);
    };
    await expect(ask()).rejects.toMatchObject({ code: "CONTEXT_FULL" });
    chat.dispose();
  });

  it("forgets its oldest turns, and no system message, and answers as one that never had them", async () => {
    const chat = model.chat({ system: "You are a llama.", contextShift: true });
    let forgot = 0;
    for (const question of questions) {
      const before = chat.messages;
      const { text, usage } = await chat.ask(question, options);
      const { messages } = chat;
      expect(messages[0]).toEqual({ role: "system", content: "You are a llama." });
      expect(messages.slice(-2)).toEqual([
        { role: "user", content: question },
        { role: "assistant", content: text },
      ]);
      expect(usage.promptTokens + usage.completionTokens).toBeLessThanOrEqual(CONTEXT);
      if (messages.length < before.length + 2) {
        forgot++;
        expect(usage.promptTokens).toBeLessThanOrEqual(CONTEXT / 2);
        const kept = before.length + 2 - messages.length;
        expect(messages.slice(1, -2)).toEqual(before.slice(1 + kept));
        expect(messages[1]!.role).toBe("user");
      }
      const same = await model.completeChat(messages.slice(0, -1), options);
      expect(same.text).toBe(text);
    }
    expect(forgot).toBeGreaterThan(1);
    chat.dispose();
  });

  it("leaves room for the answer, stays as it was when a call is aborted, and is saved with the option", async () => {
    const chat: Chat = model.chat({ contextShift: true });
    while (chat.messages.length < 4) await chat.ask("Hello, llama", { ...options, maxTokens: 20 });
    const { messages } = chat;
    const refused = chat.ask("x ".repeat(20), { signal: AbortSignal.abort(new Error("no")) });
    await expect(refused).rejects.toThrow("no");
    expect(chat.messages).toEqual(messages);
    const restored = await model.restoreChat(await chat.save());
    for (const one of [chat, restored]) {
      const { usage } = await one.ask("A long story, please", { ...endless(model), temperature: 0, maxTokens: 64 });
      expect(usage.completionTokens).toBe(64);
      one.dispose();
    }
  });

  it("refuses a message that does not fit alone", async () => {
    const chat = model.chat({ system: "You are a llama.", contextShift: true });
    await chat.ask("Hello", options);
    await expect(chat.ask("llama ".repeat(200), options)).rejects.toMatchObject({ code: "CONTEXT_FULL" });
    expect(chat.messages).toHaveLength(3);
    chat.dispose();
  });
});
