// Activations to what a weight format's inner product multiplies: assembly/activations.

import { TILE_TOKENS } from "#abi";
import { CriaError } from "../../errors.js";
import type { Kernels } from "../../machine/kernels.js";
import { checkChoice, checkInteger } from "../../options.js";
import { type ActivationName, activationKinds } from "./formats.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, type Workspace } from "./workspace.js";

// Columns of one block.
const blocks = { f32: 1, q8_32: 32, centred_q8_32: 32, q8_256: 256, q16_32: 32 } as const satisfies Record<
  ActivationName,
  number
>;

/** The shape of an encoding of activations. */
export interface EncodeShape {
  readonly activation: ActivationName;
  /** A multiple of the encoding's block: the last number of its name. */
  readonly columns: number;
  /** Default 1. */
  readonly tokens?: number;
}

/** The encoding of activations, in tiles of 4 tokens. From `KernelLab.encode`. */
export class EncodeKernel implements PreparedKernel {
  readonly shape: Required<EncodeShape>;
  /** x read, its encoding written. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"x" | "encoded">;
  readonly #tokenBytes: number;

  /** Use `KernelLab.encode`. */
  constructor(module: WebAssembly.Module, sizes: Kernels, shape: EncodeShape) {
    const activation = checkChoice("activation", shape.activation, Object.keys(blocks) as ActivationName[]);
    const columns = checkInteger("columns", shape.columns, 1, 2 ** 20);
    const tokens = checkInteger("tokens", shape.tokens ?? 1, 1, 4096);
    if (columns % blocks[activation] !== 0) {
      throw new CriaError("INVALID_SHAPE", `${columns} columns are no multiple of ${blocks[activation]}`);
    }
    this.shape = { activation, columns, tokens };
    this.#tokenBytes = sizes.activationBytes(activationKinds[activation], columns);
    const tiled = tokens === 1 ? 1 : Math.ceil(tokens / TILE_TOKENS) * TILE_TOKENS;
    this.bytes = tokens * (columns * 4 + this.#tokenBytes);
    this.#space = openWorkspace(module, { x: tokens * columns * 4, encoded: tiled * this.#tokenBytes });
  }

  /** @param x (tokens, columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array): this {
    checkLength("x", x, this.shape.tokens * this.shape.columns);
    floats(this.#space, this.#space.at.x, x.length).set(x);
    return this;
  }

  run(): void {
    const { activation, columns, tokens } = this.shape;
    const { at, kernels } = this.#space;
    for (let token = 0; token < tokens; token += TILE_TOKENS) {
      const count = Math.min(TILE_TOKENS, tokens - token);
      const to = at.encoded + token * this.#tokenBytes;
      const row = at.x + token * columns * 4;
      kernels.encodeActivations(activationKinds[activation], row, columns * 4, count, columns, to);
    }
  }

  /** The bytes, tile after tile, as assembly/activations draws them. */
  get result(): Uint8Array {
    const { at, memory } = this.#space;
    return new Uint8Array(memory.buffer, at.encoded, this.shape.tokens * this.#tokenBytes).slice();
  }
}
