// Phi-3 and Phi-4 (Abdin et al. 2024), the models whose files say `phi3`: Llama's layers with one matrix for q, k and v and one for gate and
// up, a window in Phi-3-mini, a part of each head without RoPE in Phi-4-mini, and LongRoPE (Ding et al. 2024) in those with a long context.
//
// The window is that of the original (2047 positions in Phi-3-mini-4k). llama.cpp reads its key and does without.

import { UnsupportedError } from "../../errors.js";
import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, LARGEST, type RopeParameters, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Pass } from "../pass.js";
import { LONG_FACTORS, SHORT_FACTORS } from "../plan/rope.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += wo . attention(rope(wq . norm(x)), rope(wk . norm(x)), wv . norm(x))
    gatedFeedForward(pass, w, "silu"); // x += w_down . (silu(w_gate . norm(x)) * (w_up . norm(x)))
  }
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, fused: true }),
    ...gatedFeedForwardSpecs(h, layer, { norm: true, fused: true }),
  };
}

/** The common keys, the window of all layers, and LongRoPE where the file has its factors. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "rms" });
  const window = reader.integer("attention.sliding_window", 0, 0, LARGEST.context);
  const isLong = [LONG_FACTORS, SHORT_FACTORS].some((name) => reader.gguf.tensor(name) !== undefined);
  return {
    ...h,
    attention: h.attention.map((layer) => ({ ...layer, window })),
    ropes: isLong ? h.ropes.map((rope) => longRope(reader, rope, h.context)) : h.ropes,
  };
}

function longRope(reader: KeyReader, rope: RopeParameters, context: number): RopeParameters {
  if (rope.scaling.type !== "none") {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `RoPE scaling "${rope.scaling.type}" beside ${LONG_FACTORS}; supported: one of the two`,
    );
  }
  return {
    ...rope,
    scaling: {
      type: "longrope",
      originalContext: reader.integer("rope.scaling.original_context_length", context, 1, LARGEST.context),
      attentionFactor: reader.number("rope.scaling.attn_factor", 1, 0, 1000),
    },
  };
}

export const phi3: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
