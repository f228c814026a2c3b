// Activations to what a weight format's inner product multiplies: assembly/activations.

import { TILE_TOKENS } from "#abi";
import { checkChoice, checkInteger } from "../../options.js";
import { checkMultiple, f32, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { type ActivationName, activationKinds } from "./formats.js";
import { noise, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

// Columns of one block.
const blocks = { q8_32: 32, centred_q8_32: 32, q8_256: 256, q16_32: 32, f32: 1 } as const satisfies Record<
  ActivationName,
  number
>;
const names = Object.keys(blocks) as readonly ActivationName[];

/** The shape of an encoding of activations. */
export interface EncodeShape {
  readonly activation: ActivationName;
  /** A multiple of the encoding's block: the last number of its name. */
  readonly columns: number;
  /** Default 1. */
  readonly tokens?: number;
}

/** The encoding of activations, in tiles of 4 tokens. From `KernelLab.encode`. */
export interface EncodeKernel extends ShapedKernel<EncodeShape> {
  /** x read, its encoding written. */
  readonly bytes: number;
  /** @param x (tokens, columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array): this;
  /** The bytes, tile after tile, as assembly/activations draws them. */
  readonly result: Uint8Array;
}

export const encode = declareKernel<EncodeShape, EncodeKernel, "x" | "encoded">({
  plan(given, { sizes }) {
    const activation = checkChoice("activation", given.activation, names);
    const columns = checkInteger("columns", given.columns, 1, 2 ** 20);
    const tokens = checkInteger("tokens", given.tokens ?? 1, 1, 4096);
    checkMultiple("columns", columns, blocks[activation], ` with ${activation}`);
    const kind = activationKinds[activation];
    const tokenBytes = sizes.activationBytes(kind, columns);
    const tiled = tokens === 1 ? 1 : Math.ceil(tokens / TILE_TOKENS) * TILE_TOKENS;
    return {
      shape: { activation, columns, tokens },
      bytes: tokens * (columns * 4 + tokenBytes),
      buffers: { x: f32(tokens, columns), encoded: u8(tokens * tokenBytes, tiled * tokenBytes) },
      set: { setInput: ["x"] },
      run({ at, kernels }) {
        for (let token = 0; token < tokens; token += TILE_TOKENS) {
          const count = Math.min(TILE_TOKENS, tokens - token);
          const row = at.x + token * columns * 4;
          kernels.encodeActivations(kind, row, columns * 4, count, columns, at.encoded + token * tokenBytes);
        }
      },
      result: "encoded",
    };
  },
  dimensions: ["tokens", "columns"],
  formatOption: "activation",
  formats: () => names,
  // A prefill chunk of Llama-3.2-1B's width.
  shapes: () => [[128, 2048]],
  share: shareOf(0, TILE_TOKENS),
  // Its error is part of matmul's.
  fill({ shape: { tokens, columns }, setInput }) {
    setInput(noise(tokens * columns, 1));
    return undefined;
  },
});
