// A conversation with a model of gated DeltaNet: every turn evaluates only what is new, with the numbers of a fresh run, bit for bit.

import { type GenerateOptions, loadModel, type Model } from "cria";
import { expect, it } from "vitest";
import { hybrid } from "../../oracles/architectures/qwen35.js";
import { architectureModel } from "../../support/architecture-model.js";
import { randomIds } from "../../support/fixture-model.js";
import { loadInShards } from "../../support/shards.js";

const VOCAB = 512;
const CONTEXT = 512;
const TEMPLATE =
  "{% for message in messages %}<{{ message.role }}>{{ message.content }}</>{% endfor %}" +
  "{% if add_generation_prompt %}<assistant>{% endif %}";

/** What a generation says is letters: what is read of it again has the same tokens. It does not end by itself. */
const letters: GenerateOptions = {
  ...{ temperature: 1, seed: 7, maxTokens: 50, logprobs: true },
  logitBias: new Map(
    Array.from({ length: VOCAB }, (_, id) => [id, id >= 0x40 && id < 0x5a ? 0 : Number.NEGATIVE_INFINITY]),
  ),
};

it("every turn evaluates only its new tokens", async () => {
  const keys = { ...hybrid, context_length: CONTEXT };
  const file = await architectureModel({
    ...{ architecture: "qwen35", keys },
    metadata: { "tokenizer.chat_template": TEMPLATE },
  });
  const model = await loadModel(file, { threads: 2, contextSize: CONTEXT, sequences: 2 });
  const others: readonly Model[] = [
    await loadModel(file, { threads: 1, contextSize: CONTEXT }),
    await loadInShards(3, file, { threads: 2, contextSize: CONTEXT }),
  ];
  const chat = model.chat({ system: "Be brief." });
  let before = 0;
  for (const question of ["What is a llama?", "And a cria?", "Why?"]) {
    const answer = await chat.ask(question, letters);
    // The last token of an answer is never evaluated.
    expect(answer.usage.cachedTokens).toBe(Math.max(0, before - 1));
    before = answer.usage.promptTokens + answer.usage.completionTokens;
    for (const other of others) {
      await other.embed([randomIds(CONTEXT, VOCAB, 99)]); // takes all of its room
      const whole = await other.completeChat(chat.messages.slice(0, -1), letters);
      expect(whole.usage).toEqual({ ...answer.usage, cachedTokens: 0 });
      expect(answer.logprobs).toEqual(whole.logprobs);
    }
  }
  chat.dispose();
  await Promise.all([model, ...others].map((one) => one.dispose()));
});
