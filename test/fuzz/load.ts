// Whole models, loaded, asked and ended: with a damaged header, with weights that no training gives, on any settings.

import { type LoadOptions, loadModel } from "cria";
import type { Random } from "../../bench/synthetic/random.js";
import { microArchitectures, microBytes, microModel } from "../support/micro-model.js";
import { fieldsOf, mutated } from "./mutate.js";
import { codeOf, pick, target } from "./target.js";

/** Loads a model, asks it for a token or a vector, and ends it. The outcome: "ok", or a code. */
export async function loadAndAsk(bytes: Uint8Array, options: LoadOptions = {}): Promise<string> {
  let model: Awaited<ReturnType<typeof loadModel>>;
  try {
    model = await loadModel(bytes, { threads: 1, ...options });
  } catch (error) {
    return codeOf(error);
  }
  try {
    if (!model.info.generates) {
      for (const vector of await model.embed(["ab a"])) if (!vector.every(Number.isFinite)) throw new Error("a NaN");
    } else {
      const { usage } = await model.complete("ab a", { maxTokens: 2, topLogprobs: 2, logprobs: true, temperature: 1 });
      if (usage.completionTokens > 2) throw new Error(`${usage.completionTokens} tokens`);
    }
    return "ok";
  } catch (error) {
    return codeOf(error);
  } finally {
    await model.dispose();
  }
}

const floats = [0, -0, 1, -1, 1e-45, 1e-38, 1e30, -1e30, 3.4e38, -3.4e38, Infinity, -Infinity, Number.NaN];

export const load = target({
  name: "load",
  executes: "a mutated micro model loaded, asked for tokens or a vector, and disposed of",
  perBuild: true,
  perProcess: 2000,
  milliseconds: 1000,
  open: async () => {
    const models: Uint8Array<ArrayBuffer>[] = [];
    for (const architecture of microArchitectures) models.push(await microBytes(await microModel(architecture)));
    const known = models.map((bytes) => ({
      bytes,
      fields: fieldsOf(bytes),
      weights: bytes.length - weightBytes(bytes),
    }));
    return {
      make: (random: Random) => {
        const { bytes, fields, weights } = pick(random, known);
        const kind = random.below(4);
        const head = bytes.slice(0, weights);
        const body = bytes.slice(weights);
        if (kind > 0) {
          const view = new DataView(body.buffer);
          for (let left = 1 + random.below(pick(random, [1, 8, 200])); left > 0; left--) {
            view.setFloat32(4 * random.below(body.length >> 2), pick(random, floats), true);
          }
        }
        // Most damage to structure is refused at once; a change in a value is not.
        const changed = kind === 3 ? head : mutated(random, head, fields, models);
        const input = new Uint8Array(changed.length + body.length);
        input.set(changed);
        input.set(body, changed.length);
        return input;
      },
      run: (input: Uint8Array) => loadAndAsk(input),
    };
  },
});

/** Bytes from the first weight on: the files are padded to 32 there. */
function weightBytes(bytes: Uint8Array): number {
  const last = fieldsOf(bytes).at(-1)!;
  return bytes.length - Math.ceil((last.at + last.bytes) / 32) * 32;
}
