// Saved sessions with damaged bytes, most with a digest that is right again, so that more than the digest is tried.

import { createHash } from "node:crypto";
import { loadModel } from "cria";
import type { Random } from "../../bench/synthetic/random.js";
import { microBytes, microModel } from "../support/micro-model.js";
import { type Field, mutated } from "./mutate.js";
import { codeOf, pick, target } from "./target.js";

const HEADER: readonly Field[] = [8, 12, 16, 20].map((at) => ({ at, bytes: 4 }));
const DIGEST = 32;

export const sessions = target({
  name: "sessions",
  executes: "a damaged session restored; if accepted: continued",
  perBuild: false,
  perProcess: 20_000,
  milliseconds: 1000,
  open: async () => {
    const model = await loadModel(await microBytes(await microModel("llama")), {
      threads: 1,
      sequences: 4,
      contextSize: 192,
    });
    const sequence = model.createSequence();
    const ids = Array.from({ length: 70 }, (_, i) => i % model.tokenizer.vocabularySize);
    await sequence.evaluate(ids);
    const chat = model.chat();
    for await (const _ of chat.send("ab a", { maxTokens: 2 }));
    const saved = [await sequence.save(), await chat.save()];
    sequence.dispose();
    chat.dispose();
    return {
      make: (random: Random) => {
        const bytes = pick(random, saved);
        // The first bytes are the head and the description; the pages of keys and values are most of the others.
        const at = random.below(3) === 0 ? bytes.length : Math.min(bytes.length, 800);
        const head = mutated(random, bytes.subarray(0, at), HEADER, saved);
        const input = new Uint8Array(head.length + bytes.length - at);
        input.set(head);
        input.set(bytes.subarray(at), head.length);
        if (random.below(8) > 0 && input.length > DIGEST) {
          const end = input.length - DIGEST;
          input.set(createHash("sha256").update(input.subarray(0, end)).digest(), end);
        }
        return input;
      },
      run: async (input: Uint8Array) => {
        try {
          const restored = await model.restoreSequence(input);
          try {
            if (restored.position < 190) await restored.evaluate([1, 2]);
          } finally {
            restored.dispose();
          }
          return "ok";
        } catch (error) {
          const code = codeOf(error);
          if (code !== "SESSION_KIND") return code;
        }
        try {
          const chat = await model.restoreChat(input);
          try {
            for await (const _ of chat.send("ab", { maxTokens: 1 }));
          } finally {
            chat.dispose();
          }
          return "ok";
        } catch (error) {
          return codeOf(error);
        }
      },
      close: () => model.dispose(),
    };
  },
});
